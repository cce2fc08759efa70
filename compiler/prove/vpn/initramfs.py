"""The archive that the guest's kernel starts from: busybox, a few modules, one script.

The script makes the host's root file system the guest's (9p, read-only) under an overlay in memory,
so the guest has every program of the host, may write anywhere, and nothing of it ever reaches the
host. Format: the kernel's Documentation/driver-api/early-userspace/buffer-format.rst.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from compiler.prove.vpn.kernel import Kernel, boot_modules

#: Where the guest finds our program.
PROGRAM = "/run/passthru/program.pyz"
RESULTS = "/dev/ttyS1"
_SHARED = re.compile(r"(/\S+) \(0x")
_DIRECTORY, _FILE, _DEVICE = 0o040000, 0o100000, 0o020000


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the archive; ``device`` is (major, minor) of a character device."""

    path: str
    mode: int
    content: bytes = b""
    device: tuple[int, int] = (0, 0)


def build(kernel: Kernel, program: bytes, python: str, *, above: bool = False) -> bytes:
    """Build the archive for a kernel; ``python`` is the interpreter's path on this machine.

    ``above``: there is a second share, which the guest sees laid over the root file system.
    """
    busybox = shutil.which("busybox") or "/bin/busybox"
    modules = boot_modules(kernel)
    files = [("bin/busybox", 0o755, Path(busybox).read_bytes())]
    files += [(path.lstrip("/"), 0o755, Path(path).read_bytes()) for path in shared(busybox)]
    names = [f"modules/{number:02}-{name}.ko" for number, (name, _) in enumerate(modules)]
    files += [(name, 0o644, content) for name, (_, content) in zip(names, modules, strict=True)]
    script = _init(kernel, python, above=above).encode()
    files += [("program.pyz", 0o644, program), ("init", 0o755, script)]
    entries = [Entry("dev/console", _DEVICE | 0o600, device=(5, 1))]
    entries += [Entry(path, _FILE | mode, content) for path, mode, content in files]
    return archive(entries)


def shared(program: str) -> tuple[str, ...]:
    """Give the shared libraries of a program, none for a static one.

    ``ldd`` runs the program's own loader; the program is the distribution's busybox.
    """
    done = subprocess.run(["ldd", program], capture_output=True, text=True, check=False)
    return tuple(dict.fromkeys(_SHARED.findall(done.stdout)))


def archive(entries: Iterable[Entry]) -> bytes:
    """Write a cpio archive of the "newc" form, with the folders that the entries lie in."""
    whole = [*_with_folders(entries), Entry("TRAILER!!!", 0)]
    return b"".join(_record(number, entry) for number, entry in enumerate(whole, 1))


def _with_folders(entries: Iterable[Entry]) -> Iterator[Entry]:
    made: set[str] = set()
    for entry in entries:
        for folder in reversed(PurePosixPath(entry.path).parents[:-1]):
            if str(folder) not in made:
                made.add(str(folder))
                yield Entry(str(folder), _DIRECTORY | 0o755)
        yield entry


def _record(number: int, entry: Entry) -> bytes:
    name = entry.path.encode() + b"\0"
    fields = (
        number, entry.mode, 0, 0, 1, 0, len(entry.content), 0, 0, *entry.device, len(name), 0,
    )  # fmt: skip
    head = b"070701" + b"".join(b"%08X" % field for field in fields) + name
    return _padded(head) + _padded(entry.content)


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)


def _init(kernel: Kernel, python: str, *, above: bool) -> str:
    lower = "/above:/host" if above else "/host"
    modules = shlex.quote(f"/root{kernel.modules.parent.resolve()}")
    return f"""#!/bin/busybox sh
for applet in mount mkdir insmod cp poweroff; do
	eval "$applet() {{ /bin/busybox $applet \\"\\$@\\"; }}"
done
fail() {{ echo "passthru: $1" >&2; poweroff -f; }}

mkdir -p /host /memory /root /above
for module in /modules/*.ko; do
	insmod "$module" || fail "no module $module"
done
share() {{ mount -t 9p -o trans=virtio,version=9p2000.L,ro,cache=loose,msize=512000 "$1" "/$1"; }}
share host || fail 'the root file system of the host cannot be mounted'
{"share above || fail 'the cache folder cannot be mounted'" if above else ""}
mount -t tmpfs -o mode=755 tmpfs /memory
mkdir -p /memory/new /memory/work
mount -t overlay -o lowerdir={lower},upperdir=/memory/new,workdir=/memory/work overlay /root ||
	fail 'no overlay'
mount -t proc proc /root/proc
mount -t sysfs sysfs /root/sys
mount -t devtmpfs devtmpfs /root/dev
mkdir -p /root/dev/pts /root/lib/modules
mount -t devpts devpts /root/dev/pts
mount -t tmpfs -o mode=755 tmpfs /root/run
mkdir -p /root/run/passthru
mount --bind {modules} /root/lib/modules || fail 'the modules are not there'
cp /program.pyz /root{PROGRAM}
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C
# Everything from here on belongs to the host's root; the kernel too looks for modprobe there.
exec /bin/busybox switch_root /root /bin/sh -c \
	'"$0" -I -S -B {PROGRAM} {RESULTS} </dev/null >/dev/console 2>&1
	sync; echo o >/proc/sysrq-trigger; sleep 60' {shlex.quote(python)}
"""
