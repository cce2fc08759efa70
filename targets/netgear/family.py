"""What Voxel's firmware can be told: three keys of DNI, and firewall-start.sh. See README.md."""

from __future__ import annotations

from compiler.model.protocol import GRE, TCP, UDP, Family
from compiler.model.target import Capabilities, Guard
from compiler.source.boothook import hook, unhook
from compiler.toggles import family as data
from compiler.toggles.family import Example, FactSpec, HelperFact, Match, Toggle, Value
from compiler.toggles.nvram import TRIAL, NvramForm, nvram_facts
from compiler.toggles.script import BEGIN, CHAIN, END, Place

NAME = "netgear"
#: The fact that says whether the firmware heeds the three keys at all.
HEEDS = "vpn_passthrough"
FIRMWARE = FactSpec(
    "firmware",
    "stock (advice for a person) or voxel (Voxel's builds, which are pushed over SSH)",
    str,
    ("stock", "voxel"),
)

#: The WAN is the bridge brwan (or a ppp), so `br+` would name both sides; the LAN is br0. IPv6
#: rules are written anew after the script has run. Accelerated connections (qca-nss-ecm) bypass
#: netfilter, so a block does not surely cut them.
START = Place(
    "/opt/scripts/firewall-start.sh",
    shebang=True,
    way="-i br0 ! -o br0",
    families=frozenset({Family.IPV4}),
    cuts=False,
)
#: net-wall runs this script, where there is none of START's name.
FORMER = "/root/firewall-start.sh"
_BOOT, _DURABLE = "/etc/rc.local", "/root/passthru"

_WALL = "SVoxel/R7800 git_home/net-wall.git/net-wall-bin: its rules file, only for the text 0"
_ALG = "SVoxel/R7800 and R9000 configs/defconfig-*, package/kmod-pptp-alg/Makefile: autoloaded"

#: `net-wall` gives the status of whatever the script's last command was: it says nothing.
_RESTART = '{ "${PASSTHRU_ROOT-}/usr/sbin/net-wall" restart >/dev/null 2>&1 || :; }'
_FACTS = (
    nvram_facts("GUI_Region")
    + """
echo "region=$(artmtd -r region 2>/dev/null | grep REGION | cut -d ' ' -f 2)"
[ ! -e "$root/usr/sbin/net-wall-bin" ] || echo firmware=voxel
"""
)


def _switch(key: str, title: str, drop: Match) -> Toggle:
    return Toggle(
        key,
        title,
        (Value("1"), Value("0", builds=((HEEDS, (drop,)),))),
        default="1",
        unset="1",
        other="1",
        source=_WALL,
        unsure_because=f"only firmware for some regions heeds it (fact {HEEDS})",
    )


VOXEL = data.Family(
    name=NAME,
    summary="Netgear home routers: advice for their own firmware; settings for Voxel's builds",
    toggles=(
        _switch("wan_enable_ipsec", "IPsec passthrough", Match.port(UDP, 500)),
        _switch("wan_enable_l2tp", "L2TP passthrough", Match.port(UDP, 1701)),
        _switch("wan_enable_pptp", "PPTP passthrough", Match.port(TCP, 1723)),
    ),
    helpers=(HelperFact("pptp", (Match(GRE),), _ALG, loaded=True),),
    facts=(
        FIRMWARE,
        FactSpec(
            HEEDS,
            "whether the firmware heeds the keys wan_enable_*: region RU or PR, or WW with the "
            "web pages in Russian or Chinese",
            bool,
        ),
    ),
    form=NvramForm(
        restart=_RESTART,
        facts=_FACTS,
        template="toggles/file-script.sh.j2",
        marks=("GUI_Region", "wan_ifname", "wan_endis_dmz", "forwarding1"),
        values={
            "path": START.name,
            "mark": START.mark,
            "begin": BEGIN,
            "end": END,
            "chain": CHAIN,
        },
        guard=Guard(TRIAL.volatile, _DURABLE, hook(_BOOT, _DURABLE), unhook(_BOOT)),
    ),
    examples=(Example("voxel", {"firmware": "voxel", "kernel": "3.4.103", HEEDS: False}),),
    capabilities=Capabilities(
        reads=True,
        writes=True,
        pushes="ssh (Voxel's builds); advice for a person (stock)",
        rolls_back="sets the former values again (Voxel); by hand (stock)",
        helper="Voxel: loaded at boot, assigned by the kernel; stock: unknown",
        ipv6="unknown",
        running_tunnels="may survive a block: accelerated connections bypass the rules",
        own_vpn="not touched; the script also drops what LAN hosts send into its tunnels",
    ),
)
