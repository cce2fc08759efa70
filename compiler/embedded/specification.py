"""What a router is made of, as the process that makes sandboxes is told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from compiler.embedded.families import Family


def specification(kind: Family, values: Mapping[str, Any], *, walled: bool) -> dict[str, Any]:
    """Join a family with what was asked for (``values``); the real nft needs walls."""
    real = kind.real_nft if values["real_nft"] is None else values["real_nft"]
    modules = kind.modules if values["modules"] is None else values["modules"]
    tools = [tool for tool in kind.tools if tool != "nft"]
    tools.append("nft" if real and walled else "nft=nft-list")
    return {
        "root": kind.root,
        "ram": kind.ram,
        "flash": kind.flash,
        "links": kind.links,
        "files": kind.files,
        "tools": tools,
        "without": list(values["without"]),
        "flash_kilobytes": values["flash_kilobytes"],
        "hostname": values["name"],
        "control": {
            "family": f"{kind.name}\n",
            "username": f"{values['username'] or kind.username}\n",
            "release": f"{values['release'] or kind.release}\n",
            "kernel": f"{kind.kernel}\n",
            "modules": "".join(f"{module}\n" for module in modules),
            "faults": "",
            "nvram": "".join(f"{key}={value}\n" for key, value in kind.nvram.items()),
        },
    }
