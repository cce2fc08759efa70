"""Read ``nft -j list ruleset``.

The format is that of libnftables-json(5). Reading order: :mod:`~compiler.evaluate.nft.load`,
``statement``, ``match``, ``operand``, ``constant``.
"""
