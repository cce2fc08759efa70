"""Netgear home routers: advice for their own firmware, settings for Voxel's."""

from __future__ import annotations

from targets.netgear.target import NetgearTarget

TARGET = NetgearTarget()
