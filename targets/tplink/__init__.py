"""TP-Link: the ALG page of home routers, behind two kinds of firmware, and Omada gateways."""

from __future__ import annotations

from targets.tplink.cgi import CGI
from targets.tplink.luci import LUCI
from targets.tplink.models import firmware_rules
from targets.tplink.omada import OMADA
from targets.tplink.target import TpLinkTarget

TARGET = TpLinkTarget(LUCI, CGI, OMADA, model=firmware_rules)
