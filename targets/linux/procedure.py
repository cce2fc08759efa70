"""How a bundle gets onto a Linux router over SSH. Every script is POSIX sh."""

from __future__ import annotations

from compiler.model.target import Procedure, Step, StepName
from targets.linux import nft
from targets.linux.options import Options

_FILES = (
    "etc/passthru etc/sysctl.d/90-passthru.conf etc/modules-load.d/passthru.conf "
    "etc/systemd/system/passthru.service"
)
_SWITCHES = "/proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv6/conf/all/forwarding"
#: Without /etc/protocols nft lists a helper's protocol as a number, which it does not read again.
_READABLE = '/type "/{s/protocol 6$/protocol tcp/;s/protocol 17$/protocol udp/;}'
_SAVED = "/var/lib/passthru/before"


def procedure(table: nft.Table, options: Options) -> Procedure:
    """Give the steps; the staged bundle is the working directory of each script."""
    name = table.name
    steps = (
        Step(
            StepName.FACTS,
            "kernel, nft, helper modules, who else filters",
            "uname -r; nft --version; nft list tables; "
            "for m in nf_conntrack_pptp nf_nat_pptp; do "
            'modprobe -n -q "$m" && echo "module $m"; done; :',
        ),
        Step(
            StepName.READ,
            "the table as the kernel has it",
            f"nft list tables | grep -qx 'table inet {name}' || exit 0\nnft list table inet {name}",
        ),
        Step(StepName.CHECK, "nft accepts the rules", "nft -c -f etc/passthru/passthru.nft"),
        Step(StepName.ARM, "keep what is there now", _keep(name)),
        Step(StepName.APPLY, "files, modules, sysctl, rules in one transaction", "sh ./apply.sh"),
        Step(
            StepName.VERIFY,
            "the table is loaded" + (" and the router forwards" if options.gateway else ""),
            f"set -e\nnft list table inet {name}"
            + ('\n[ "$(cat /proc/sys/net/ipv4/ip_forward)" = 1 ]' if options.gateway else ""),
        ),
        Step(StepName.CONFIRM, "forget the saved state", f"rm -rf {_SAVED}"),
        Step(StepName.ROLLBACK, "bring back what was there", _bring_back()),
    )
    return Procedure("ssh", steps)


def _keep(name: str) -> str:
    return f"""set -e
rm -rf {_SAVED}
mkdir -p {_SAVED}
printf 'table inet {name}\\ndelete table inet {name}\\n' > {_SAVED}/rules.nft
if nft list tables | grep -qx 'table inet {name}'; then
	nft list table inet {name} | sed '{_READABLE}' >> {_SAVED}/rules.nft
fi
for file in {_FILES}; do
	[ ! -e "/$file" ] || printf '%s\\n' "$file"
done > {_SAVED}/list
[ ! -s {_SAVED}/list ] || tar -C / -cf {_SAVED}/files.tar -T {_SAVED}/list
for switch in {_SWITCHES}; do
	[ ! -r "$switch" ] || printf '%s %s\\n' "$switch" "$(cat "$switch")"
done > {_SAVED}/switches"""


def _bring_back() -> str:
    return f"""set -e
[ -f {_SAVED}/rules.nft ] || {{ echo 'nothing is saved' >&2; exit 1; }}
while read -r switch value; do
	[ "$(cat "$switch")" = "$value" ] || printf '%s\\n' "$value" > "$switch"
done < {_SAVED}/switches
nft -f {_SAVED}/rules.nft
if [ ! -f {_SAVED}/files.tar ] && [ -d /run/systemd/system ]; then
	systemctl disable passthru.service || :
fi
for file in {_FILES}; do
	rm -rf "/$file"
done
[ ! -f {_SAVED}/files.tar ] || tar -C / -xf {_SAVED}/files.tar
[ ! -d /run/systemd/system ] || systemctl daemon-reload
rm -rf {_SAVED}"""
