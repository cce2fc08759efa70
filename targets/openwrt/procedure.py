"""The steps that bring a bundle onto the router; the bundle's own apply.sh holds most of them."""

from __future__ import annotations

from compiler.model.target import Procedure, Step, StepName
from targets.openwrt.render import SCRIPT

#: Prints one fact a line as ``name=value``; needs nothing from the bundle.
FACTS = """\
root=${PASSTHRU_ROOT:-}
sed -n "s/^DISTRIB_RELEASE=['\\"]*\\([^'\\"]*\\).*/release=\\1/p" "$root/etc/openwrt_release"
if command -v fw4 > /dev/null; then echo firewall=fw4; else echo firewall=fw3; fi
if command -v apk > /dev/null; then echo package_manager=apk; else echo package_manager=opkg; fi
echo "kernel=$(uname -r)"
if [ "$(cat "$root/proc/sys/net/ipv6/conf/all/forwarding" 2> /dev/null)" = 1 ]; then
	echo ipv6=true
else
	echo ipv6=false
fi
modules=
for module in "$root"/sys/module/nf_conntrack_* "$root"/sys/module/nf_nat_*; do
	[ ! -d "$module" ] || modules="$modules ${module##*/}"
done
echo "modules=${modules# }"
"""

READ = """\
cat "${PASSTHRU_ROOT:-}/etc/config/firewall"
"""

_SAYS = {
    StepName.STAGE: "merge our sections into a copy of /etc/config/firewall that uci accepts",
    StepName.CHECK: "see that the router runs the expected firewall and has the helper's module",
    StepName.APPLY: "put the copy in place, have it checked, load it, cut blocked tunnels",
    StepName.VERIFY: "see that exactly our rules are loaded and the helper is assigned",
    StepName.ROLLBACK: "put the old /etc/config/firewall back and load it",
}


def procedure() -> Procedure:
    """Give the steps; a router needs nothing but its own shell, uci and firewall for them."""
    return Procedure(
        "ssh",
        (
            Step(StepName.FACTS, "print release, firewall, package manager, modules", FACTS),
            Step(StepName.READ, "print /etc/config/firewall", READ),
            *(Step(name, says, f"sh ./{SCRIPT} {name}\n") for name, says in _SAYS.items()),
        ),
    )
