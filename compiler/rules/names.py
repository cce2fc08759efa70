"""Names and comments for firewall rules: what people wrote, without what could break out."""

from __future__ import annotations

import hashlib
import re

_UNSAFE = re.compile(r"[^A-Za-z0-9 .:_/-]")
_NOT_A_WORD = re.compile(r"[^A-Za-z0-9-]")


def comment(*words: str, longest: int = 100) -> str:
    """Join words into a comment of printable ASCII without quotes or line ends.

    Where something had to change, a digest keeps two different comments different.
    """
    full = " ".join(words)
    return _shortened(_UNSAFE.sub("_", full), full, longest)


def word(name: str, longest: int = 15) -> str:
    """Make a name of ASCII letters, digits and ``-``; different names stay different."""
    return _shortened(_NOT_A_WORD.sub("-", name), name, longest)


def _shortened(clean: str, full: str, longest: int) -> str:
    if clean == full and len(clean) <= longest:
        return clean
    digest = hashlib.sha256(full.encode(errors="surrogatepass")).hexdigest()[:8]
    return f"{clean[: longest - 9]}-{digest}"
