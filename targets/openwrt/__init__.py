"""OpenWrt: our own named sections in /etc/config/firewall, for fw3 and fw4. See README.md."""

from __future__ import annotations

from targets.openwrt.target import OpenWrt

TARGET = OpenWrt()
