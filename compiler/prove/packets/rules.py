"""Rules into the lab's router: a data path as it is, and an open router for tunnels to come up."""

from __future__ import annotations

from collections.abc import Iterable

from compiler.model.datapath import DataPath
from compiler.model.intent import Decision, Exposure, Intent
from compiler.model.protocol import Family, Helper, layer4_name
from compiler.prove.lab import Lab

_OPEN, _AROUND = "passthru_open", "passthru_lab"


def helpers_of(intent: Intent) -> tuple[Helper, ...]:
    """Give the NAT helpers of an intent's protocols, each once."""
    parts: tuple[Decision | Exposure, ...] = (*intent.decisions, *intent.exposures)
    return tuple({part.helper.name: part.helper for part in parts if part.helper}.values())


def load(lab: Lab, path: DataPath, intent: Intent) -> None:
    """Load a data path into a router that has nothing, with what it leaves to the lab.

    Raises:
        ProofError: E802, the router's tools refuse it.
    """
    lab.clear()
    land(lab, path, intent)


def land(lab: Lab, path: DataPath, intent: Intent) -> None:
    """Load a data path beside what is there, as a policy lands on a running router."""
    lab.router.set({_file(name): "0" for name in path.sysctls if name.endswith("forward")})
    if path.nft:
        lab.load(path.nft)
    for tool, text in (("iptables", path.iptables), ("ip6tables", path.ip6tables)):
        if text:
            lab.router.run(f"{tool}-restore", text=text)
    around = _around(lab, path, intent)
    if around:
        lab.load(around)
    lab.router.set({_file(name): value for name, value in path.sysctls.items()})
    for arguments in path.ends:
        lab.router.run("conntrack", "-D", *arguments, check=False)  # fails where there are none


def ends(path: DataPath, family: Family, layer4: int, port: int) -> bool:
    """Tell whether the router's own procedure ends such connections, whoever they are of."""
    names, ports = {str(layer4), layer4_name(layer4)}, {str(port), ""}
    for arguments in path.ends:
        found = dict(zip(arguments[::2], arguments[1::2], strict=True))
        of_it = found["-f"] == str(family) and found["-p"] in names
        if of_it and found.get("--orig-port-dst", "") in ports:
            return True
    return False


def open_up(lab: Lab, intent: Intent) -> None:
    """Make the router pass everything, with NAT and all helpers."""
    lab.clear()
    lab.load(_table(_OPEN, _masquerade(lab), helpers_of(intent)))


def close_up(lab: Lab) -> None:
    """Take the open router's rules away; its connections stay."""
    lab.router.run("nft", "delete", "table", "inet", _OPEN)


def _file(name: str) -> str:
    """Give the path of a sysctl: dots part, and slashes stand for dots, as sysctl(8) has it."""
    return name.translate(str.maketrans("./", "/."))


def _around(lab: Lab, path: DataPath, intent: Intent) -> str:
    """Give the table with what the data path leaves to the lab; empty for nothing."""
    helpers = [helper for helper in helpers_of(intent) if helper.name in path.helpers]
    nat = "" if path.translates else _masquerade(lab)
    return _table(_AROUND, nat, helpers) if nat or helpers else ""


def _masquerade(lab: Lab) -> str:
    names = ", ".join(f'"{wan.interface}"' for wan in lab.layout.wans)
    return f"meta nfproto ipv4 oifname {{ {names} }} masquerade"


def _table(name: str, nat: str, helpers: Iterable[Helper]) -> str:
    parts = [f"table inet {name}", f"delete table inet {name}", f"table inet {name} {{"]
    rules = []
    for helper in helpers:
        layer4 = layer4_name(helper.layer4)
        parts.append(f'ct helper {helper.name}_ {{ type "{helper.name}" protocol {layer4};')
        parts.append("l3proto ip; }")
        rules.append(
            f'meta nfproto ipv4 {layer4} dport {helper.port} ct helper set "{helper.name}_"'
        )
    hooks = [
        ("prerouting", "filter", "0", rules),
        ("postrouting", "nat", "100", [nat] if nat else []),
    ]
    for hook, kind, priority, found in hooks:
        if found:
            parts += [f"chain {hook}_ {{", f"type {kind} hook {hook} priority {priority};"]
            parts += [*found, "}"]
    return "\n".join([*parts, "}", ""])
