"""What a switch is: its values, and what each value does to packets and NAT helpers.

Everything here is data. A router family is added by writing a :class:`Family`, no code; what
the data must be able to say is whatever firmware was seen to do: a switch that drops a part of
its protocol, or more than its protocol, that is inverted, that has four values, that works in
one address family, or of which nobody has read what it drops.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Protocol

from compiler.model import modules
from compiler.model.device import Device, Fact
from compiler.model.effect import Direction, HelperState, Probe
from compiler.model.finding import Finding
from compiler.model.intent import Intent
from compiler.model.protocol import PORTED, PortRange, layer4_name
from compiler.model.protocol import Family as AddressFamily
from compiler.model.target import Bundle, Capabilities, Procedure

#: A native value: text in nvram and forms, true or false in JSON.
Scalar = str | bool
IPV4 = frozenset({AddressFamily.IPV4})
IPV6 = frozenset({AddressFamily.IPV6})


@dataclass(frozen=True, slots=True)
class Match:
    """Packets that a switch reaches: a layer-4 protocol, destination ports, address families.

    ``ports`` of ``None`` means every packet of the protocol.
    """

    layer4: int
    ports: PortRange | None = None
    families: frozenset[AddressFamily] = IPV4

    @classmethod
    def port(cls, layer4: int, port: int, families: frozenset[AddressFamily] = IPV4) -> Match:
        """Match one destination port."""
        return cls(layer4, PortRange(port, port), families)

    def covers(self, probe: Probe) -> bool:
        """Tell whether the probe's packet is one of these; signatures cannot be seen here."""
        if probe.flow.layer4 != self.layer4 or probe.family not in self.families:
            return False
        return self.ports is None or (self.layer4 in PORTED and probe.port in self.ports)

    def __str__(self) -> str:
        """Give ``tcp/1723`` or ``gre``."""
        name = layer4_name(self.layer4)
        return f"{name}/{self.ports}" if self.ports else name


class Loading(StrEnum):
    """What a value does to a NAT helper. A loaded helper still has to be assigned."""

    LOADED = "loaded"
    ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class Value:
    """One value of a switch and what it does.

    - ``drops``: packets from LAN to WAN that certainly do not get through.
    - ``unsure``: packets that may be dropped; nobody has read the firmware's rule for them.
    - ``opens``: packets from WAN to LAN that get in without any port forwarding.
    - ``helpers``: NAT helpers by name, and whether the value loads them.
    - ``builds``: packets that only some builds drop, with the fact that says whether this one
      does; :meth:`Family.settled` moves them to ``drops`` or, without the fact, to ``unsure``.
    """

    native: Scalar
    drops: tuple[Match, ...] = ()
    unsure: tuple[Match, ...] = ()
    opens: tuple[Match, ...] = ()
    helpers: tuple[tuple[str, Loading], ...] = ()
    builds: tuple[tuple[str, tuple[Match, ...]], ...] = ()

    def settled(self, facts: Mapping[str, Fact]) -> Value:
        """Say of ``builds`` what the facts say: dropped, not dropped, or nobody knows."""
        known = [(facts.get(fact), matches) for fact, matches in self.builds]
        drops = [match for stated, matches in known if stated is True for match in matches]
        unsure = [m for stated, matches in known if not isinstance(stated, bool) for m in matches]
        return replace(self, drops=(*self.drops, *drops), unsure=(*self.unsure, *unsure), builds=())

    @property
    def inert(self) -> bool:
        """Tell whether the value leaves every packet and every helper alone."""
        return not (self.drops or self.unsure or self.opens) and all(
            loading is Loading.LOADED for _, loading in self.helpers
        )

    def reach(self, direction: Direction) -> tuple[Match, ...]:
        """Give all packets that the value does something to, in one direction."""
        return self.opens if direction is Direction.IN else self.drops + self.unsure

    @property
    def shown(self) -> str:
        """The value as people read it in the router's own form."""
        return str(self.native).lower() if isinstance(self.native, bool) else self.native


@dataclass(frozen=True, slots=True)
class Gate:
    """What must hold besides a switch's own value before its drops take effect.

    ``any_of`` are (key, value) pairs of other switches, of which one must hold. Where none
    does, the drops have no effect if ``shut`` is true; else builds differ and nobody knows.
    """

    any_of: tuple[tuple[str, Scalar], ...]
    shut: bool = True

    def holds(self, values: Mapping[str, Scalar]) -> bool | None:
        """Tell whether the drops take effect; ``None``: that is not known."""
        known = [(values.get(key), wanted) for key, wanted in self.any_of]
        if any(value is not None and same(value, wanted) for value, wanted in known):
            return True
        return False if self.shut and all(value is not None for value, _ in known) else None

    def __str__(self) -> str:
        """Give ``filter=on`` or ``pptp=0 or ipsec=0``."""
        return " or ".join(f"{key}={value}" for key, value in self.any_of)


@dataclass(frozen=True, slots=True)
class Toggle:
    """A switch of the router: its native key and its values.

    - ``default`` is the factory value; ``unset`` is what an unset or empty key means and
      ``other`` what any value not listed means (``None``: such a text is refused).
    - ``unsure_because`` completes the sentence "unknown, because ..." for ``Value.unsure``.
    - ``gate``: what else must hold before the drops of any value take effect.
    """

    key: str
    title: str
    values: tuple[Value, ...]
    default: Scalar
    source: str
    unset: Scalar | None = None
    other: Scalar | None = None
    unsure_because: str = ""
    gate: Gate | None = None

    def value(self, native: Scalar) -> Value | None:
        """Find a value by its native form; ``True`` is not ``"1"`` and not ``1``."""
        return next((v for v in self.values if same(v.native, native)), None)

    def read(self, native: Scalar | None) -> Scalar | None:
        """Say which listed value a native one amounts to; ``None``: it cannot be said."""
        if native is None or native == "":
            return self.unset
        return native if self.value(native) else self.other

    def reaches(self, probe: Probe) -> bool:
        """Tell whether any value does anything to the probe's packet."""
        return any(match.covers(probe) for v in self.values for match in v.reach(probe.direction))

    def governs(self, helper: str) -> bool:
        """Tell whether any value loads or unloads the helper."""
        return any(name == helper for value in self.values for name, _ in value.helpers)


