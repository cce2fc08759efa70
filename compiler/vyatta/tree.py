"""A config as nested mappings: words lead to what stands under them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from compiler.vyatta.read import Path

Tree = dict[str, "Tree"]
_EMPTY: Tree = {}


def tree_of(paths: Iterable[Path]) -> Tree:
    """Nest the paths of a config."""
    root: Tree = {}
    for path in paths:
        node = root
        for word in path:
            node = node.setdefault(word, {})
    return root


def at(tree: Tree, *words: str) -> Tree:
    """Give what stands under some words; nothing where they are not there."""
    for word in words:
        tree = tree.get(word, _EMPTY)
    return tree


def leaf(tree: Tree, *words: str) -> str:
    """Give the first word under some words, or nothing."""
    return next(iter(at(tree, *words)), "")


def interfaces(tree: Tree) -> Iterator[tuple[str, Tree]]:
    """Give every interface with its node, those inside of others too."""
    for kind in at(tree, "interfaces").values():
        for name, node in kind.items():
            yield from _inside(name, node)


def _inside(name: str, node: Tree) -> Iterator[tuple[str, Tree]]:
    yield name, node
    for vlan, inner in (*at(node, "vif").items(), *at(node, "vif-s").items()):
        yield from _inside(f"{name}.{vlan}", inner)
    for number, inner in at(node, "pppoe").items():
        yield f"pppoe{number}", inner
