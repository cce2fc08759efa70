"""The process that makes sandboxes and runs commands in them, small and with one thread.

It is told what to do in packets of JSON over a socket, with the file descriptors that a command
is to use. In its namespaces it is process 1: when it ends, however it ends, the kernel ends every
process of every router, and the mounts go with them.
"""

from __future__ import annotations

import array
import json
import os
import select
import signal
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from compiler.embedded import kernel
from compiler.embedded.plain import Plain
from compiler.embedded.sandbox import Sandbox
from compiler.embedded.walled import Walled

PACKET = 190_000
_MOST_FDS = 3
_MAP_FIRST, _MAP_LENGTH = 700_000, 65_536
_NOBODY = 65_534
_NAMESPACES = (
    kernel.NEWUSER | kernel.NEWNS | kernel.NEWPID | kernel.NEWNET | kernel.NEWIPC | kernel.NEWUTS
)


def send(line: socket.socket, message: Mapping[str, Any], fds: tuple[int, ...] = ()) -> None:
    """Send one packet."""
    extra = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
    line.sendmsg([json.dumps(message).encode()], extra)


def receive(line: socket.socket) -> tuple[dict[str, Any] | None, list[int]]:
    """Receive one packet; ``None`` at the end."""
    fds = array.array("i")
    size = socket.CMSG_SPACE(_MOST_FDS * fds.itemsize)
    data, extra, _, _ = line.recvmsg(PACKET, size, socket.MSG_CMSG_CLOEXEC)
    for level, kind, content in extra:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            fds.frombytes(content[: len(content) - len(content) % fds.itemsize])
    return (json.loads(data) if data else None), list(fds)


def start(namespaces: bool | None, folder: str) -> tuple[socket.socket, int, bool]:  # noqa: FBT001 - three-valued, and handed through
    """Fork the spawner; give the line to it, its process id and whether it has namespaces.

    ``folder`` is made where routers live without namespaces, for them.

    Raises:
        OSError: namespaces are wanted and not to be had.
    """
    if namespaces is not False:
        try:
            line, pid = _fork(folder, walled=True)
        except OSError:
            if namespaces:
                raise
        else:
            return line, pid, True
    line, pid = _fork(folder, walled=False)
    return line, pid, False


def _fork(folder: str, *, walled: bool) -> tuple[socket.socket, int]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for end in (ours, theirs):
        for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            end.setsockopt(socket.SOL_SOCKET, option, 4 * PACKET)
    is_root = os.geteuid() == 0
    pid = os.fork()
    if pid == 0:
        ours.close()
        try:
            kernel.die_with_parent()
            _child(theirs, folder, walled=walled, is_root=is_root)
        except OSError as error:
            send(theirs, {"error": f"{error.strerror or error}"})
        finally:
            os._exit(0)
    theirs.close()
    try:
        if walled and is_root and receive(ours)[0] == {"ask": "map"}:
            _map(pid)
            send(ours, {})
        told, _ = receive(ours)
    except OSError:
        told = None
    if not told or "error" in told:
        ours.close()
        os.waitpid(pid, 0)
        raise OSError(1, (told or {}).get("error", "the sandbox process ended"))
    return ours, pid


def _map(pid: int) -> None:
    """Make root in the namespace somebody without rights on the machine."""
    for name in ("uid_map", "gid_map"):
        Path(f"/proc/{pid}/{name}").write_text(f"0 {_MAP_FIRST} {_MAP_LENGTH}")


def _give_up_root(folder: str) -> None:
    """Become nobody: without walls, root in a router would be root on the machine."""
    os.chown(folder, _NOBODY, _NOBODY)
    os.setgroups([])
    os.setresgid(_NOBODY, _NOBODY, _NOBODY)
    os.setresuid(_NOBODY, _NOBODY, _NOBODY)


def _child(line: socket.socket, folder: str, *, walled: bool, is_root: bool) -> None:
    if not walled:
        os.mkdir(folder, 0o755)  # noqa: PTH102 - fails where there is one already
        if is_root:
            _give_up_root(folder)
        kernel.adopt_orphans()
        send(line, {"ready": True})
        _Spawner(line, Plain(folder)).serve()
        return
    user, group = os.geteuid(), os.getegid()
    sandbox = Walled()  # reads programs and tools while it may still read everything
    kernel.unshare(_NAMESPACES)
    if is_root:
        send(line, {"ask": "map"})
        receive(line)
    else:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {user} 1")
        Path("/proc/self/gid_map").write_text(f"0 {group} 1")
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)
    pid = os.fork()
    if pid:
        line.close()
        kernel.die_with_parent()  # the change of user has undone it
        kernel.be_visible()
        os.waitpid(pid, 0)
        return
    kernel.die_with_parent()
    kernel.be_visible()
    sandbox.prepare()
    send(line, {"ready": True})
    _Spawner(line, sandbox).serve()


class _Spawner:
    """Serves requests until the line ends."""

    def __init__(self, line: socket.socket, sandbox: Sandbox) -> None:
        self._line = line
        self._sandbox = sandbox

    def serve(self) -> None:
        wake, woken = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        poll = select.poll()
        poll.register(wake, select.POLLIN)
        poll.register(self._line, select.POLLIN)
        while True:
            for fd, _ in poll.poll():
                if fd == wake:
                    os.read(wake, 4096)
                    self._reap()
                elif not self._request():
                    self._sandbox.close()
                    return

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            told = {"exit": pid, "status": os.waitstatus_to_exitcode(status)}
            name = self._sandbox.ended(pid)
            send(self._line, {**told, "router": name} if name else told)

    def _request(self) -> bool:
        message, fds = receive(self._line)
        if message is None:
            return False
        try:
            answer = self._do(message, fds)
        except OSError as error:
            answer = {"error": f"{message['do']}: {error}"}
        finally:
            for fd in fds:
                os.close(fd)
        send(self._line, {"id": message["id"], **answer})
        return True

    def _do(self, message: dict[str, Any], fds: list[int]) -> dict[str, Any]:
        name, sandbox = message["name"], self._sandbox
        match message["do"]:
            case "make":
                sandbox.make(name, message["spec"])
            case "boot":
                return {"pid": sandbox.boot(name)}
            case "kill":
                return {"told": sandbox.kill(name)}
            case "spawn":
                return {"pid": sandbox.spawn(name, message, fds)}
            case "flash":
                sandbox.flash(name, message["full"], readonly=message["readonly"])
            case "processes":
                return {"is": sandbox.processes(name)}
            case "control":
                sandbox.control(name, message["file"], message["text"])
            case word:
                return {"error": f"unknown request {word}"}
        return {}
