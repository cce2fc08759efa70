"""What a config may hold and nobody may see: taken out before anything is stored or shown.

The forms are those of every family: UCI, nvram dumps, JSON, XML, RouterOS, ``set`` commands and
trees, wpa_supplicant and pppd files, URLs. What a name calls a secret loses its value, whatever
the value is; too much is taken out rather than too little.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

SHOWN = "[removed]"
#: Longer texts of a router are cut: a finding is to be read.
_LONGEST = 300

#: A word of a name that makes the value a secret.
_WORDS = frozenset(
    (
        "passwd",
        "password",
        "passphrase",
        "passwords",
        "passcode",
        "pwd",
        "pw",
        "pws",
        "psk",
        "secret",
        "secrets",
        "token",
        "tokens",
        "credential",
        "credentials",
        "community",
        "communities",
        "cookie",
        "cookies",
        "apikey",
        "authkey",
        "authkeys",
        "sauth",
        "pin",
        "wpspin",
        "salt",
        "sessionid",
    )
)
#: Ends of words that are written together: ``rwcommunity``, ``wpapsk``, ``presharedkey``.
_ENDS = (
    *("password", "passwd", "passphrase", "secret", "token", "psk", "community", "credentials"),
    *("sharedkey", "privatekey", "secretkey", "wepkey", "apikey", "authkey", "wpakey"),
)
#: ``key`` and ``pass`` are secrets in some names, and in others what this program is about.
_KEY = re.compile(r"keys?\d*")
_NO_KEY = frozenset(
    (
        "public",
        "pub",
        "exchange",
        "id",
        "ids",
        "file",
        "files",
        "type",
        "mode",
        "mgmt",
        "index",
        "length",
        "size",
        "lifetime",
        "bits",
        "renew",
        "rekey",
        "interval",
        "name",
        "host",
    )
)
_PASS = frozenset({"pass", "passw"})
_NO_PASS = frozenset(
    (
        "passthru",
        "passthrough",
        "pptp",
        "l2tp",
        "ipsec",
        "vpn",
        "gre",
        "esp",
        "fw",
        "nat",
        "multicast",
        "mcast",
        "igmp",
        "sip",
        "h323",
        "rtsp",
        "ftp",
        "tftp",
        "ipv6",
        "pppoe",
        "ike",
        "through",
        "thru",
        "by",
        "block",
        "all",
        "first",
        "second",
    )
)
#: What the second word of a ``set`` line, or a word before its value, must be called.
_SPACED_END = (
    *("password", "passwd", "passphrase", "secret", "psk", "community", "private-key"),
    *("private_key", "preshared-key", "preshared_key", "pre-shared-key", "token", "md5-key"),
)

#: What follows such a word where people are spoken to.
_PROSE = "is|was|are|not|in|of|for|to|and|or|on|that|which|cannot|must|has|from|by|at|with|does"
_NAME = r"(?<![\w.@:-])(?P<name>[A-Za-z0-9_][\w.@:\[\]-]{0,79})"
_QUOTED = r"'(?:[^'\\\n]|\\.|'\\'')*'|\"(?:[^\"\\\n]|\\.)*\""
_PEM = re.compile(
    r"-----BEGIN (?P<kind>[A-Z0-9 ]{1,40})-----.*?(?:-----END (?P=kind)-----|\Z)", re.DOTALL
)
_JSON = re.compile(
    rf"(?P<head>[\"'](?P<name>[\w.@-]{{1,80}})[\"']\s{{0,9}}:\s{{0,9}})"
    rf"(?P<value>{_QUOTED}|\[[^\]]{{0,4000}}\]|[^\s,}}\]\[{{\"']+)"
)
_XML = re.compile(r"(?P<head><(?P<name>[\w:.-]{1,80})(?:\s[^<>]{0,200})?>)(?P<value>[^<]+)(?=<)")
#: RouterOS writes several assignments in a line, so a bare value ends at a space there.
_ONE_OF_MANY = re.compile(
    rf"(?P<head>{_NAME}=)(?P<value>{_QUOTED}|[^\s'\"]\S*)(?=[ \t]{{1,9}}[a-z][-a-z0-9.]{{0,40}}=)"
)
#: What stands behind ``NAME =`` to the end of its line; a name that is no secret consumes nothing.
_ASSIGNED = re.compile(rf"(?P<head>{_NAME}\s{{0,9}}=\s{{0,9}})")
_REST = re.compile(rf"{_QUOTED}|[^\s<>][^\n]*")
_SPACED = re.compile(
    rf"(?P<head>(?<![\w.@:-])(?P<name>[\w.@:-]{{0,40}}(?:{'|'.join(_SPACED_END)}))[ \t]{{1,40}})"
    rf"(?!(?:{_PROSE})\b)(?P<value>{_QUOTED}|[^\s{{}}=:'\"][^\s{{}}]*)",
    re.IGNORECASE,
)
_UCI = re.compile(
    r"(?P<head>\b(?:option|list)[ \t]{1,9}['\"]?(?P<name>[\w.-]{1,80})['\"]?[ \t]{1,40})"
    rf"(?P<value>{_QUOTED}|[^\s'\"]\S*)"
)
_URL = re.compile(
    r"(?P<head>\b[a-z][a-z0-9+.-]{0,20}://[^\s/:@]{0,200}:)(?P<value>[^\s/@]{1,200})(?=@)",
    re.IGNORECASE,
)
#: pppd's chap-secrets: client, server, secret, addresses.
_CHAP = re.compile(
    r"^(?P<head>(?:\"[^\"\n]*\"|[^\s#\"]+)[ \t]{1,9}(?:pptpd|l2tpd|pppd|xl2tpd|\*)[ \t]{1,9})"
    r"(?P<value>\"[^\"\n]*\"|\S+)",
    re.MULTILINE,
)
#: A crypt(3) hash, a WireGuard key (32 bytes in base64), and what an SSH key holds.
_SHAPES = (
    re.compile(r"\$(?:1|2[aby]?|5|6|7|y|gy)\$[^\s:'\"]{8,}"),
    re.compile(r"(?<![A-Za-z0-9+/=])[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=(?![A-Za-z0-9+/=])"),
    re.compile(r"(?<![A-Za-z0-9])AAAA[BCE][A-Za-z0-9+/]{30,}={0,3}"),
)


@lru_cache(maxsize=4096)
def redact(text: str) -> str:
    """Give the text without what looks like a secret. Doing it twice changes nothing."""
    text = _PEM.sub(lambda m: f"-----BEGIN {m['kind']}----- {SHOWN}", text)
    for shape in (_JSON, _XML, _UCI, _ONE_OF_MANY, _SPACED):
        text = shape.sub(lambda m: _without(m) if is_secret(m["name"]) else m.group(), text)
    text = "".join(_lines(text))
    for shape in (_URL, _CHAP):
        text = shape.sub(_without, text)
    for shape in _SHAPES:
        text = shape.sub(SHOWN, text)
    return text


def clean(text: str) -> str:
    """Give a router's text as it may be shown: no secrets, no control characters, not too long."""
    shown = "".join(char if char.isprintable() else "\ufffd" for char in redact(text))
    return shown if len(shown) <= _LONGEST else f"{shown[: _LONGEST - 1]}…"


