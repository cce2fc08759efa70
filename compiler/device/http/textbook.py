"""RSA without padding, for the signatures of one kind of firmware and nothing else: no security.

TP-Link's cgi firmware (its page ``tpEncrypt.js``) fills a block with zero bytes at its end and
raises it to the public exponent. Equal texts give equal blocks, and who can guess a text can check
the guess. No library offers that, for good reason; but firmware that opens signatures this way
takes no others. What is signed holds the AES key of one session, which no other one uses, and the
MD5 of account and password: who listens in can try passwords at home, as with the router's own
page.
"""

from __future__ import annotations

from dataclasses import dataclass

_FEWEST_BITS, _MOST_BITS = 512, 4096
_BYTE = 8


@dataclass(frozen=True, slots=True)
class Key:
    """A public key.

    Raises:
        ValueError: its numbers are those of no key that such firmware has.
    """

    modulus: int
    exponent: int

    def __post_init__(self) -> None:
        bits = self.modulus.bit_length()
        if not _FEWEST_BITS <= bits <= _MOST_BITS or bits % _BYTE or self.modulus % 2 == 0:
            raise ValueError("this is no modulus")
        if self.exponent < 3 or self.exponent % 2 == 0:
            raise ValueError("this is no exponent")

    def seal(self, text: str) -> str:
        """Seal an ASCII text, block by block, as hexadecimal digits.

        The modulus has its highest bit set and ASCII has not, so that every block is below it.
        """
        size = self.modulus.bit_length() // _BYTE
        raw = text.encode("ascii")
        blocks = (raw[at : at + size].ljust(size, b"\0") for at in range(0, len(raw), size))
        return "".join(self._raised(block).to_bytes(size).hex() for block in blocks)

    def _raised(self, block: bytes) -> int:
        return pow(int.from_bytes(block), self.exponent, self.modulus)
