"""TP-Link home routers: the ALG page, behind two kinds of firmware."""

from __future__ import annotations

from compiler.toggles.target import ToggleTarget
from targets.tplink.cgi import CGI
from targets.tplink.luci import LUCI

TARGET = ToggleTarget(LUCI, CGI)
