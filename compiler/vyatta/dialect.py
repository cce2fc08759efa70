"""How one Vyatta system names what is set: data, so that one solver serves them all."""

from __future__ import annotations

from dataclasses import dataclass

from compiler.model.protocol import Family
from compiler.vyatta.read import Path

#: The name of everything that is ours begins so, and every comment that marks something as ours.
OWN = "PASSTHRU"
MARK = "passthru:"
#: Our own ruleset on WAN interfaces, and the one for IPv6.
RULESET = {Family.IPV4: f"{OWN}_OUT", Family.IPV6: f"{OWN}_OUT_V6"}
HELPER = ("system", "conntrack", "modules", "pptp")


@dataclass(frozen=True, slots=True)
class Dialect:
    """One system's names.

    - ``forward``: rules stand in a chain of our own that the forward filter jumps to and can
      match interfaces; otherwise they stand in a ruleset on the WAN interfaces and cannot.
    - ``assigns``: the system is known to assign a helper that is on; otherwise it depends on the
      kernel's ``nf_conntrack_helper``, see the fact ``auto_helper``.
    - ``helper_off``: the PPTP helper runs unless the node says ``disable``; otherwise it runs if
      the node is there.
    - ``group6`` is how an IPv6 rule refers to a network group, ``member6`` how that group
      names its members.
    - ``nat`` is the node of destination NAT rules, ``nat_in`` their incoming interface,
      ``nat_to`` the new address, ``nat_kind`` what else each such rule must say.
    - ``passes_over``: its ip6tables looks for a protocol behind authentication headers, so that
      no rule can find AH over IPv6 (xtables; rules of nftables find it).
    - ``offloads``: its hardware may carry running connections past the rules, see the fact
      ``offload``.
    - ``most`` is the highest number that our rules may begin with: the systems allow a little
      more.
    """

    name: str
    forward: bool
    helper_off: bool
    assigns: bool
    log: Path
    new: Path
    group6: str
    member6: str
    nat: Path
    nat_in: Path
    nat_to: Path
    nat_kind: tuple[Path, ...] = ()
    passes_over: bool = False
    offloads: bool = False
    most: int = 900_000

    def ruleset(self, family: Family, name: str) -> Path:
        """Give the node of a ruleset or chain by name."""
        if self.forward:
            return ("firewall", str(family), "name", name)
        return ("firewall", "name" if family is Family.IPV4 else "ipv6-name", name)

    def group(self, family: Family, name: str) -> Path:
        """Give the node of a network group."""
        kind = "network-group" if family is Family.IPV4 else "ipv6-network-group"
        return ("firewall", "group", kind, name)

    def member(self, family: Family) -> str:
        """Give the word for a member of a network group."""
        return "network" if family is Family.IPV4 else self.member6

    def reference(self, family: Family) -> str:
        """Give the word by which a rule refers to a network group."""
        return "network-group" if family is Family.IPV4 else self.group6


#: EdgeOS 1.9 and later, 2.x and 3.x.
EDGEOS = Dialect(
    "edgeos",
    forward=False,
    helper_off=True,
    assigns=False,
    log=("log", "enable"),
    new=("state", "new", "enable"),
    group6="ipv6-network-group",
    member6="ipv6-network",
    nat=("service", "nat"),
    nat_in=("inbound-interface",),
    nat_to=("inside-address", "address"),
    nat_kind=(("type", "destination"),),
    passes_over=True,
    offloads=True,
    most=9_000,
)
#: VyOS 1.3 (equuleus).
VYOS13 = Dialect(
    "vyos-1.3",
    forward=False,
    helper_off=False,
    assigns=True,
    log=("log", "enable"),
    new=("state", "new", "enable"),
    group6="network-group",
    member6="network",
    nat=("nat", "destination"),
    nat_in=("inbound-interface",),
    nat_to=("translation", "address"),
)
#: VyOS 1.4 (sagitta) and later.
VYOS14 = Dialect(
    "vyos-1.4",
    forward=True,
    helper_off=False,
    assigns=True,
    log=("log",),
    new=("state", "new"),
    group6="network-group",
    member6="network",
    nat=("nat", "destination"),
    nat_in=("inbound-interface", "name"),
    nat_to=("translation", "address"),
)
