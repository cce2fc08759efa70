"""Devices and hostile configs for the tests of Vyatta routers."""

from __future__ import annotations

from hypothesis import strategies as st

from compiler.model.device import Device, Fact, Zone
from compiler.model.finding import Place
from compiler.vyatta.target import VyattaTarget
from targets.edgeos import TARGET as EDGEOS
from targets.vyos import TARGET as VYOS
from tests.targets.openwrt.support import GUEST, LAN, WAN

ZONES = (LAN, GUEST, WAN)
RULESETS: dict[str, Fact] = {"ruleset": "WAN_OUT", "ruleset6": "WAN6_OUT", "ruleset_in": "WAN_IN"}


def vyos(release: str = "1.4", zones: tuple[Zone, ...] = ZONES, **options: Fact) -> Device:
    return Device("r1", "vyos", zones, {"release": release}, options, Place("hosts.yml", 7))


def edgeos(
    facts: dict[str, Fact] | None = None, zones: tuple[Zone, ...] = ZONES, **options: Fact
) -> Device:
    stated = {"other_rulesets": False, "auto_helper": True} if facts is None else facts
    return Device("r1", "edgeos", zones, stated, options or RULESETS, Place("hosts.yml", 7))


#: Every kind of router, each with everything known.
KINDS: tuple[tuple[VyattaTarget, Device], ...] = (
    (VYOS, vyos()),
    (VYOS, Device("r1", "vyos", ZONES, {"release": "1.3", "other_rulesets": False}, RULESETS)),
    (EDGEOS, edgeos()),
    (EDGEOS, edgeos(attach=True)),
)
#: Lines of somebody else; some look like ours and are not.
FOREIGN = (
    "set system host-name 'router'\n",
    "set system login banner pre-login 'set firewall name PASSTHRU \\n # passthru: begin'\r\n",
    "set interfaces ethernet eth9 description 'to PASSTHRU'\n",
    "set interfaces ethernet eth9 firewall out name OTHER\n",
    "set firewall name LAN_IN rule 10 description 'not passthru:'\n",
    "set vpn ipsec secret 'it'\\''s #1; \"$(reboot)\"'\n",
    "   set service nat rule 5010 type masquerade\n",
    "\n",
    "# a remark\n",
)
OLD = (
    "set nat source rule 8 description 'passthru:x'\nset nat source rule 8 protocol 50\r\n",
    "set nat destination rule 7 description passthru:x\nset nat destination rule 7 protocol gre\n",
    "# passthru: begin\nset firewall name PASSTHRU_OUT description 'passthru:x'\n# passthru: end\n",
    "set interfaces ethernet eth0 firewall out name PASSTHRU_OUT\n",
    "set interfaces ethernet eth0 vif 7 firewall in ipv6-name 'PASSTHRU_OUT_V6'\n",
)


@st.composite
def configs(draw: st.DrawFn) -> tuple[str, str]:
    """Commands of somebody else with old ones of ours between them, and without those."""
    parts = draw(st.lists(st.sampled_from((*FOREIGN, *OLD)), max_size=8))
    begin = "set system time-zone UTC\n"
    foreign = [part for part in parts if part in FOREIGN]
    return begin + "".join(parts), begin + "".join(foreign)
