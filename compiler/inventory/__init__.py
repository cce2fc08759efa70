"""Ansible's inventories: the same hosts, groups, variables and patterns.

- :mod:`compiler.inventory.inventory`: ``load``, ``Inventory``
- :mod:`compiler.inventory.host`: ``Host``
- :mod:`compiler.inventory.names`: which host names can be folders of the output
- :mod:`compiler.inventory.patterns`: ``--limit`` and ``hosts:``
- :mod:`compiler.inventory.sources`: from what ``-i`` names to a reader (``ini``, ``mapping``,
  ``listing``, ``script``)
- :mod:`compiler.inventory.graph`: groups, hosts and how they hang together
- :mod:`compiler.inventory.varsfiles`: ``group_vars`` and ``host_vars``

The first four names are what the rest of the program uses.
"""

from __future__ import annotations

from compiler.inventory.host import Host
from compiler.inventory.inventory import Inventory, load
from compiler.inventory.names import check_host_name

__all__ = ["Host", "Inventory", "check_host_name", "load"]
