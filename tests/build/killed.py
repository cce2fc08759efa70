"""Writes a bundle over an old one and is killed at each step: ``python -m tests.build.killed OUT``.

One child for each step of the file system; after each death the folder is judged and the run is
repeated to its end. Prints one line of JSON for each death: what a reader would have found.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from compiler.build import output
from compiler.build.output import Output
from tests.build.support import LINUX, bundles, site

_STEPS = (
    (Path, "rename"),
    (Path, "replace"),
    (Path, "write_bytes"),
    (Path, "chmod"),
    (output, "swap"),
)


def die_at(step: int) -> None:
    """Make the process kill itself right before its step number ``step``."""
    count = 0

    def counting(call: Callable[..., Any]) -> Callable[..., Any]:
        def called(*arguments: Any, **more: Any) -> Any:
            nonlocal count
            count += 1
            if count == step:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*arguments, **more)

        return called

    for holder, name in _STEPS:
        setattr(holder, name, counting(getattr(holder, name)))


def state(root: Path) -> dict[str, Any]:
    """Give the bytes of each bundle as a reader finds them, left-overs aside."""
    return {
        host.name: sorted(
            (file.relative_to(host).as_posix(), file.read_text())
            for file in host.rglob("*")
            if file.is_file()
        )
        for host in sorted(root.iterdir())
        if host.is_dir() and not host.name.startswith(output.ASIDE)
    }


def main(root: Path) -> None:
    """Kill a run at every step there is."""
    hosts = {"r1": LINUX, "r2": LINUX}
    old, new = (site(root.parent / word, hosts, pptp=word) for word in ("pass", "block"))
    made = [(Output(root, one.policy_hash), bundles(one)) for one in (old, new)]
    made[1][0].write(made[1][1], whole=True, prune=False)
    wanted = state(root)
    for step in range(1, 1000):
        made[0][0].write(made[0][1], whole=True, prune=False)
        before = state(root)
        child = os.fork()
        if child == 0:
            die_at(step)
            made[1][0].write(made[1][1], whole=True, prune=False)
            os._exit(0)
        died = os.waitpid(child, 0)[1] != 0
        found = state(root)
        fine = {
            name: "old" if found.get(name) == before[name] else "new"
            for name in before
            if found.get(name) in (before[name], wanted[name])
        }
        left = len(list(root.glob(f"{output.ASIDE}*")))
        made[1][0].write(made[1][1], whole=True, prune=False)
        mended = state(root) == wanted and not list(root.glob(f"{output.ASIDE}*"))
        sys.stdout.write(json.dumps([fine, left, mended]) + "\n")
        if not died:
            return


if __name__ == "__main__":
    main(Path(sys.argv[1]))
