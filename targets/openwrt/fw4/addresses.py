"""Addresses in options: how firewall4 reads them, and how its rules match them.

A name in place of an address is that of a network.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from targets.openwrt.fw4 import nft
from targets.openwrt.fw4.values import integer, named
from targets.openwrt.networks import Networks


@dataclass(frozen=True, slots=True)
class Address:
    """An address, prefix or range as nft writes it; ``mask`` where it is no prefix."""

    family: int
    text: str
    mask: str = ""
    negated: bool = False

    @property
    def cleared(self) -> Address:
        """The same with nothing outside its mask: as iptables keeps it."""
        if not self.mask:
            return self
        address = ip_address(self.text)
        kept = int(address) & int(ip_address(self.mask))
        return replace(self, text=str(type(address)(kept)))


@dataclass(frozen=True, slots=True)
class Addresses:
    """What one value of an address option stands for.

    ``doubt``: it names a network whose addresses are not known. No addresses at all: a network
    that has none, and then fw4 leaves the match out.
    """

    found: tuple[Address, ...] = ()
    negated: bool = False
    doubt: str = ""


def addresses(text: str, networks: Networks) -> Addresses | None:
    """Read an address, prefix, range, or the name of a network."""
    found = named(text)
    if found is None:
        return None
    word, negated = found.word, found.negated
    address = _prefix(word, negated=negated) if "/" in word else _range(word, negated=negated)
    if address is not None:
        return Addresses((address,), negated)
    if "/" in word or "-" in word:
        return None
    known = networks.addresses(word)
    if isinstance(known, str):
        return Addresses((), negated, known)
    if known is None:
        return None
    listed = (Address(net.version, str(net), "", negated) for net in known)
    return Addresses(tuple(listed), negated)


def _ip(text: str) -> IPv4Address | IPv6Address | None:
    try:
        found = ip_address(text)
    except ValueError:
        return None
    return None if isinstance(found, IPv6Address) and found.scope_id else found


def _prefix(word: str, *, negated: bool) -> Address | None:
    first, _, rest = word.partition("/")
    address, mask = _ip(first), _ip(rest)
    if address is None or "/" in rest:
        return None
    version = address.version
    if mask is not None:
        if mask.version != version:
            return None
        bits = _length(mask)
        if bits is None:
            masked_ = type(address)(int(address) & int(mask))
            return Address(version, str(masked_), str(mask), negated)
        rest = str(bits)
    length = integer(rest)
    return None if length is None else _of_length(address, length, word, negated=negated)


def _of_length(
    address: IPv4Address | IPv6Address, length: int, word: str, *, negated: bool
) -> Address:
    """Give a prefix; with a negative length the last bits count, and fw4 clears no others."""
    version, width = address.version, address.max_prefixlen
    if -width <= length < 0:
        mask = type(address)((1 << width + length) - 1)
        return Address(version, str(address), str(mask), negated)
    if not 0 <= length <= width:
        # fw4 prints it, and nft refuses it
        return Address(version, word, "", negated)
    network = ip_network(f"{address}/{length}", strict=False)
    plain = length == width
    return Address(version, str(network.network_address if plain else network), "", negated)


def _length(mask: IPv4Address | IPv6Address) -> int | None:
    """Give the length of a prefix from its mask; ``None`` where the mask has holes."""
    width = mask.max_prefixlen
    length = int(mask).bit_count()
    return length if int(mask) == ((1 << width) - 1) ^ ((1 << width - length) - 1) else None


def _range(word: str, *, negated: bool) -> Address | None:
    first, dash, last = word.partition("-")
    low, high = _ip(first), _ip(last) if dash else None
    if low is None or (dash and (high is None or high.version != low.version)):
        return None
    return Address(low.version, f"{low}-{high}" if high else str(low), "", negated)


@dataclass(frozen=True, slots=True)
class Split:
    """The addresses of an option by family; none where, by ``doubt``, not all of them are known."""

    v4: tuple[Address, ...] = ()
    v6: tuple[Address, ...] = ()
    doubt: str = ""

    @property
    def family(self) -> int:
        """The only family that has addresses, or 0."""
        return 4 if self.v4 and not self.v6 else 6 if self.v6 and not self.v4 else 0

    def of(self, family: int) -> tuple[Address, ...]:
        """Give the addresses of a family."""
        return self.v4 if family == 4 else self.v6


def split(listed: Sequence[Addresses] | Addresses | None) -> Split:
    """Sort addresses by family."""
    if listed is None:
        return Split()
    values = (listed,) if isinstance(listed, Addresses) else tuple(listed)
    doubt = next((value.doubt for value in values if value.doubt), "")
    if doubt:
        return Split(doubt=doubt)
    found = [address for value in values for address in value.found]
    return Split(tuple(a for a in found if a.family == 4), tuple(a for a in found if a.family == 6))


#: Addresses that match, addresses that must not, and those under masks that are no prefixes.
Group = tuple[tuple[str, ...], tuple[str, ...], tuple[Address, ...]]
NOTHING: Group = ((), (), ())


def groups(listed: Sequence[Address]) -> list[Group]:
    """Sort addresses into what one rule can match; several groups give several rules."""
    masked = [a for a in listed if a.mask and not a.negated]
    plain = tuple(a.text for a in listed if not a.mask and not a.negated)
    not_plain = tuple(a.text for a in listed if not a.mask and a.negated)
    not_masked = tuple(a for a in listed if a.mask and a.negated)
    found: list[Group] = [((), not_plain, (a, *not_masked)) for a in masked]
    if plain or not found:
        found.append((plain, not_plain, not_masked))
    return found


def address_parts(group: Group, family: int, end: str) -> list[nft.Part]:
    """Match a group of addresses at an end (``saddr`` or ``daddr``)."""
    plain, not_plain, masked = group
    left = f"{'ip' if family == 4 else 'ip6'} {end}"
    found = [nft.match(left, plain)] if plain else []
    if not_plain:
        found.append(nft.match(left, not_plain, negated=True))
    found += (nft.masked(left, a.mask, a.text, negated=a.negated) for a in masked)
    return found
