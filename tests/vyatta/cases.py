"""Kinds of Vyatta routers for the conformance suite, with configs of somebody else's."""

from __future__ import annotations

from passthru_conformance.cases import Case

EDGEOS = """\
set firewall all-ping enable
set firewall name WAN_IN default-action drop
set firewall name WAN_IN description 'WAN to internal'
set firewall name WAN_IN rule 5010 action accept
set firewall name WAN_IN rule 5010 description 'Allow established/related'
set firewall name WAN_IN rule 5010 state established enable
set firewall name WAN_OUT default-action accept
set firewall name WAN_OUT rule 5020 action drop
set firewall name WAN_OUT rule 5020 description "don't $(talk)"
set interfaces ethernet eth0 firewall in name WAN_IN
set interfaces ethernet eth0 firewall out name WAN_OUT
set service nat rule 5010 outbound-interface eth0
set service nat rule 5010 type masquerade
set system conntrack modules ftp disable
  set system conntrack modules pptp disable
set system host-name EdgeRouter
"""
VYOS14 = """\
set firewall global-options state-policy established action 'accept'
set firewall group network-group LAN network '192.168.1.0/24'
set firewall ipv4 forward filter default-action 'accept'
set firewall ipv4 forward filter rule 100 action 'drop'
set firewall ipv4 forward filter rule 100 description 'not ours: passthru:'
set firewall ipv4 forward filter rule 100 protocol 'gre'
set interfaces ethernet eth0 address 'dhcp'
set nat source rule 100 outbound-interface name 'eth0'
set nat source rule 100 translation address 'masquerade'
set system conntrack modules ftp
set system conntrack modules pptp
"""
VYOS13 = """\
set firewall name OUT default-action 'accept'
set firewall name OUT rule 5000 action 'accept'
set interfaces ethernet eth0 firewall out name 'OUT'
set system conntrack modules pptp
"""

CASES = (
    Case(
        "edgeos",
        "edgeos",
        {"other_rulesets": False},
        {"ruleset": "WAN_OUT", "ruleset6": "WAN6_OUT", "ruleset_in": "WAN_IN"},
        (EDGEOS,),
    ),
    Case(
        "edgeos-attach",
        "edgeos",
        {},
        {"attach": ["interfaces ethernet eth7"], "nat_rule_base": 4000},
        (EDGEOS,),
    ),
    Case("vyos-1.4", "vyos", {"release": "1.4.1"}, foreign=(VYOS14,)),
    Case("vyos-late", "vyos", {"release": "1.5"}, {"rule_base": 50}, (VYOS14,)),
    Case(
        "vyos-1.3", "vyos", {"release": "1.3.8"}, {"ruleset": "OUT", "ruleset6": "OUT6"}, (VYOS13,)
    ),
)
