"""``python -m passthru_conformance --target NAME [--cases MODULE:NAME] [pytest arguments]``."""

from __future__ import annotations

import sys

import pytest

OPTIONS = "passthru_conformance.options"
if __name__ == "__main__":
    sys.exit(pytest.main(["--pyargs", "passthru_conformance", "-p", OPTIONS, *sys.argv[1:]]))
