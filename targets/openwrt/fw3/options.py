"""How firewall3 reads options: laxer than fw4, and it keeps some sections that are wrong."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from targets.openwrt.fw4 import values as v
from targets.openwrt.fw4.addresses import Address, addresses
from targets.openwrt.fw4.schema import Vanishes
from targets.openwrt.fw4.state import PROTOCOLS
from targets.openwrt.networks import Networks
from targets.openwrt.uci import Section

_POLICIES = ("accept", "reject", "drop")
_TARGETS = (*_POLICIES, "notrack", "helper", "mark", "dscp", "dnat", "snat", "masquerade")
_MOST = 65535
#: Names of /etc/protocols that musl does not know by itself do not help: fw3 asks musl.
_PORT_PROTOCOLS = frozenset({6, 17, 132, 136})


@dataclass(frozen=True, slots=True)
class Protocol:
    """A layer-4 protocol; ``None`` is any."""

    number: int | None
    negated: bool = False

    @property
    def ported(self) -> bool:
        """Tell whether iptables matches ports of it."""
        return self.number in _PORT_PROTOCOLS and not self.negated


@dataclass(frozen=True, slots=True)
class End:
    """An address to match: ``None`` matches all, and so does a name that nothing resolves."""

    address: Address | None = None
    doubt: str = ""

    def of(self, family: int) -> bool:
        """Tell whether it can be of a family."""
        return self.address is None or self.address.family == family


def flag(section: Section, option: str, *, default: bool) -> bool:
    """Read a switch: what is not true is false."""
    stated = section.text(option)
    return stated in ("1", "true", "yes") if stated else default


def _enum(text: str, words: Sequence[str]) -> str:
    lower = text.lower()
    return next((word for word in words if lower and word.startswith(lower)), "")


def policy(section: Section, option: str, default: str) -> str:
    """Read a policy; a wrong one is the default."""
    return _enum(section.text(option), _POLICIES) or default


def target(section: Section, default: str) -> str:
    """Read a target.

    Raises:
        Vanishes: it is none that fw3 knows.
    """
    stated = section.text("target")
    found = _enum(stated, _TARGETS)
    if stated and not found:
        raise Vanishes(f"option 'target' has the invalid value '{stated}'")
    return found or default


def family(section: Section) -> int:
    """Read the address family; 0 is both.

    Raises:
        Vanishes: it is none.
    """
    stated = section.text("family")
    if not stated or stated in ("any", "*"):
        return 0
    if stated == "inet" or "4" in stated:
        return 4
    if "6" in stated:
        return 6
    raise Vanishes(f"option 'family' has the invalid value '{stated}'")


def words(section: Section, option: str) -> tuple[str, ...]:
    """Give the values of an option that may hold several."""
    stated = section.get(option)
    if isinstance(stated, tuple):
        return stated
    found: list[str] = []
    glue = ""
    for word in (stated or "").split():
        if word == "!":
            glue = "!"
            continue
        found.append(glue + word)
        glue = ""
    return (*found, glue) if glue else tuple(found)


def single(section: Section, option: str) -> str:
    """Give the value of an option that holds one.

    Raises:
        Vanishes: it is a list.
    """
    stated = section.get(option)
    if isinstance(stated, tuple):
        raise Vanishes(f"option '{option}' must not be a list")
    return stated or ""


def protocols(section: Section) -> tuple[Protocol, ...]:
    """Read the protocols of a rule or redirect; none are TCP and UDP.

    Raises:
        Vanishes: one is not known.
    """
    found: list[Protocol] = []
    for word in words(section, "proto") or ("tcpudp",):
        negated, name = word.startswith("!"), word.lstrip("!").strip()
        if name in ("all", "any", "*"):
            found.append(Protocol(None))
        elif name == "tcpudp":
            found += (Protocol(6), Protocol(17))
        else:
            found.append(Protocol(_number(name), negated))
    return tuple(found)


def _number(name: str) -> int:
    known = PROTOCOLS.get("ipv6-icmp" if name == "icmpv6" else name)
    if known is not None:
        return known
    if not name.isdecimal():
        raise Vanishes(f"option 'proto' has the invalid value '{name}'")
    return int(name) & 0xFF


def ports(section: Section, option: str) -> tuple[v.Ports, ...]:
    """Read ports.

    Raises:
        Vanishes: one is invalid.
    """
    return tuple(port(word, option) for word in words(section, option))


def port(text: str, option: str) -> v.Ports:
    """Read one port or range.

    Raises:
        Vanishes: it is invalid, or so large that fw3 reads another number.
    """
    found = v.port(text)
    if found is None or found.last > _MOST:
        raise Vanishes(f"option '{option}' has the invalid value '{text}'")
    return found


def ends(section: Section, option: str, networks: Networks) -> tuple[End, ...]:
    """Read addresses and names of networks; no option at all is one end that matches all."""
    found = tuple(end for word in words(section, option) for end in _ends(word, networks))
    return found or (End(),)


def end(section: Section, option: str, networks: Networks) -> End:
    """Read one address, or the first of a network.

    Raises:
        Vanishes: it is a list.
    """
    stated = single(section, option)
    return next(_ends(stated, networks)) if stated else End()


def _ends(text: str, networks: Networks) -> Iterator[End]:
    read = addresses(text, networks)
    if read is None:
        yield End(doubt=f"what '{text}' stands for is not known")
    elif read.doubt:
        yield End(doubt=read.doubt)
    elif not read.found:
        yield End()
    else:
        yield from (End(address.cleared) for address in read.found)
