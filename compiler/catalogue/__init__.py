"""The VPN protocols as data: flows, helpers, signatures, background and sources.

``builtin()`` is what the program knows by itself; ``extend()`` adds the users' own files. Both
have the form of ``schemas/protocols.schema.json``; README.md says how to add a protocol.
"""

from __future__ import annotations

from compiler.catalogue.catalogue import Catalogue, builtin
from compiler.catalogue.extend import extend

__all__ = ["Catalogue", "builtin", "extend"]
