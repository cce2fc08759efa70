"""A session with one machine: connected, logged in, with a shell that takes scripts."""

from __future__ import annotations

import secrets
import shlex
import socket
import time
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

import paramiko

from compiler.device import noshell
from compiler.device.hostkeys import HostKeys, host_name
from compiler.device.noshell import NoShell
from compiler.device.pipes import ChannelPipe, ProcessPipe, no_command
from compiler.device.proxy import ProxyCommand
from compiler.device.reach import Become, Way, reveal
from compiler.device.shell import Pipe, Shell
from compiler.errors import PassthruError, SecretError, TransportError
from compiler.model.finding import Code

#: A line that died without a word is noticed after this many seconds of unanswered data.
_DEAD_AFTER = 30
_KEEPALIVE = 15


class Session:
    """A connection to a machine, through others if need be. Use it as a context manager."""

    def __init__(self, way: Way, timeout: float, *, accept_new: bool = False) -> None:
        """Remember the way; :meth:`open` takes it."""
        self._way = way
        self._timeout = timeout
        self._accept_new = accept_new
        self._hops: list[NoShell] = []
        self._commands: list[ProxyCommand] = []
        self._shell: Shell | None = None

    def open(self) -> Session:
        """Connect and log in.

        Raises:
            TransportError: S801 to S805, S808.
            SecretError: a password cannot be had.
        """
        try:
            if not self._way.local:
                for way in (*self._way.via, self._way):
                    self._hops.append(self._hop(way))
        except BaseException:
            self.close()
            raise
        return self

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def shell(self) -> Shell:
        """The shell; started at its first use."""
        if self._shell is None:
            self._shell = Shell(self._start(), self._way.name)
        return self._shell

    @property
    def connection(self) -> NoShell:
        """The last connection, for programs of its own."""
        return self._hops[-1]

    @property
    def name(self) -> str:
        """The machine's name, for messages."""
        return self._way.name

    def pipe(self, command: str) -> Pipe:
        """Start a command that is no shell's.

        Raises:
            TransportError: S808, the machine starts none.
        """
        if self._way.local or self._way.become is not None:
            what = "ansible_become" if self._way.become else "ansible_connection: local"
            message = f"{self.name} has no shell for {what}"
            raise TransportError.of(Code.S808, message, hint=f"leave out {what}")
        return self._piped(command)

    def close(self) -> None:
        """Close everything, in the opposite order; with its connection a shell's channel ends."""
        if self._shell is not None and not self._hops:
            self._shell.close()
        self._shell = None
        while self._hops:
            self._hops.pop().disconnect()
        while self._commands:
            self._commands.pop().end()

    def _start(self) -> Pipe:
        become = self._way.become
        command, secret = _command(become)
        if self._way.local:
            try:
                pipe: Pipe = ProcessPipe(["sh", "-c", command])
            except OSError as error:
                raise TransportError.of(Code.S808, f"no shell here: {error.strerror}") from None
        else:
            pipe = self._piped(command)
        if secret is not None and become is not None:
            _log_in(pipe, secret, reveal(become.password) or "", self._timeout, self._way.name)
        return pipe

    def _piped(self, command: str) -> ChannelPipe:
        try:
            return ChannelPipe(self.connection.start(command, self._timeout), self.name)
        except (paramiko.SSHException, OSError, EOFError) as error:
            raise no_command(self.name, _said(error)) from None

    def _hop(self, way: Way) -> NoShell:
        """Connect to the next machine, through the last one."""
        noshell.quiet()
        known = HostKeys(
            host_name(way.name, way.port),
            way.known_hosts,
            accept_new=way.accept_new or self._accept_new,
        )
        connection = noshell.NoShell(known, **self._parameters(way), sock=self._socket(way))
        try:
            connection.connect()
        except PassthruError:
            connection.disconnect()
            raise
        except paramiko.SSHException as error:
            connection.disconnect()
            raise _refused(way, error) from None
        except (OSError, EOFError) as error:
            connection.disconnect()
            raise _unreachable(way, _said(error)) from None
        return connection

    def _parameters(self, way: Way) -> dict[str, Any]:
        password = reveal(way.password)
        key = next(
            (found for name in way.keys if (found := _key(name, reveal(way.passphrase)))), None
        )
        alone = key is None and password is None
        return {
            "device_type": "linux",
            "host": way.address,
            "port": way.port,
            "username": way.user,
            "password": password,
            "pkey": key,
            "own_keys": alone,
            "allow_agent": alone,
            "disabled_algorithms": None if way.legacy else noshell.LEGACY,
            "conn_timeout": self._timeout,
            "auth_timeout": self._timeout,
            "banner_timeout": self._timeout,
            "keepalive": _KEEPALIVE,
        }

    def _socket(self, way: Way) -> Any:
        if self._hops:
            try:
                return self._hops[-1].tunnel(way.address, way.port, self._timeout)
            except (paramiko.SSHException, OSError, EOFError) as error:
                before = self._hops[-1].host
                raise _unreachable(way, f"through {before}: {_said(error)}") from None
        if way.command:
            user = way.user.replace("%", "%%")
            filled = way.command.replace("%h", way.address).replace("%p", str(way.port))
            try:
                command = ProxyCommand(filled.replace("%r", user).replace("%%", "%"))
            except (OSError, ValueError) as error:
                raise _unreachable(way, f"its ProxyCommand: {_said(error)}") from None
            self._commands.append(command)
            return command
        try:
            sock = socket.create_connection((way.address, way.port), self._timeout)
        except (OSError, UnicodeError) as error:
            raise _unreachable(way, _said(error)) from None
        # paramiko leaves Nagle's algorithm on, which costs 40 ms for every small packet
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _DEAD_AFTER * 1000)
        return sock


