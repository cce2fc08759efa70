"""MikroTik RouterOS: filter rules in a chain of our own. See README.md."""

from __future__ import annotations

from targets.routeros.target import RouterOs

TARGET = RouterOs()
