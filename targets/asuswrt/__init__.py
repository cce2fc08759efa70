"""ASUS routers, stock firmware and Merlin: four nvram keys, and Merlin's firewall-start."""

from __future__ import annotations

from compiler.toggles.scripted import Needs, ScriptedTarget
from compiler.toggles.target import ToggleTarget
from targets.asuswrt.family import MERLIN, START, STOCK
from targets.asuswrt.models import firmware_rules

TARGET = ScriptedTarget(
    START,
    ToggleTarget(MERLIN),
    ToggleTarget(STOCK),
    Needs("merlin", "Asuswrt-Merlin: stock firmware runs no user scripts"),
    firmware_rules,
)
