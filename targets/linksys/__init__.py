"""Linksys: Smart Wi-Fi through JNAP with inverted switches, and the WRT54G's nvram switches."""

from __future__ import annotations

from compiler.toggles.target import ToggleTarget
from targets.linksys.classic import CLASSIC
from targets.linksys.jnap import JNAP
from targets.linksys.models import firmware_rules

TARGET = ToggleTarget(JNAP, CLASSIC, model=firmware_rules)
