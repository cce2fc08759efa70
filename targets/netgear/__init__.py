"""Netgear home routers: nothing can be set, so the bundle is advice for a person."""

from __future__ import annotations

from targets.netgear.target import NetgearTarget

TARGET = NetgearTarget()
