"""The contenders of ``benchmarks.push``, as commands. One that is not installed is left out."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_HERE = Path(__file__).parent / "push_peers"
Command = tuple[list[str], dict[str, str]]


@dataclass(frozen=True, slots=True)
class Program:
    """A contender: ``command`` prepares its files in a folder and says what to run.

    ``writes``: the routers are reset before. ``keeps``: it finds the rules there, and leaves them.
    """

    name: str
    command: Callable[[Path, dict[str, Any]], Command]
    writes: bool = True
    keeps: bool = False


PEERS = ("nornir_netmiko", "Ansible raw", "pyinfra")
#: A peer that takes as much care as a push does, as far as commands can.
CAREFUL = tuple(f"{name}, careful" for name in PEERS)


def programs() -> list[Program]:
    """Give what can be run here, and say what cannot."""
    found = [
        Program("passthru push", _ours("with_passthru.py")),
        Program(
            "passthru push, nothing to do",
            _ours("with_passthru.py"),
            writes=False,
            keeps=True,
        ),
        Program("one paramiko exec", _ours("with_paramiko.py"), writes=False),
    ]
    folder = Path(os.environ.get("PEERS", ".venv-bench")) / "bin"
    peers = (
        ("nornir_netmiko", "nornir_netmiko", _script(str(folder / "python"), "with_nornir.py")),
        ("Ansible raw", "ansible", lambda at, work: _ansible(folder, at, work)),
        ("pyinfra", "pyinfra", lambda at, work: _pyinfra(folder, at, work)),
        ("asyncssh, one exec", "asyncssh", _script(str(folder / "python"), "with_asyncssh.py")),
    )
    for name, package, command in peers:
        if not any(folder.parent.glob(f"lib/python3*/site-packages/{package}/__init__.py")):
            print(f"{name} is left out: {package} is not in {folder.parent} (make bench)")
            continue
        found.append(Program(name, _with("bare", command)))
        if name in PEERS:
            found.append(Program(f"{name}, careful", _with("careful", command)))
    return found


def _with(steps: str, command: Callable[[Path, dict[str, Any]], Command]) -> Any:
    return lambda folder, work: command(folder, {**work, "steps": work[steps]})


def _script(python: str, name: str) -> Callable[[Path, dict[str, Any]], Command]:
    def command(folder: Path, work: dict[str, Any]) -> Command:
        path = folder / "work.json"
        path.write_text(json.dumps(work))
        return [str(Path(python).absolute()), str(_HERE / name), str(path)], {}

    return command


def _ours(name: str) -> Callable[[Path, dict[str, Any]], Command]:
    """Run with compiled code, as an installed program does: a checkout may have none of it."""

    def command(folder: Path, work: dict[str, Any]) -> Command:
        prefix = str(folder.parent / "compiled")
        kept = {"PYTHONPYCACHEPREFIX": prefix, "PYTHONDONTWRITEBYTECODE": ""}
        return _script(sys.executable, name)(folder, work)[0], kept

    return command


def _ansible(tools: Path, folder: Path, work: dict[str, Any]) -> Command:
    """Raw tasks; connections are kept between them, and no facts are gathered."""
    hosts = {
        router["name"]: {
            "ansible_host": router["host"],
            "ansible_port": router["port"],
            "ansible_user": router["user"],
            "ansible_ssh_private_key_file": work["key"],
        }
        for router in work["routers"]
    }
    (folder / "hosts.json").write_text(json.dumps({"all": {"hosts": hosts}}))
    wanted = f"{json.dumps(work['after'])} not in verified.stdout"
    read, *steps, verify = work["steps"]
    tasks = [
        {"raw": read, "failed_when": False},
        *({"raw": step} if step else {"meta": "reset_connection"} for step in steps),
        {"raw": verify, "register": "verified", "failed_when": wanted},
    ]
    play = {"hosts": "all", "gather_facts": False, "strategy": "free", "tasks": tasks}
    (folder / "play.json").write_text(json.dumps([play]))
    options = "-F none -o ControlMaster=auto -o ControlPersist=60s"
    options += f" -o UserKnownHostsFile={work['known_hosts']}"
    environment = {
        "ANSIBLE_FORKS": str(work["forks"]),
        "ANSIBLE_SSH_ARGS": options,
        "ANSIBLE_SSH_CONTROL_PATH_DIR": str(folder / "c"),
        "ANSIBLE_LOCAL_TEMP": str(folder / "tmp"),
        "ANSIBLE_NOCOWS": "1",
        "LC_ALL": "C.UTF-8",
    }
    program = str((tools / "ansible-playbook").absolute())
    return [program, "-i", str(folder / "hosts.json"), str(folder / "play.json")], environment


def _pyinfra(tools: Path, folder: Path, work: dict[str, Any]) -> Command:
    """Shell operations; the last one fails where the rules are not there.

    A new connection is no operation of it: it does without, which is less work.
    """
    data = {
        router["name"]: {
            "ssh_hostname": router["host"],
            "ssh_port": router["port"],
            "ssh_user": router["user"],
            "ssh_key": work["key"],
            "ssh_known_hosts_file": work["known_hosts"],
            "ssh_look_for_keys": False,
            "ssh_allow_agent": False,
        }
        for router in work["routers"]
    }
    (folder / "hosts.py").write_text(f"routers = {list(data.items())!r}\n")
    read, *steps, verify = work["steps"]
    verify = f"{{ {verify}; }} | grep -q {shlex.quote(work['after'])}"
    lines = ["from pyinfra.operations import server"]
    lines += [f"server.shell(commands=[{t!r}])" for t in (f"{read} || true", *steps, verify) if t]
    (folder / "deploy.py").write_text("\n".join(lines) + "\n")
    program = str((tools / "pyinfra").absolute())
    arguments = ["-y", "--parallel", str(work["forks"])]
    return [program, *arguments, str(folder / "hosts.py"), str(folder / "deploy.py")], {}
