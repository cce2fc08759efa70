"""What a router's read-only part is made of: BusyBox with its libraries, our tools, and links.

It is read once, as bytes, before the sandbox gives up its rights on the machine.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

TOOLS = Path(__file__).parent / "families" / "tools"
#: Where BusyBox is missing, these come from the machine, as far as it has them.
_SYSTEM = (
    "sh awk base64 basename cat chmod chown cksum cmp comm cp cut date dd df diff dirname du echo "
    "env expr false find grep gzip head hostname id kill ln ls md5sum mkdir mktemp mv nohup od "
    "paste printf ps pwd readlink realpath rm rmdir sed seq setsid sha256sum sleep sort stat stty "
    "sync tail tar tee test timeout touch tr true tty uname uniq wc which xargs"
)
#: From the machine as they are, for routers that ask for them.
PROGRAMS = ("bash", "nft")
_LIBRARY = re.compile(r"(?:=> )?(/\S+) \(0x")
_PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin:/usr/bin:/bin"


@dataclass(frozen=True, slots=True)
class Firmware:
    """Files by path (``bin/busybox``), our tools, and names that are links to BusyBox.

    A tool ``service=service-asuswrt`` is that script under the name ``service``.
    """

    files: dict[str, bytes]
    tools: dict[str, bytes]
    applets: tuple[str, ...]
    missing: tuple[str, ...]
    made: dict[str, str] = field(default_factory=dict)

    def build(self, folder: str, tools: Sequence[str], without: Iterable[str]) -> str:
        """Put one variant into a folder below ``folder``, once; give its path."""
        key = " ".join((*tools, "-", *sorted(without)))
        if key not in self.made:
            path = f"{folder}/{len(self.made)}"
            self._put(Path(folder, "files"), Path(path), tools, set(without))
            self.made[key] = path
        return self.made[key]

    def _put(self, store: Path, root: Path, tools: Sequence[str], without: set[str]) -> None:
        for path, data in self.files.items():
            name = path.rpartition("/")[2]
            if name in without or (name in PROGRAMS and name not in tools):
                continue
            stored = store / path
            if not stored.exists():
                _write(stored, data, 0o755)
            place = root / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.hardlink_to(stored)
            if name in PROGRAMS:
                (root / "sbin").mkdir(exist_ok=True)
                (root / "sbin" / name).symlink_to(f"../bin/{name}")
        for name in set(self.applets) - without:
            (root / "bin" / name).symlink_to("busybox")
        for tool in tools:
            name, _, stem = tool.partition("=")
            text = self.tools.get(f"{stem or name}.sh")
            if text is not None:
                _write(root / (name if "/" in name else f"sbin/{name}"), text, 0o755)
        for name, text in self.tools.items():
            _write(root / "emulate" / name, text, 0o755)


def _write(path: Path, data: bytes, mode: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    path.chmod(mode)


def collect() -> Firmware:
    """Read the programs of the machine that routers run."""
    files: dict[str, bytes] = {}
    tools = {path.name: path.read_bytes() for path in TOOLS.iterdir()}
    missing = [name for name in PROGRAMS if not _add(files, name)]
    if _add(files, "busybox"):
        listed = subprocess.run(["busybox", "--list"], capture_output=True, text=True, check=True)
        return Firmware(files, tools, tuple(listed.stdout.split()), tuple(missing))
    for name in _SYSTEM.split():
        _add(files, name)
    return Firmware(files, tools, (), ("busybox", *missing))


def _add(files: dict[str, bytes], name: str) -> bool:
    found = shutil.which(name, path=_PATH)
    if found is None:
        return False
    files[f"bin/{name}"] = Path(found).read_bytes()
    for library in _libraries(found):
        # the linker looks in these folders without a cache; /lib and /lib64 are links to ours
        path = library.lstrip("/").removeprefix("usr/")
        files.setdefault(path, Path(library).read_bytes())
    return True


def _libraries(program: str) -> Iterator[str]:
    told = subprocess.run(["ldd", program], capture_output=True, text=True, check=False)
    for line in told.stdout.splitlines():
        if match := _LIBRARY.search(line.strip()):
            yield match[1]
