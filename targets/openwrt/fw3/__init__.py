"""Our own reading of what firewall3 (iptables) makes of a config.

The result has the form that :mod:`targets.openwrt.fw4` prints: what packets experience is the
same, though the router loads other text. :mod:`~targets.openwrt.fw3.options` reads sections,
``rules`` and ``load`` put them together.

Read in firewall3 (https://git.openwrt.org/project/firewall3.git: ``options.c``, ``zones.c``,
``rules.c``, ``redirects.c``, ``forwards.c``, ``defaults.c``, ``helpers.c``, ``iptables.c``), and
held against the program itself by tests marked ``judge``.
"""
