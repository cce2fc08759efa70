"""Read ``iptables-save`` and ``ip6tables-save``.

The format is that of iptables-save(8), matches and targets are those of iptables-extensions(8).
Reading order: :mod:`~compiler.evaluate.iptables.load`, ``matches``, ``targets``.
"""

from compiler.evaluate.iptables.load import load_iptables

__all__ = ["load_iptables"]
