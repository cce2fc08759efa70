"""Certificates of web interfaces: routers sign their own, so one is known by its fingerprint.

It is stated in the inventory (``passthru_https_fingerprint``), or was kept by ``--accept-new`` in
``passthru/known_certificates`` below ``XDG_DATA_HOME``, a line each: host, address, fingerprint.
"""

from __future__ import annotations

import hashlib
import os
import re
import threading
from pathlib import Path

from compiler.errors import TransportError
from compiler.model.finding import Code

_LABEL = re.compile(r"^\s*(sha-?256)?(\s*fingerprint)?\s*[:=]?\s*", re.IGNORECASE)
_DIGITS = re.compile(r"[0-9a-f]{64}")
_writing = threading.Lock()


def normal(text: str) -> str:
    """Give a fingerprint as it is kept; nothing where the text is none.

    Takes what ``openssl x509 -fingerprint -sha256`` prints, and what is printed here.
    """
    digits = _LABEL.sub("", text, count=1).replace(":", "").strip().lower()
    return f"SHA256:{digits}" if _DIGITS.fullmatch(digits) else ""


def fingerprint(certificate: bytes) -> str:
    """Give the fingerprint of a certificate (DER)."""
    return f"SHA256:{hashlib.sha256(certificate).hexdigest()}"


def file() -> Path:
    """Give the file that holds accepted certificates."""
    base = os.environ.get("XDG_DATA_HOME", "")
    folder = Path(base) if base.startswith("/") else Path.home() / ".local" / "share"
    return folder / "passthru" / "known_certificates"


def check(host: str, address: str, shown: str, stated: str, *, accept_new: bool) -> None:
    """See that a certificate is the router's.

    ``host`` is the inventory's name: behind its bastion many a router has the same address.

    Raises:
        TransportError: S852 nothing is known of this router, S853 it is another one.
    """
    known = {stated} if stated else _known(host, address)
    if shown in known:
        return
    if known:
        where = "passthru_https_fingerprint" if stated else str(file())
        raise TransportError.of(
            Code.S853,
            f"{address} shows a certificate that is not the one in {where}: {shown}",
            hint="somebody may listen in; routers also make a new one when they are reset",
            host=host,
        )
    if not accept_new:
        raise TransportError.of(
            Code.S852,
            f"the certificate of {address} is not known: {shown}",
            hint="compare it with the router's, then set passthru_https_fingerprint, "
            "or use --accept-new",
            host=host,
        )
    _keep(host, address, shown)


def _known(host: str, address: str) -> set[str]:
    try:
        lines = file().read_text("utf-8", "replace").splitlines()
    except FileNotFoundError:
        return set()
    except OSError as error:
        raise TransportError.of(
            Code.S852, f"{file()} cannot be read: {error.strerror}", host=host
        ) from None
    found = (line.split() for line in lines)
    return {words[2] for words in found if len(words) == 3 and words[:2] == [host, address]}


def _keep(host: str, address: str, shown: str) -> None:
    """Add a line in one write to the end of the file, so that pushes at once lose none."""
    path = file()
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _writing:
            handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                os.write(handle, f"{host} {address} {shown}\n".encode())
            finally:
                os.close(handle)
    except OSError as error:
        raise TransportError.of(
            Code.S852, f"the new certificate of {address} cannot be kept: {error.strerror}",
            host=host,
        ) from None  # fmt: skip
