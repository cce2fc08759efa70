"""The connection variables of an inventory, as ways to routers.

They are Ansible's own (``ansible_host``, ``ansible_user`` ...), as far as they mean something
here, and ``passthru_via``. Secrets stay closed until :func:`reveal` is called, where the job runs.
"""

from __future__ import annotations

import getpass
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from compiler.errors import InventoryError
from compiler.model.finding import Code, Finding
from compiler.source.secrets import Secret

if TYPE_CHECKING:
    import paramiko

#: Every connection variable that is read, by what it says; of several names the first one set wins.
NAMES: Mapping[str, tuple[str, ...]] = {
    "connection": ("ansible_connection",),
    "address": ("ansible_host", "ansible_ssh_host"),
    "port": ("ansible_port", "ansible_ssh_port"),
    "user": ("ansible_user", "ansible_ssh_user"),
    "password": ("ansible_password", "ansible_ssh_pass", "ansible_ssh_password"),
    "key": ("ansible_private_key_file", "ansible_ssh_private_key_file"),
    "passphrase": ("ansible_private_key_passphrase", "ansible_ssh_private_key_passphrase"),
    "common_args": ("ansible_ssh_common_args",),
    "extra_args": ("ansible_ssh_extra_args",),
    "become": ("ansible_become",),
    "become_method": ("ansible_become_method",),
    "become_user": ("ansible_become_user",),
    "become_password": ("ansible_become_password", "ansible_become_pass"),
    "via": ("passthru_via",),
    "legacy": ("passthru_ssh_legacy",),
    "direct": ("passthru_http_direct",),
    "https": ("passthru_https",),
    "fingerprint": ("passthru_https_fingerprint",),
    "site": ("passthru_site",),
}
VARIABLES = frozenset(name for names in NAMES.values() for name in names)
_SSH = frozenset({"ssh", "smart", "paramiko", "paramiko_ssh"})
_MOST_JUMPS = 8
_STRANGE = ", which is not understood here"
_CONTROL = re.compile(r"[\x00-\x1f]")
_HOP = re.compile(
    r"(?:(?P<user>[^@]+)@)?(?:\[(?P<six>[^]]+)\]|(?P<host>[^@:\[\]]+))(?::(?P<port>\d+))?"
)


@dataclass(frozen=True, slots=True)
class Become:
    """Who runs the scripts, where that is not the user who logs in."""

    method: str
    user: str
    password: str | Secret | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Way:
    """How one machine is reached: over SSH through the hosts in ``via``, or not at all (local).

    ``name`` is what known_hosts calls it. ``keys`` are files; with neither keys nor a password
    the agent and the user's own keys are tried.
    """

    name: str
    address: str
    port: int = 22
    user: str = ""
    password: str | Secret | None = field(default=None, repr=False)
    keys: tuple[str, ...] = ()
    passphrase: str | Secret | None = field(default=None, repr=False)
    via: tuple[Way, ...] = ()
    command: str = ""
    known_hosts: tuple[str, ...] = ("~/.ssh/known_hosts", "/etc/ssh/ssh_known_hosts")
    accept_new: bool = False
    legacy: bool = False
    local: bool = False
    become: Become | None = None


def way_of(host: str, reach: Mapping[str, Any]) -> Way:
    """Work out the way to a host.

    ``passthru_via`` is an address as ``ssh -J`` takes it, or the variables of the inventory host
    that it names (a mapping with its ``name`` beside them), put there by whoever makes the job.

    Raises:
        InventoryError: S809, with one finding for each variable that cannot be used.
    """
    problems: list[Finding] = []
    found = _way(host, reach, problems, 0)
    if problems:
        raise InventoryError(problems)
    return found


def reveal(value: str | Secret | None) -> str | None:
    """Open a secret.

    Raises:
        SecretError: V305.
    """
    return value.reveal() if isinstance(value, Secret) else value


