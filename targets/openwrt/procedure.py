"""The steps that bring a bundle onto the router; the bundle's own apply.sh holds most of them."""

from __future__ import annotations

from compiler.model.step import Step, StepName
from compiler.model.target import Guard, Procedure
from targets.openwrt.render import BESIDE, LEASES, SCRIPT

#: Prints one fact a line as ``name=value``; needs nothing from the bundle.
FACTS = """\
root=${PASSTHRU_ROOT:-}
while read -r line; do
	case $line in DISTRIB_RELEASE=*)
		release=${line#*=}
		release=${release#[\\"\\']}
		echo "release=${release%%[\\"\\']*}"
		;;
	esac
done < "$root/etc/openwrt_release"
if command -v fw4 > /dev/null; then echo firewall=fw4; else echo firewall=fw3; fi
if command -v apk > /dev/null; then echo package_manager=apk; else echo package_manager=opkg; fi
read -r kernel 2> /dev/null < "$root/proc/sys/kernel/osrelease" || kernel=$(uname -r)
echo "kernel=$kernel"
# ash reads a byte at a time, and then this file seems to end before its line does
forwards=
read -r forwards 2> /dev/null < "$root/proc/sys/net/ipv6/conf/all/forwarding"
if [ "$forwards" = 1 ]; then echo ipv6=true; else echo ipv6=false; fi
modules=
for module in "$root"/sys/module/nf_conntrack_* "$root"/sys/module/nf_nat_* \\
	"$root"/sys/module/xt_u32; do
	[ ! -d "$module" ] || modules="$modules ${module##*/}"
done
echo "modules=${modules# }"
"""

#: The names of our rules in the file and in the kernel: `fw4 reload` says nothing when it fails.
_STALE = r"""
rules() {
	iptables-save
	ip6tables-save
}
list=rules
! command -v fw4 > /dev/null || list='nft list table inet fw4'
stale=
# rules that are in the file or in the kernel, and not in both; and the files of ours that it names
for each in $(
	$list 2> /dev/null | awk '
		FILENAME == ARGV[1] {
			sub(/^[ \t]*option /, "")
			if (!sub(/\047$/, "")) next
			if (sub(/^name \047/, "") && /^passthru /) named[$0] = 1
			else if (sub(/^path \047/, "") && /^\/etc\/passthru\/signatures-/) print
			next
		}
		match($0, /comment "!fw[34]: passthru [^"]*"/) {
			name = substr($0, RSTART + 15, RLENGTH - 16)
			if (!(name in named)) stale = 1
			loaded[name] = 1
		}
		END {
			for (name in named) if (!(name in loaded)) stale = 1
			if (stale) print "loaded-rules"
		}
	' "$root/etc/config/firewall" -
); do
	case $each in
	(/*) # it is named after its digest
		digest=$(sha256sum "$root$each" 2> /dev/null | cut -c 1-16)
		[ "${each##*/}" = "signatures-$digest.rules" ] || stale=loaded-rules
		;;
	(*) stale=$each ;;
	esac
done
echo "stale=$stale"
"""

READ = """\
cat "${PASSTHRU_ROOT:-}/etc/config/firewall"
"""

_DURABLE = "/etc/passthru"
#: Before the firewall (START=19), so that it starts with the file that is brought back.
_BOOT = "${PASSTHRU_ROOT-}/etc/rc.d/S18passthru-deadman"
_HOOK = f"""\
[ -d "${{PASSTHRU_ROOT-}}/etc/rc.d" ] || mkdir -p "${{PASSTHRU_ROOT-}}/etc/rc.d"
printf '%s\\n' '#!/bin/sh /etc/rc.common' START=18 \\
	'boot() {{ sh {_DURABLE}/deadman/guard boot; }}' 'start() {{ boot; }}' >"{_BOOT}" &&
	chmod 755 "{_BOOT}"
"""
_UNHOOK = f"""\
rm -f "{_BOOT}" "${{PASSTHRU_ROOT-}}{BESIDE}"
"""

_SAYS = {
    StepName.STAGE: "merge our sections into a copy of /etc/config/firewall that uci accepts",
    StepName.CHECK: "see that the router runs the expected firewall and has the helper's module",
    StepName.ARM: "keep a copy of /etc/config/firewall",
    StepName.APPLY: "put the copy in place, have it checked, load it, cut blocked tunnels",
    StepName.VERIFY: "see that exactly our rules are loaded and the helper is assigned",
    StepName.ROLLBACK: "put the old /etc/config/firewall back and load it",
}
#: A push has a folder that ends with it; what steps by hand leave for the next is in /tmp/passthru.
_FOLDER = "PASSTHRU_STATE=${PASSTHRU_KEEP:+$PWD}\n"
_RESTORE = "set -- restore ./firewall\n"


def procedure() -> Procedure:
    """Give the steps; a router needs nothing but its own shell, uci and firewall for them."""
    return Procedure(
        "ssh",
        (
            Step(
                StepName.FACTS, "print release, firewall, modules, what is loaded", FACTS + _STALE
            ),
            Step(StepName.READ, "print /etc/config/firewall", READ),
            *(Step(name, says, _script(name)) for name, says in _SAYS.items()),
        ),
        Guard(LEASES, _DURABLE, _HOOK, _UNHOOK),
    )


def _script(name: StepName) -> str:
    """Run a step of apply.sh in the shell that is there: to start another one is dear."""
    how = _RESTORE if name is StepName.ROLLBACK else f"{_FOLDER}set -- {name}\n"
    return f"{how}. ./{SCRIPT}\n"
