"""The garbage collector before a run and during one."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def loading() -> Iterator[None]:
    """Keep the collector from walking, time and again, over what is being loaded and stays."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@contextmanager
def settled() -> Iterator[None]:
    """Keep the collector from walking over what is there already: the compiled site stays anyway.

    Each walk over a site of some size takes as long as the log-ins to twenty routers.
    """
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
