"""FreshTomato: a PPTP helper, an inbound IPsec switch, and rules through ``script_fire``."""

from __future__ import annotations

from compiler.toggles.scripted import ScriptedTarget
from compiler.toggles.target import ToggleTarget
from targets.freshtomato.family import FRESHTOMATO, SCRIPT_FIRE
from targets.freshtomato.models import firmware_rules

TARGET = ScriptedTarget(SCRIPT_FIRE, ToggleTarget(FRESHTOMATO), model=firmware_rules)
