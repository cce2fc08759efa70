"""RSA as old web interfaces use it: keys of 512 bits, which no library makes any more. No security.

PKCS #1 v1.5, see https://www.rfc-editor.org/rfc/rfc8017#section-7.2
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

_EXPONENT = 65_537
_ROUNDS = 24


@dataclass(frozen=True, slots=True)
class Key:
    """A key pair."""

    modulus: int
    private: int

    @property
    def public(self) -> list[str]:
        """Modulus and exponent as the interfaces print them."""
        return [f"{self.modulus:X}", f"{_EXPONENT:06X}"]

    def open(self, sealed: str) -> bytes:
        """Open hexadecimal text of one or more blocks.

        Raises:
            ValueError: it was not sealed with this key.
        """
        size = (self.modulus.bit_length() + 7) // 8
        raw = bytes.fromhex(sealed)
        if not raw or len(raw) % size:
            raise ValueError("the sealed text has not the length of a block")
        return b"".join(self._block(raw[at : at + size], size) for at in range(0, len(raw), size))

    def unpadded(self, sealed: str) -> bytes:
        """Open blocks that were filled with zero bytes at their end instead of padding."""
        size = (self.modulus.bit_length() + 7) // 8
        raw = bytes.fromhex(sealed)
        blocks = (raw[at : at + size] for at in range(0, len(raw), size))
        return b"".join(self._raised(block, size).rstrip(b"\0") for block in blocks)

    def _raised(self, block: bytes, size: int) -> bytes:
        return pow(int.from_bytes(block), self.private, self.modulus).to_bytes(size)

    def _block(self, block: bytes, size: int) -> bytes:
        plain = self._raised(block, size)
        end = plain.find(b"\0", 2)
        if plain[:2] != b"\0\2" or end < 10:
            raise ValueError("the text was sealed with another key")
        return plain[end + 1 :]


def generate(bits: int) -> Key:
    """Make a key."""
    while True:
        first, second = _prime(bits // 2), _prime(bits // 2)
        rest = (first - 1) * (second - 1)
        if first != second and rest % _EXPONENT:
            return Key(first * second, pow(_EXPONENT, -1, rest))


def _prime(bits: int) -> int:
    while True:
        # the two upper bits make the product as long as it must be
        number = secrets.randbits(bits) | (3 << (bits - 2)) | 1
        if all(number % small for small in (3, 5, 7, 11, 13, 17, 19, 23)) and _is_prime(number):
            return number


def _is_prime(number: int) -> bool:
    odd, twos = number - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    return all(_passes(number, odd, twos) for _ in range(_ROUNDS))


def _passes(number: int, odd: int, twos: int) -> bool:
    value = pow(secrets.randbelow(number - 3) + 2, odd, number)
    for _ in range(twos):
        if value in (1, number - 1):
            return True
        value = value * value % number
    return False
