"""ASUS routers, stock firmware and Merlin: four nvram keys, and Merlin's firewall-start."""

from __future__ import annotations

from targets.asuswrt.target import AsusTarget

TARGET = AsusTarget()
