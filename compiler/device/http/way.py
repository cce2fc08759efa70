"""The connection variables of a router with a web interface, as the way to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from compiler.device.http import certificates
from compiler.device.reach import NAMES, Stated, Way, way_of
from compiler.errors import InventoryError
from compiler.model.finding import Code, Finding
from compiler.source.secrets import Secret


@dataclass(frozen=True, slots=True)
class WebWay:
    """How one web interface is reached: ``relay`` is the host that it is reached from.

    Without one it is reached from here. ``fingerprint`` is the certificate's, if it was stated;
    ``site`` is the one that is meant, where a controller has several.
    """

    host: str
    address: str
    port: int
    relay: Way | None
    user: str
    password: str | Secret = field(repr=False)
    https: bool = False
    fingerprint: str = ""
    site: str = ""

    @property
    def name(self) -> str:
        """What stands in an address line after the scheme, as in the header Host."""
        address = f"[{self.address}]" if ":" in self.address else self.address
        usual = 443 if self.https else 80
        return address if self.port == usual else f"{address}:{self.port}"

    @property
    def router(self) -> str:
        """What is managed there, for a lease: each site of a controller is one of its own."""
        return f"{self.name}/{self.site}" if self.site else self.name

    @property
    def origin(self) -> str:
        """What a browser on the spot would say that it comes from."""
        return f"{'https' if self.https else 'http'}://{self.name}"


def web_way(host: str, reach: Mapping[str, Any]) -> WebWay:
    """Work out the way to a host's web interface.

    Raises:
        InventoryError: S809 a variable cannot be used, S851 nothing says from where to go.
    """
    problems: list[Finding] = []
    stated = Stated(host, reach, problems)
    https = stated.flag("https")
    address = stated.text("address") or host
    if not address.isascii() or " " in address:
        stated.problem("address", "is no address")
    password = stated.secret("password")
    if password is None or password == "":
        stated.problem("password", "is not set: the web interface asks for one")
    fingerprint = _fingerprint(stated, https=https)
    relay = _relay(stated, host, problems)
    port = stated.port() or (443 if https else 80)
    user, site = stated.text("user"), stated.text("site")
    if problems:
        raise InventoryError(problems)
    return WebWay(host, address, port, relay, user, password or "", https, fingerprint, site)


def _fingerprint(stated: Stated, *, https: bool) -> str:
    text = stated.text("fingerprint")
    if not text:
        return ""
    found = certificates.normal(text)
    if not found:
        stated.problem("fingerprint", "is no SHA-256 fingerprint (64 hexadecimal digits)")
    if not https:
        stated.problem("fingerprint", "means nothing without passthru_https: true")
    return found


def _relay(stated: Stated, host: str, problems: list[Finding]) -> Way | None:
    via, direct = stated.raw("via"), stated.flag("direct")
    if via:
        try:
            hops = way_of(host, dict.fromkeys(NAMES["via"], via)).via
        except InventoryError as error:
            problems += error.findings
            return None
        if not hops:
            stated.problem("via", "names no host")
            return None
        # a lease needs no other account
        return replace(hops[-1], via=hops[:-1], become=None)
    if not direct:
        hint = (
            "passthru_via: a host on the router's network that speaks SSH; or "
            "passthru_http_direct: true to go there from here"
        )
        message = "not pushed: nothing says from where the web interface is reached"
        problems.append(Finding(Code.S851, message, hint=hint, host=host))
    return None