def redact_value(name: str, value: str | None) -> str | None:
    """Give the value of a setting as it may be shown; its name may make it a secret."""
    if value is None:
        return None
    return SHOWN if value and is_secret(name) else redact(value)


def is_secret(name: str) -> bool:
    """Tell whether a name says that its value is a secret."""
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    words = [word.lower() for word in re.split(r"[^A-Za-z0-9]+", apart) if word]
    kinds = set(words)
    if kinds & _WORDS or any(word.rstrip("0123456789").endswith(_ENDS) for word in words):
        return not kinds & {"file", "length", "policy"}
    if any(_KEY.fullmatch(word) for word in words):
        return not kinds & _NO_KEY
    return len(words) > 1 and bool(kinds & _PASS) and not any(
        word in _NO_PASS or word.startswith(("pptp", "ipsec", "l2tp")) for word in words
    )  # fmt: skip


def _lines(text: str) -> Iterator[str]:
    """Give the text with the values of assignments taken out that are secrets."""
    at = 0
    while found := _ASSIGNED.search(text, at):
        value = _REST.match(text, found.end()) if is_secret(found["name"]) else None
        yield text[at : found.end()]
        at = found.end()
        if value is not None:
            yield _shown(value.group())
            at = value.end()
    yield text[at:]


def _without(found: re.Match[str]) -> str:
    return found["head"] + _shown(found["value"])


def _shown(value: str) -> str:
    if value.strip("'\"").startswith(SHOWN):
        return value
    quote = value[0] if value[0] in "'\"" and value[-1] == value[0] else ""
    return f"{quote}{SHOWN}{quote}"
