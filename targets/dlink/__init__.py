"""D-Link home routers: HNAP, and the nodes of older firmware by hand."""

from __future__ import annotations

from compiler.toggles.target import ToggleTarget
from targets.dlink.hnap import HNAP
from targets.dlink.nodes import RGDB, XMLDB

TARGET = ToggleTarget(HNAP, RGDB, XMLDB)
