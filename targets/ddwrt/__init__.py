"""DD-WRT: three nvram switches behind a fourth, and rules through ``rc_firewall``."""

from __future__ import annotations

from compiler.toggles.scripted import ScriptedTarget
from compiler.toggles.target import ToggleTarget
from targets.ddwrt.family import DDWRT, RC_FIREWALL
from targets.ddwrt.models import firmware_rules

TARGET = ScriptedTarget(RC_FIREWALL, ToggleTarget(DDWRT), model=firmware_rules)
