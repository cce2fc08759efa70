"""Our own reading of what firewall4 makes of a config: the ruleset that it would load.

Reading order: :mod:`~targets.openwrt.fw4.values` and ``addresses`` (how options are written),
``schema`` (what sections hold), ``state`` (zones, rules and chains under way), ``zones``,
``forwardings``, ``rules``, ``redirects``, ``includes`` (one section each; ``matches``: what rules
and redirects share; ``signatures``: included files of ours that mark packets), ``chains`` (the
order of it all), ``nft`` (matches and statements) and ``ruleset`` (the table, and how it is
printed).

Everything here was read in firewall4 b6e5157 (https://github.com/openwrt/firewall4,
``root/usr/share/ucode/fw4.uc`` and ``root/usr/share/firewall4/templates``) and is held against the
program itself by tests marked ``judge``.
"""
