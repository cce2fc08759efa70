"""Web interfaces for tests: embedded ones behind a bastion, and one that misbehaves on purpose."""

from __future__ import annotations

import contextlib
import json
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from compiler.device.job import Job, Listener, Options, Result
from compiler.device.push import push
from compiler.embedded import EmbeddedFleet, EmbeddedHttp, EmbeddedRouter
from compiler.embedded.tls import self_signed
from compiler.model.device import Device, Fact
from compiler.model.finding import Code
from compiler.model.intent import Action
from tests.device.support import OPTIONS, device_of, job
from tests.targets.linksys.fields import FIELDS
from tests.targets.openwrt.support import decision, intent

#: Kinds of embedded web interfaces, and the target that speaks with each.
TARGETS = {
    "tplink": "tplink",
    "sealed": "tplink",
    "cgi": "tplink",
    "cgi-gcm": "tplink",
    "omada": "tplink",
    "jnap": "linksys",
    "hnap": "dlink",
}
FACTS: dict[str, dict[str, Fact]] = {
    "cgi": {"flavour": "cgi"},
    "cgi-gcm": {"flavour": "cgi", "cipher": "gcm"},
    "omada": {"flavour": "omada"},
}
BLOCK = intent(decision("pptp", Action.BLOCK))
PASS = intent(decision("pptp", Action.PASS))
PASSWORD = 's3cret & "co" <ü>'
QUICK = replace(OPTIONS, confirm_timeout=4, step_timeout=5.0)
Answer = tuple[int, Mapping[str, str], bytes]


def codes(result: Result) -> list[Code]:
    return [finding.code for finding in result.findings]


def bastion_reach(bastion: EmbeddedRouter, folder: Path) -> dict[str, Any]:
    known = folder / f"known_{bastion.name}"
    if not known.exists():  # pushes at once read it
        known.write_text(bastion.known_hosts)
    return {
        "name": bastion.name,
        "ansible_host": bastion.host,
        "ansible_port": bastion.port,
        "ansible_user": bastion.username,
        "ansible_password": bastion.password,
        "ansible_ssh_common_args": f"-F none -o UserKnownHostsFile={known}",
    }


def secured(site: EmbeddedHttp) -> dict[str, Any]:
    """Give the variables of an interface that speaks HTTPS."""
    mark = site.fingerprint
    return {"passthru_https": True, "passthru_https_fingerprint": mark} if mark else {}


def web_device(kind: str) -> Device:
    """Give the typical router behind a kind of interface."""
    device = device_of(TARGETS.get(kind, kind))
    return replace(device, facts={**device.facts, **FACTS.get(kind, {})})


@dataclass
class Web:
    """One embedded router with a web interface, and jobs for it."""

    kind: str
    site: EmbeddedHttp
    bastion: EmbeddedRouter
    folder: Path

    def job(self, wanted: Any = BLOCK, **more: Any) -> Job:
        reach = {
            "ansible_host": self.site.host,
            "ansible_port": self.site.port,
            "ansible_user": self.site.username,
            "ansible_password": self.site.password,
            "passthru_via": bastion_reach(self.bastion, self.folder),
            **secured(self.site),
            **more,
        }
        return job(web_device(self.kind), wanted, reach, self.site.name)

    def push(
        self,
        wanted: Any = BLOCK,
        options: Options = OPTIONS,
        listen: Listener | None = None,
        **more: Any,
    ) -> Result:
        result = push(self.job(wanted, **more), options, listen)
        assert self.site.password not in repr(result)
        assert self.bastion.password not in repr(result)
        return result

    @property
    def settings(self) -> dict[str, Any]:
        found: dict[str, Any] = self.site.state()["settings"]
        return found


def embedded(
    fleet: EmbeddedFleet, kind: str, bastion: EmbeddedRouter, folder: Path, label: str
) -> Web:
    made = fleet.add_http(
        "tplink" if kind == "sealed" else kind,
        f"{kind}-{label}",
        password=PASSWORD,
        encrypted=kind == "sealed",
    )
    return Web(kind, made, bastion, folder)


@dataclass
class Asked:
    """One request that came."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Server:
    """A web interface whose answers a test gives, one function for all requests."""

    answer: Callable[[Asked], Answer]
    port: int = 0
    asked: list[Asked] = field(default_factory=list)

    def job(self, kind: str, wanted: Any = BLOCK, **more: Any) -> Job:
        reach = {
            "ansible_host": "127.0.0.1",
            "ansible_port": self.port,
            "ansible_password": PASSWORD,
            "passthru_http_direct": True,
            **more,
        }
        return job(web_device(kind), wanted, reach)

    def push(self, kind: str, options: Options = QUICK, **more: Any) -> Result:
        result = push(self.job(kind, **more), options)
        assert PASSWORD not in repr(result)
        return result


@contextlib.contextmanager
def serve(
    answer: Callable[[Asked], Answer], certificate: tuple[Path, Path] | None = None
) -> Iterator[Server]:
    """Serve on loopback; ``certificate`` (with its key) makes it HTTPS."""
    server = Server(answer)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.do_POST()

        def do_PUT(self) -> None:
            self.do_POST()

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            asked = Asked(
                self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body
            )
            server.asked.append(asked)
            status, headers, text = server.answer(asked)
            with contextlib.suppress(OSError):
                self.send_response(status)
                for name, value in {"Content-Length": str(len(text)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(text)

        def log_message(self, *_: Any) -> None:
            pass

    listening = _Quiet(("127.0.0.1", 0), Handler)
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        listening.socket = context.wrap_socket(
            listening.socket, server_side=True, do_handshake_on_connect=False
        )
    server.port = listening.server_address[1]
    thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server
    finally:
        listening.shutdown()
        thread.join()
        listening.server_close()


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, *_: Any) -> None:
        """Say nothing: clients that go away are what is tested."""


def told(data: Any, status: int = 200, kind: str = "application/json", **headers: str) -> Answer:
    body = data if isinstance(data, bytes) else json.dumps(data).encode()
    return status, {"Content-Type": kind, **headers}, body


@dataclass
class Jnap:
    """The object of a JNAP router; what it does with a write can be replaced."""

    settings: dict[str, Any] = field(default_factory=lambda: dict(FIELDS))
    store: Callable[[Jnap, dict[str, Any]], str] | None = None
    writes: int = 0

    def __call__(self, asked: Asked) -> Answer:
        if asked.headers["x-jnap-action"].endswith("GetFirewallSettings"):
            return told({"result": "OK", "output": self.settings})
        self.writes += 1
        wanted = json.loads(asked.body)
        if self.store is not None:
            return told({"result": self.store(self, wanted)})
        self.settings = wanted
        return told({"result": "OK"})


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """Make a self-signed certificate as a router does; give its file and its key's."""
    files = folder / f"{name}.pem", folder / f"{name}.key"
    made = self_signed(name, days=365)  # routers' own have often expired
    for file, text in zip(files, made, strict=True):
        file.write_bytes(text)
    return files


def shown(files: tuple[Path, Path]) -> str:
    """Give a certificate's fingerprint as openssl prints it."""
    found = x509.load_pem_x509_certificate(files[0].read_bytes())
    return found.fingerprint(hashes.SHA256()).hex(":").upper()
