"""A kernel for the virtual machine: where it lies, and the modules that it needs to start.

Either one that is installed (``/boot`` and ``/lib/modules``) or one that ``fetch.sh`` has unpacked
into the cache folder. Debian's stock kernel has every VPN
protocol as a module; its *cloud* flavour lacks PPP.
"""

from __future__ import annotations

import lzma
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

#: The guest's own way to a root file system.
BOOT = ("virtio_pci", "9pnet_virtio", "9p", "overlay")
#: What tells a full kernel from a cloud one; each is tried with modprobe when it is used.
VPN = ("ppp_async", "ppp_mppe", "l2tp_ppp", "esp4", "esp6", "wireguard", "tun", "nf_nat_pptp")
_DEPENDS = re.compile(rb"\0depends=([^\0]*)\0")


@dataclass(frozen=True, slots=True)
class Kernel:
    """A bootable image and its modules (``modules`` ends in the release)."""

    release: str
    image: Path
    modules: Path

    def find_modules(self) -> dict[str, Path]:
        """Give every loadable module by name; dashes and underscores mean the same."""
        found: dict[str, Path] = {}
        for folder, _, names in os.walk(self.modules / "kernel"):
            for name in names:
                stem, dot, _ = name.partition(".ko")
                if dot:
                    found[_name(stem)] = Path(folder, name)
        return found

    def builtin(self) -> frozenset[str]:
        """Give the modules that are part of the image."""
        try:
            text = (self.modules / "modules.builtin").read_text("utf-8", "replace")
        except OSError:
            return frozenset()
        return frozenset(_name(Path(line).name.partition(".ko")[0]) for line in text.splitlines())


def cache() -> Path:
    """Give the folder that ``fetch.sh`` fills: ``kernel``, and ``root`` with programs."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "passthru" / "vpn"


def find(roots: Sequence[Path] | None = None) -> tuple[Kernel | None, tuple[str, ...]]:
    """Find the newest usable kernel; or ``None``, and why each that is there cannot be used."""
    why: list[str] = []
    for kernel in _newest(roots or (Path("/"), cache() / "kernel")):
        lacks = lacking(kernel)
        if not lacks:
            return kernel, ()
        why.append(f"{kernel.release}: {lacks}")
    return None, tuple(why)


def lacking(kernel: Kernel) -> str:
    """Say what keeps a kernel from being used; empty when nothing does."""
    if not os.access(kernel.image, os.R_OK):
        return f"{kernel.image} is not readable (only root may)"
    there, builtin = kernel.find_modules(), kernel.builtin()
    absent = [name for name in (*BOOT, *VPN) if name not in there and name not in builtin]
    if absent:
        return f"no module {', '.join(absent)}"
    if not (kernel.modules / "modules.dep").is_file():
        return "depmod has not been run for it"
    packed = [name for name in BOOT if name in there and _packed(there[name])]
    return f"its modules are packed in a form that is not read here: {packed[0]}" if packed else ""


def boot_modules(kernel: Kernel, wanted: Iterable[str] = BOOT) -> tuple[tuple[str, bytes], ...]:
    """Give modules with all they depend on, unpacked, each after those that it needs."""
    there, done = kernel.find_modules(), {}

    def add(name: str) -> None:
        if name in done or name not in there:
            return  # built in, or there already
        content = read_module(there[name])
        for needed in dependencies(content):
            add(needed)
        done[name] = content

    for name in wanted:
        add(name)
    return tuple(done.items())


def read_module(path: Path) -> bytes:
    """Read a module, unpacked where it is packed by xz."""
    content = path.read_bytes()
    return lzma.decompress(content) if path.suffix == ".xz" else content


def dependencies(module: bytes) -> tuple[str, ...]:
    """Read from a module's own information section which others it needs."""
    found = _DEPENDS.search(module)
    if found is None:
        return ()
    return tuple(_name(name) for name in found[1].decode("ascii").split(",") if name)


def _newest(roots: Sequence[Path]) -> Iterator[Kernel]:
    found = [
        Kernel(release, image, modules)
        for root in roots
        for image in root.glob("boot/vmlinuz-*")
        if (modules := root / "lib/modules" / (release := image.name[8:])).is_dir()
    ]
    yield from sorted(found, key=lambda kernel: _version(kernel.release), reverse=True)


def _version(release: str) -> list[tuple[int, str]]:
    """Sort 6.10 after 6.9."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"\W", release)]


def _packed(path: Path) -> bool:
    return path.suffix not in (".ko", ".xz")


def _name(text: str) -> str:
    return text.replace("-", "_")
