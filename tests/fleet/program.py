"""The real command line in a process of its own, over routers that are files."""

from __future__ import annotations

import sys

from compiler.cli.main import run
from compiler.fleet import work
from tests.fleet.fakes import SITE_DRIVER

work.device_driver = lambda: SITE_DRIVER
run(sys.argv[1:])
