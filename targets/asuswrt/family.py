"""The nvram switches of ASUS firmware and what they do. Sources are in README.md."""

from __future__ import annotations

from collections.abc import Iterator

from compiler.model.device import Device
from compiler.model.finding import Code, Finding, Severity
from compiler.model.intent import Intent
from compiler.model.protocol import AH, ESP, GRE, TCP, UDP
from compiler.model.target import Capabilities, Guard
from compiler.source.boothook import hook, unhook
from compiler.toggles.family import (
    Example,
    FactSpec,
    Family,
    HelperFact,
    Loading,
    Match,
    Toggle,
    Value,
)
from compiler.toggles.nvram import TRIAL, NvramForm, nvram_facts
from compiler.toggles.script import BEGIN, CHAIN, END, Place

#: Merlin runs user scripts only when this key is 1.
SCRIPTS_KEY = "jffs2_scripts"
START = Place("/jffs/scripts/firewall-start", shebang=True, enabled=(SCRIPTS_KEY, "1"))
SCRIPT_VALUES = {"path": START.name, "mark": START.mark, "begin": BEGIN, "end": END, "chain": CHAIN}

_FILTER = "RMerl/asuswrt-merlin.ng release/src/router/rc/firewall.c: only the text 0 makes rules"
_HELPER = "RMerl/asuswrt-merlin.ng release/src/router/rc/common.c: only the text 0 unloads"


#: The firewall's restart leaves nf_pptp alone: that is read at boot and by restart_conntrack, an
#: event of Merlin's (stock firmware ignores what it does not know). The order is that of a boot.
_RESTART = (
    '{ ! grep -q "^nf_pptp=" "$file" || service restart_conntrack; service restart_firewall; }'
)

#: Keys are committed with the confirmation, so a reboot brings the old ones back by itself; what
#: is in /jffs is brought back by a script that Merlin runs at boot.
_INIT = "/jffs/scripts/init-start"
_MERLIN_GUARD = Guard(
    TRIAL.volatile, "/jffs/passthru", hook(_INIT, "/jffs/passthru"), unhook(_INIT)
)


def _switch(key: str, title: str, drops: tuple[Match, ...]) -> Toggle:
    return Toggle(
        key,
        title,
        (Value("1"), Value("0", drops=drops)),
        default="1",
        unset="1",
        other="1",
        source=_FILTER,
    )


def _router_mode(intent: Intent, device: Device) -> Iterator[Finding]:
    mode = device.facts.get("sw_mode")
    if intent.decisions and isinstance(mode, int) and mode != 1:
        yield Finding(
            Code.L605,
            f"the router is not in router mode (sw_mode={mode}), so these keys have no effect",
            Severity.WARNING,
            device.place,
            "apply the policy on the router that does NAT",
            device.name,
        )


def _form(*, merlin: bool) -> NvramForm:
    return NvramForm(
        restart=_RESTART,
        facts=nvram_facts("productid", "buildno", "sw_mode"),
        template="toggles/file-script.sh.j2" if merlin else "toggles/apply.sh.j2",
        extra_keys=(SCRIPTS_KEY,) if merlin else (),
        values=SCRIPT_VALUES if merlin else {},
        guard=_MERLIN_GUARD if merlin else TRIAL,
    )


def _family(*, merlin: bool) -> Family:
    return Family(
        name="asuswrt",
        summary="ASUS routers (stock firmware and Asuswrt-Merlin): nvram pass-through keys",
        toggles=(
            _switch("fw_pt_pptp", "PPTP passthrough", (Match.port(TCP, 1723), Match(GRE))),
            _switch("fw_pt_l2tp", "L2TP passthrough", (Match.port(UDP, 1701),)),
            _switch(
                "fw_pt_ipsec",
                "IPsec passthrough",
                (Match.port(UDP, 500), Match.port(UDP, 4500), Match(ESP), Match(AH)),
            ),
            Toggle(
                "nf_pptp",
                "PPTP helper",
                (
                    Value("1", helpers=(("pptp", Loading.LOADED),)),
                    Value("0", helpers=(("pptp", Loading.ABSENT),)),
                ),
                default="1",
                unset="1",
                other="1",
                source=_HELPER,
            ),
        ),
        helpers=(HelperFact("pptp", (Match(GRE),), _HELPER),),
        facts=(
            FactSpec("merlin", "whether the firmware is Asuswrt-Merlin", bool),
            FactSpec("sw_mode", "what `nvram get sw_mode` prints: 1 is router mode", int),
            FactSpec(
                "sdn",
                "whether the firmware has SDN (Guest Network Pro), which repeats the blocks for "
                "every bridge; without it they hold for the main LAN alone",
                bool,
            ),
            FactSpec(
                "wans_mode",
                "two WANs: what `nvram get wans_mode` prints; with lb (load balance) the blocks "
                "hold for each, with fo and fb for the one that is in use",
                str,
                ("lb", "fo", "fb"),
            ),
            FactSpec(
                "store",
                "where the firmware keeps its settings: nvram; DSL models on the TCLinux SDK keep "
                "these keys elsewhere and are not covered",
                str,
                ("nvram",),
            ),
        ),
        form=_form(merlin=merlin),
        note=_router_mode,
        examples=(Example(facts={"kernel": "4.1.27"}),),
        beyond_main="sdn",
        beyond_wan=("wans_mode", "lb"),
        capabilities=Capabilities(
            reads=True,
            writes=True,
            pushes="ssh",
            rolls_back="sets the former values again",
            helper="own switch (nf_pptp); assigned by itself only before Linux 4.7",
            ipv6="not covered by the switches; Merlin's firewall-start can block",
            running_tunnels="survive a block by a switch; firewall-start cuts them",
            own_vpn="not touched; the script also drops what LAN hosts send into its tunnels",
        ),
    )


STOCK = _family(merlin=False)
MERLIN = _family(merlin=True)