def _way(host: str, reach: Mapping[str, Any], problems: list[Finding], depth: int) -> Way:
    stated = Stated(host, reach, problems)
    connection = stated.text("connection") or "ssh"
    become = _become(stated)
    if connection == "local":
        return Way(host, "", local=True, become=become)
    if connection not in _SSH:
        stated.problem("connection", "is neither ssh nor local")
    arguments = _arguments(stated.text("common_args"), stated.text("extra_args"))
    for what, message in arguments.problems:
        stated.problem(what, message)
    alias = stated.text("address") or host
    config = arguments.config(alias)
    jumps = arguments.options.get("proxyjump", config.get("proxyjump", ""))
    command = arguments.options.get("proxycommand", config.get("proxycommand", ""))
    via = tuple(_via(stated, jumps, problems, depth))
    strict = arguments.options.get("stricthostkeychecking", config.get("stricthostkeychecking", ""))
    files = arguments.options.get("userknownhostsfile", config.get("userknownhostsfile", ""))
    key = stated.text("key")
    keys = tuple([key] if key else arguments.keys or config.get("identityfile", ()))
    port = stated.port() or _port(arguments.options.get("port", config.get("port", "22")))
    address = config.get("hostname", alias)
    user = stated.text("user") or arguments.options.get("user") or config.get("user")
    way = Way(
        name=address,
        address=address,
        port=port,
        user=user or getpass.getuser(),
        password=stated.secret("password"),
        keys=tuple(str(Path(name).expanduser()) for name in keys),
        passphrase=stated.secret("passphrase"),
        via=via,
        command="" if via or command.lower() == "none" else command,
        # ssh(1): accept-new, no and off take a key that is new; only the first refuses a changed
        # one, and that is as far as a program that writes firewalls goes
        accept_new=strict.lower() in ("accept-new", "no", "off"),
        legacy=stated.flag("legacy"),
        become=become,
    )
    return way if not files else _with_files(way, files)


def _with_files(way: Way, files: str) -> Way:
    return replace(way, known_hosts=_words(files))


def _via(stated: Stated, jumps: str, problems: list[Finding], depth: int) -> Iterator[Way]:
    stated_via = stated.raw("via")
    if depth >= _MOST_JUMPS:
        stated.problem("via", f"leads through more than {_MOST_JUMPS} hosts, or in a circle")
    elif isinstance(stated_via, Mapping):
        name = str(stated_via.get("name", "via"))
        hop = _way(name, stated_via, problems, depth + 1)
        yield from hop.via
        yield hop if not hop.via else _alone(hop)
    elif stated_via or (jumps and jumps.lower() != "none"):
        for text in str(stated_via or jumps).split(","):
            hop_match = _HOP.fullmatch(text.strip().removeprefix("ssh://"))
            if hop_match is None:
                stated.problem("via", f"{text.strip()[:60]!a} is not [USER@]HOST[:PORT]")
                continue
            user, port = hop_match["user"], hop_match["port"]
            reach = {"ansible_user": user, "ansible_port": int(port) if port else None}
            wanted = {name: value for name, value in reach.items() if value}
            hop = _way(hop_match["six"] or hop_match["host"], wanted, problems, depth + 1)
            yield from hop.via
            yield _alone(hop)


def _alone(way: Way) -> Way:
    """Give a hop without its own way there, which stands before it."""
    return replace(way, via=())


def _become(stated: Stated) -> Become | None:
    if not stated.flag("become"):
        return None
    method = stated.text("become_method") or "sudo"
    if method not in ("sudo", "doas", "su"):
        stated.problem("become_method", "is none of sudo, doas, su")
    if method == "su" and stated.raw("become_password"):
        stated.problem("become_method", "su takes a password from a terminal only: use sudo")
    return Become(method, stated.text("become_user") or "root", stated.secret("become_password"))


def _port(text: str) -> int:
    return int(text) if text.isdecimal() and 0 < int(text) < 65536 else 22


class Stated:
    """The variables of one host, with what is wrong with them."""

    def __init__(self, host: str, reach: Mapping[str, Any], problems: list[Finding]) -> None:
        self._host = host
        self._reach = reach
        self._problems = problems

    def raw(self, what: str) -> Any:
        """Give a variable as it stands; the first of its names that is set."""
        return next(
            (self._reach[name] for name in NAMES[what] if self._reach.get(name) is not None), None
        )

    def problem(self, what: str, message: str) -> None:
        """Note what is wrong with a variable."""
        name = next((name for name in NAMES[what] if name in self._reach), NAMES[what][0])
        self._problems.append(Finding(Code.S809, f"{name} {message}", host=self._host))

    def text(self, what: str) -> str:
        """Give a text; nothing where it is not set or cannot be used."""
        value = self.raw(what)
        if isinstance(value, Secret):
            value = value.reveal()
        if value is None or isinstance(value, bool | list | Mapping):
            if value is not None:
                self.problem(what, "must be text")
            return ""
        text = str(value)
        if _CONTROL.search(text):
            self.problem(what, "holds control characters")
            return ""
        return text

    def secret(self, what: str) -> str | Secret | None:
        """Give a secret, unopened."""
        value = self.raw(what)
        if value is None or isinstance(value, Secret):
            return value
        if isinstance(value, bool | list | Mapping):
            self.problem(what, "must be text")
            return None
        return str(value)

    def flag(self, what: str) -> bool:
        """Tell whether it is true; not set is false."""
        value = self.raw(what)
        if value is None or isinstance(value, bool):
            return bool(value)
        if str(value).lower() in ("true", "yes", "1", "on", "false", "no", "0", "off"):
            return str(value).lower() in ("true", "yes", "1", "on")
        self.problem(what, "must be true or false")
        return False

    def port(self) -> int:
        """Give the port; 0 where it is not set or cannot be used."""
        value = self.raw("port")
        if value is None:
            return 0
        text = str(value)
        if isinstance(value, bool) or not text.isdecimal() or not 0 < int(text) < 65536:
            self.problem("port", f"must be a port, not {text[:20]!a}")
            return 0
        return int(text)


