"""Linksys Smart Wi-Fi: the firewall object behind JNAP, with inverted switches."""

from __future__ import annotations

from compiler.toggles.target import ToggleTarget
from targets.linksys.jnap import JNAP

TARGET = ToggleTarget(JNAP)
