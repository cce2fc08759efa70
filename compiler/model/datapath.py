"""What a proof loads into a kernel in a router's place.

A target may offer the member :meth:`Modelled.data_path`; one that does not cannot be proven, and
the proof says so. A family whose bundle is a Linux ruleset gives that ruleset itself. For other
families it gives a *model*: the rules that the firmware writes for the settings, as far as
somebody has read them, and ``basis`` says who has read what.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Protocol, TypeVar, runtime_checkable

from compiler.model.device import Device

S_contra = TypeVar("S_contra", contravariant=True)


@dataclass(frozen=True, slots=True)
class DataPath:
    """The rules of a router, as text that its own tools load.

    - ``nft`` is for ``nft -f``; ``iptables`` and ``ip6tables`` are for ``iptables-restore`` and
      ``ip6tables-restore``. Empty texts are not loaded.
    - ``modelled``: this is our reading of what firmware does, not the firmware's own text.
      ``basis`` says in one sentence what was read.
    - ``sysctls``: names with dots, as sysctl(8) writes them, without the leading ``net.``.
    - ``translates``: the text masquerades what goes out over IPv4 and forwards to exposed
      servers. Where it does not, the lab masquerades, and exposed servers are not proven.
    - ``guards``: the text decides what comes in from the WAN. Where it does not (another
      firewall's task), nothing is said of packets that nobody asked for.
    - ``helpers``: NAT helpers, by the kernel's name, that the router assigns although no rule says
      so (kernels before 4.7); the lab then assigns them. ``unsure_helpers``: nobody knows
      whether the router does, so flows that need one are not proven.
    - ``ends``: running connections that the router's own procedure ends once the rules are loaded:
      for each kind the arguments of ``conntrack -D``.
    """

    nft: str = ""
    iptables: str = ""
    ip6tables: str = ""
    modelled: bool = True
    basis: str = ""
    sysctls: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    translates: bool = True
    guards: bool = True
    helpers: tuple[str, ...] = ()
    unsure_helpers: tuple[str, ...] = ()
    ends: tuple[tuple[str, ...], ...] = ()


@runtime_checkable
class Modelled(Protocol[S_contra]):
    """A target whose settings can be given to a kernel."""

    def data_path(self, settings: S_contra, device: Device) -> DataPath:
        """Give the rules that the router has under these settings.

        Raises:
            TargetError: T406, nobody has read what this router does.
        """
        ...