def _command(become: Become | None) -> tuple[str, str | None]:
    """Give the command that starts a shell, and the prompt and greeting of one with a password."""
    if become is None:
        return "sh -s", None
    user = shlex.quote(become.user)
    if become.password is None or become.method != "sudo":
        started = {
            "sudo": f"sudo -n -u {user} -- sh -s",
            "doas": f"doas -n -u {user} sh -s",
            "su": f"su {user} -c 'sh -s'",
        }
        return started[become.method], None
    secret = f"passthru-{secrets.token_hex(8)}"
    return f"sudo -k -S -p '{secret}?' -u {user} -- sh -c 'echo {secret}!; exec sh -s'", secret


def _log_in(pipe: Pipe, secret: str, password: str, timeout: float, name: str) -> None:
    """Give sudo its password when it asks, and only then: a shell would run it as a command."""
    deadline = time.monotonic() + timeout
    out = err = b""
    asked = 0
    while f"{secret}!".encode() not in out:
        try:
            came = pipe.receive(max(0.0, deadline - time.monotonic()))
        except TimeoutError:
            came = None
        if came is None:
            break
        out, err = out + came[0], err + came[1]
        if err.count(f"{secret}?".encode()) > asked:
            asked += 1
            if asked > 1:
                break
            pipe.send(password.encode() + b"\n", timeout)
    else:
        return
    pipe.close()
    raise TransportError.of(
        Code.S804,
        f"{name}: sudo refuses" + (" the password" if asked else ""),
        hint="ansible_become_password, and what `sudo -l` allows",
    )


@lru_cache(maxsize=256)
def _loaded(path: str, changed: int, passphrase: str | None) -> paramiko.PKey:  # noqa: ARG001
    # the stubs say str; what it hands the passphrase to takes bytes
    secret: Any = passphrase.encode() if passphrase else None
    return paramiko.PKey.from_path(path, secret)


def _key(path: str, passphrase: str | None) -> paramiko.PKey | None:
    """Read a private key; one that is only named by default may be missing."""
    try:
        return _loaded(path, Path(path).stat().st_mtime_ns, passphrase)
    except FileNotFoundError:
        return None
    except paramiko.PasswordRequiredException:
        hint = "ansible_private_key_passphrase, or ssh-agent"
        raise SecretError.of(Code.S804, f"the key {path} needs a passphrase", hint=hint) from None
    except (paramiko.SSHException, OSError, ValueError, TypeError) as error:
        raise SecretError.of(
            Code.S804, f"the key {path} cannot be used: {type(error).__name__}"
        ) from None


def _refused(way: Way, error: paramiko.SSHException) -> TransportError:
    who = f"{way.user}@{host_name(way.address, way.port)}"
    if isinstance(error, paramiko.AuthenticationException) and "timeout" not in str(error).lower():
        allowed = getattr(error, "allowed_types", ())
        takes = f"; it takes {', '.join(allowed)}" if allowed else ""
        hint = "ansible_user, ansible_password, ansible_private_key_file"
        return TransportError.of(Code.S804, f"the log-in as {who} is refused{takes}", hint=hint)
    if str(error) == "No authentication methods available":
        message = f"there is nothing to log in as {who} with: no password, no key, no agent"
        hint = "ansible_password, ansible_private_key_file, ssh-agent"
        return TransportError.of(Code.S804, message, hint=hint)
    if isinstance(error, paramiko.ssh_exception.IncompatiblePeer):
        what = str(error).removeprefix("Incompatible ssh peer (").removesuffix(")")
        hint = (
            "set passthru_ssh_legacy: true for this host, or update its firmware"
            if not way.legacy
            else "its firmware speaks nothing that this program does: update it"
        )
        return TransportError.of(
            Code.S805, f"{host_name(way.address, way.port)}: {what}", hint=hint
        )
    return _unreachable(way, _said(error))


def _unreachable(way: Way, why: str) -> TransportError:
    return TransportError.of(
        Code.S801,
        f"{host_name(way.address, way.port)} cannot be reached: {why}",
        hint="ansible_host, ansible_port; or passthru_via, where another host leads to it",
    )


def _said(error: BaseException) -> str:
    text = getattr(error, "strerror", None) or str(error) or "the connection was closed"
    first = text.splitlines()[0]
    return "".join(char if char.isprintable() else "?" for char in first)[:160]
