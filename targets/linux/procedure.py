"""How a bundle gets onto a Linux router over SSH. Every script is POSIX sh."""

from __future__ import annotations

from compiler.model.target import Procedure, Step, StepName
from targets.linux import nft
from targets.linux.options import Options

_FILES = (
    "etc/passthru etc/sysctl.d/90-passthru.conf etc/modules-load.d/passthru.conf "
    "etc/systemd/system/passthru.service"
)
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
            f"nft list table inet {name}"
            + ('\n[ "$(cat /proc/sys/net/ipv4/ip_forward)" = 1 ]' if options.gateway else ""),
        ),
        Step(StepName.CONFIRM, "forget the saved state", f"rm -rf {_SAVED}"),
        Step(StepName.ROLLBACK, "bring back what was there", _bring_back(name)),
    )
    return Procedure("ssh", steps)


def _keep(name: str) -> str:
    return f"""set -e
rm -rf {_SAVED}
mkdir -p {_SAVED}
printf 'table inet {name}\\ndelete table inet {name}\\n' > {_SAVED}/rules.nft
if nft list tables | grep -qx 'table inet {name}'; then
	nft list table inet {name} >> {_SAVED}/rules.nft
fi
for file in {_FILES}; do
	[ ! -e "/$file" ] || printf '%s\\n' "$file"
done > {_SAVED}/list
[ ! -s {_SAVED}/list ] || tar -C / -cf {_SAVED}/files.tar -T {_SAVED}/list"""


def _bring_back(name: str) -> str:
    return f"""set -e
[ -f {_SAVED}/rules.nft ] || {{ echo 'nothing is saved' >&2; exit 1; }}
nft -f {_SAVED}/rules.nft
for file in {_FILES}; do
	rm -rf "/$file"
done
[ ! -f {_SAVED}/files.tar ] || tar -C / -xf {_SAVED}/files.tar
[ -f /etc/passthru/passthru.nft ] || nft delete table inet {name} 2>/dev/null || :
rm -rf {_SAVED}"""
