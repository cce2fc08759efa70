"""The tplink target: families of switches, and one fact that says how a push logs in."""

from __future__ import annotations

from dataclasses import replace

from compiler.model.device import Device
from compiler.model.target import Procedure
from compiler.toggles.family import ToggleSettings
from compiler.toggles.target import ToggleTarget
from targets.tplink.cgi import CGI, CIPHER


class TpLinkTarget(ToggleTarget):
    """TP-Link firmware; newer cgi firmware takes requests that are sealed in another way."""

    def procedure(self, settings: ToggleSettings, device: Device) -> Procedure:
        """Give the steps that bring the bundle onto the router."""
        found = super().procedure(settings, device)
        cipher = device.facts.get(CIPHER.name)
        if self.family(device).flavour == CGI.flavour and cipher == "gcm":
            return replace(found, login="cgi-gcm")
        return found