class _Arguments:
    """What ``ansible_ssh_common_args`` and ``_extra_args`` say to ssh(1), as far as known here.

    ``problems``: which of the two cannot be used, and why.
    """

    def __init__(self, common: str, extra: str) -> None:
        self.options: dict[str, str] = {}
        self.keys: list[str] = []
        self.problems: list[tuple[str, str]] = []
        self._files: tuple[str, ...] = ("~/.ssh/config",)
        for what, text in (("common_args", common), ("extra_args", extra)):
            try:
                words = _words(text)
            except ValueError:
                self.problems.append((what, "has a quote that is not closed"))
                continue
            self._read(words, what)

    def _read(self, words: Sequence[str], what: str) -> None:
        left = iter(words)
        for word in left:
            flag, value = word[:2], word[2:]
            if flag in ("-o", "-J", "-F", "-i", "-p", "-l") and not value:
                value = next(left, "")
            match flag:
                case "-o":
                    name, _, text = value.replace("=", " ", 1).partition(" ")
                    self._option(name, text.strip(), what)
                case "-J":
                    self.options["proxyjump"] = value
                case "-F":
                    self._files = (value,)
                case "-i":
                    self.keys.append(value)
                case "-p":
                    self.options["port"] = value
                case "-l":
                    self.options["user"] = value
                case "-4" | "-6" | "-C" | "-q" | "-T" | "-x" | "-a":
                    pass
                case _:
                    self.problems.append((what, f"holds {word[:40]!a}{_STRANGE}"))

    #: Options that change what is done here, and those that may be there and change nothing.
    _TAKEN = frozenset(
        {"proxyjump", "proxycommand", "port", "user", "stricthostkeychecking", "userknownhostsfile"}
    )
    _IGNORED = frozenset(
        {
            "controlmaster", "controlpath", "controlpersist", "serveraliveinterval", "loglevel",
            "serveralivecountmax", "connecttimeout", "compression", "forwardagent", "batchmode",
            "preferredauthentications", "identitiesonly", "tcpkeepalive", "connectionattempts",
            "gssapiauthentication", "kbdinteractiveauthentication", "passwordauthentication",
            "hashknownhosts", "requesttty", "addressfamily", "updatehostkeys",
        }
    )  # fmt: skip

    def _option(self, name: str, value: str, what: str) -> None:
        key = name.lower()
        if key == "identityfile":
            self.keys.append(value)
        elif key in self._TAKEN:
            self.options.setdefault(key, value)
        elif key in ("kexalgorithms", "hostkeyalgorithms", "ciphers", "macs") or key.startswith(
            "pubkeyaccepted"
        ):
            hint = "to speak to old routers set passthru_ssh_legacy: true"
            self.problems.append((what, f"sets {name}; {hint}"))
        elif key not in self._IGNORED:
            self.problems.append((what, f"sets {name[:40]!a}{_STRANGE}"))

    def config(self, alias: str) -> Mapping[str, Any]:
        """Look a host up in ssh_config."""
        found: dict[str, Any] = {}
        for name in self._files:
            path = Path(name).expanduser()
            if name == "none" or not path.is_file():
                continue
            stat = path.stat()
            config = _config(str(path), stat.st_mtime_ns, stat.st_size)
            found.update(config.lookup(alias))
        return found


@lru_cache(maxsize=256)
def _arguments(common: str, extra: str) -> _Arguments:
    """Read them once: most hosts of a fleet share them."""
    return _Arguments(common, extra)


@lru_cache(maxsize=256)
def _words(text: str) -> tuple[str, ...]:
    return tuple(shlex.split(text))


@lru_cache(maxsize=8)
def _config(path: str, changed: int, size: int) -> paramiko.SSHConfig:  # noqa: ARG001 - cache keys
    import paramiko  # noqa: PLC0415 - slow, and many a user has no ssh_config

    return paramiko.SSHConfig.from_path(path)
