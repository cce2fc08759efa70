"""The garbage collector during a run."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


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