def same(one: Scalar, other: Scalar) -> bool:
    """Compare native values without Python's ``True == 1``."""
    return type(one) is type(other) and one == other


@dataclass(frozen=True, slots=True)
class HelperFact:
    """A NAT helper of the firmware: the packets that need it, and its state where no switch says.

    ``data`` are the packets that only the helper brings through for several clients (GRE
    for PPTP). ``built_in`` is the state where no switch governs the helper; ``loaded`` says that
    the firmware then always loads it, so that the kernel alone decides.
    """

    name: str
    data: tuple[Match, ...]
    source: str
    built_in: HelperState = HelperState.UNKNOWN
    loaded: bool = False

    def needed_by(self, probe: Probe) -> bool:
        """Tell whether the probe's flow works only with this helper."""
        return probe.flow.carried and any(match.covers(probe) for match in self.data)


@dataclass(frozen=True, slots=True)
class FactSpec:
    """A fact of the inventory that the family reads, with the values it may have."""

    name: str
    description: str
    kind: type
    allowed: tuple[str, ...] = ()
    pattern: str = ""


class Form(Protocol):
    """How a family's settings are written, read and brought onto the router."""

    @property
    def options(self) -> Mapping[str, str]:
        """Device options that the form reads, each with a description."""
        ...

    def parse(self, family: Family, text: str) -> Mapping[str, Scalar]:
        """Read our own native file or the router's answer.

        Raises:
            NativeError: the text is empty, cut off or not understood.
        """
        ...

    def merge(self, family: Family, values: Mapping[str, Scalar], text: str, observed: str) -> str:
        """Put values into a native text; every other byte stays."""
        ...

    def render(self, family: Family, values: Mapping[str, Scalar], observed: str) -> Bundle:
        """Print the bundle."""
        ...

    def procedure(self, family: Family, values: Mapping[str, Scalar]) -> Procedure:
        """Give the steps that bring the bundle onto the router."""
        ...


class Note(Protocol):
    """Says what a person should know about an intent on a device and no deviation shows."""

    def __call__(self, intent: Intent, device: Device) -> Iterable[Finding]:
        """Give the findings."""
        ...


@dataclass(frozen=True, slots=True)
class Example:
    """A typical router of the family: what follows its name, and the facts that make it one."""

    label: str = ""
    facts: Mapping[str, Fact] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Family:
    """A router family of switches. ``flavour`` tells families of one target apart.

    ``cuts_running`` says whether a block also ends tunnels that are up. ``carried`` are the
    other fields of the object that the switches live in: they are written too, with the
    values that the router gave. ``field_values`` are the values such a field may have.
    ``beyond_main`` names the fact that says whether drops hold for LAN zones beside the main
    one (the first); empty: they hold for all. ``beyond_wan`` is a fact and the value with which
    drops hold for WAN zones beside the first one; empty: they hold for all. ``mend`` says how a
    kernel module that the helper needs gets onto the router. ``examples`` are what the support
    matrix shows.
    """

    name: str
    summary: str
    toggles: tuple[Toggle, ...]
    form: Form
    capabilities: Capabilities
    flavour: str = ""
    cuts_running: bool = False
    helpers: tuple[HelperFact, ...] = ()
    carried: tuple[str, ...] = ()
    field_values: tuple[Scalar, ...] = ()
    facts: tuple[FactSpec, ...] = ()
    note: Note | None = None
    beyond_main: str = ""
    beyond_wan: tuple[str, Scalar] | None = None
    mend: str = modules.MEND
    examples: tuple[Example, ...] = (Example(),)

    def settled(self, facts: Mapping[str, Fact]) -> Family:
        """Give the family as it is on the build that the facts describe."""
        if not any(value.builds for toggle in self.toggles for value in toggle.values):
            return self
        toggles = tuple(
            replace(toggle, values=tuple(value.settled(facts) for value in toggle.values))
            for toggle in self.toggles
        )
        return replace(self, toggles=toggles)

    def toggle(self, key: str) -> Toggle | None:
        """Find a switch by its native key."""
        return next((toggle for toggle in self.toggles if toggle.key == key), None)

    def helper_of(self, probe: Probe) -> HelperFact | None:
        """Find the helper without which the probe's flow does not work for several clients."""
        return next((fact for fact in self.helpers if fact.needed_by(probe)), None)

    @property
    def keys(self) -> tuple[str, ...]:
        """Native keys of the switches, in the order of the data."""
        return tuple(toggle.key for toggle in self.toggles)


@dataclass(frozen=True, slots=True)
class ToggleSettings:
    """Managed switches as (key, native value), sorted by key. An absent key is left alone."""

    values: tuple[tuple[str, Scalar], ...] = ()

    @classmethod
    def of(cls, values: Mapping[str, Scalar]) -> ToggleSettings:
        """Build settings from a mapping."""
        return cls(tuple(sorted(values.items())))

    def as_dict(self) -> dict[str, Scalar]:
        """Give the values by key."""
        return dict(self.values)
