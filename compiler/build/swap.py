"""Put one folder in the place of another, so that a reader never finds neither."""

from __future__ import annotations

import errno
import os
from pathlib import Path

_HERE = -100  # AT_FDCWD
_EXCHANGE = 2  # RENAME_EXCHANGE, Linux 3.15; see rename(2)
_CANNOT = frozenset({errno.ENOSYS, errno.EINVAL})


def swap(one: Path, other: Path) -> None:
    """Exchange two folders of one file system: at once where the system can, else in two steps.

    Raises:
        OSError: they cannot be renamed.
    """
    if not _exchanged(one, other):
        aside = one.with_name(f"{one.name}.aside")
        other.rename(aside)
        one.rename(other)
        aside.rename(one)


def _exchanged(one: Path, other: Path) -> bool:
    import ctypes  # noqa: PLC0415 - only a bundle that changed needs it

    call = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if call is None:
        return False
    if call(_HERE, os.fsencode(one), _HERE, os.fsencode(other), _EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number in _CANNOT:
        return False
    raise OSError(number, os.strerror(number), str(other))
