"""The two texts that an import proposes: an inventory of one host, and a policy of one play."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.compat import StringIO

from compiler.model.device import Device, Fact
from compiler.model.modules import FACT as MODULES


def hosts_text(device: Device, options: Collection[str]) -> str:
    """Give the inventory; ``options`` are the variables that the target knows."""
    known = {key.removeprefix("facts.") for key in options if key.startswith("facts.")}
    facts = {key: value for key, value in device.facts.items() if key in known}
    variables: dict[str, Any] = {
        "passthru_target": device.target,
        "passthru_zones": {
            zone.name: {
                "role": str(zone.role),
                **({"devices": list(zone.devices)} if zone.devices else {}),
                **({"networks": [str(net) for net in zone.networks]} if zone.networks else {}),
            }
            for zone in device.zones
        },
    }
    if facts:
        variables["passthru_facts"] = facts
    variables |= {f"passthru_{key}": value for key, value in device.options.items()}
    return _yaml({"all": {"hosts": {device.name: variables}}})


def policy_text(
    name: str, entries: Mapping[str, Any], exposures: Sequence[Mapping[str, Any]]
) -> str:
    """Give the policy."""
    play: dict[str, Any] = {
        "name": f"What the config of {name} did when it was imported",
        "hosts": [name],
        "on_deviation": "warn",
    }
    if entries:
        play["passthrough"] = dict(entries)
    if exposures:
        play["expose"] = list(exposures)
    return _yaml([play])


def _yaml(data: Any) -> str:
    yaml = YAML(typ="rt")
    yaml.default_flow_style = False
    yaml.width = 100
    stream = StringIO()
    yaml.dump(data, stream)
    return str(stream.getvalue())


def fact(name: str, value: Fact) -> Fact:
    """Give a list of modules as a list, however it was stated."""
    if name == MODULES and isinstance(value, str):
        return [word for word in re.split(r"[\s,]+", value) if word]
    return value
