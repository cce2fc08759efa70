"""Our own reading of what firewall4 makes of a config: the ruleset that it would load.

Reading order: :mod:`~targets.openwrt.fw4.values` (how options are written), ``schema`` (what
sections hold), ``state`` (zones, rules and chains under way), ``zones``, ``rules``, ``redirects``,
``includes`` (one section each), ``chains`` (the order of it all) and ``nft`` (parts and printing).

Everything here was read in firewall4 b6e5157 (https://github.com/openwrt/firewall4,
``root/usr/share/ucode/fw4.uc`` and ``root/usr/share/firewall4/templates``) and is held against the
program itself by tests marked ``judge``.
"""
