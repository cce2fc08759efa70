"""D-Link home routers: HNAP, and the nodes of older firmware by hand."""

from __future__ import annotations

from compiler.toggles.target import ToggleTarget
from targets.dlink.hnap import HNAP
from targets.dlink.models import firmware_rules
from targets.dlink.nodes import RGDB, XMLDB

TARGET = ToggleTarget(HNAP, RGDB, XMLDB, model=firmware_rules)
