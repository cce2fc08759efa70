"""passthru: a declarative policy of VPN passthrough, compiled into router configs."""

from __future__ import annotations

__version__ = "0.1.0"
