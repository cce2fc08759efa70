"""How a bundle gets onto a Linux router over SSH. Every script is POSIX sh."""

from __future__ import annotations

import shlex

from compiler.model.step import Step, StepName
from compiler.model.target import Bundle, Guard, Procedure
from compiler.source.boothook import hook, unhook
from targets.linux import nft
from targets.linux.options import Options

_FILES = (
    "etc/passthru etc/sysctl.d/90-passthru.conf etc/modules-load.d/passthru.conf "
    "etc/systemd/system/passthru.service"
)
_SWITCHES = "/proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv6/conf/all/forwarding"
#: ash reads a byte at a time, and then such a file seems to end before its line does.
_FORWARDS = '{ read -r forwards </proc/sys/net/ipv4/ip_forward || :; [ "$forwards" = 1 ]; }'
_WANTED_BY = "etc/systemd/system/sysinit.target.wants/passthru.service"
#: Without /etc/protocols nft lists a helper's protocol as a number, which it does not read again.
_READABLE = '/type "/{s/protocol 6$/protocol tcp/;s/protocol 17$/protocol udp/;}'
_SAVED = "saved=${PASSTHRU_KEEP:-/var/lib/passthru/before}"
_DURABLE = "/var/lib/passthru"
_RC_LOCAL = "/etc/rc.local"
_UNIT = "/etc/systemd/system/passthru-deadman.service"
_WANTS = "/etc/systemd/system/sysinit.target.wants"
_UNIT_WANTED = f"{_WANTS}/passthru-deadman.service"


def procedure(table: nft.Table, options: Options, bundle: Bundle) -> Procedure:
    """Give the steps; the staged bundle is the working directory of each script."""
    name = table.name
    steps = (
        Step(
            StepName.FACTS,
            "kernel, nft, helper modules, who else filters, what the next boot would load",
            _facts(options, bundle),
        ),
        Step(
            StepName.READ,
            "the table as the kernel has it",
            "tables=$(nft list tables) || exit 1\n"
            f"if {_has(name)}; then\n"
            f"\tnft list table inet {name}\n"
            "else\n"
            f"\tprintf 'table inet {name} {{\\n}}\\n'\n"
            "fi",
        ),
        Step(StepName.CHECK, "nft accepts the rules", "nft -c -f etc/passthru/passthru.nft"),
        Step(StepName.ARM, "keep what is there now", _keep(name)),
        Step(StepName.APPLY, "files, modules, sysctl, rules in one transaction", ". ./apply.sh"),
        Step(
            StepName.VERIFY,
            "the table is loaded" + (" and the router forwards" if options.gateway else ""),
            # a push reads the table next, and compares it
            f'set -e\n[ -n "${{PASSTHRU_KEEP-}}" ] || nft list table inet {name}'
            + (f"\n{_FORWARDS}" if options.gateway else ""),
        ),
        Step(
            StepName.CONFIRM,
            "forget the saved state",
            f'{_SAVED}\n[ -n "${{PASSTHRU_KEEP-}}" ] || rm -rf "$saved"',
        ),
        Step(StepName.ROLLBACK, "bring back what was there", _bring_back()),
    )
    return Procedure("ssh", steps, Guard("/run/passthru", _DURABLE, _hook(), _unhook()))


def _has(name: str) -> str:
    """Tell whether ``$tables`` has ours, without a process."""
    return f"""case "
$tables
" in *"
table inet {name}
"*) true ;; *) false ;; esac"""


def _facts(options: Options, bundle: Bundle) -> str:
    """Print facts; ``stale`` names what the next boot would load and is not what it should be."""
    own = {file.path: file.sha256 for file in bundle.files if file.path.startswith("etc/")}
    paths = " ".join(shlex.quote(f"/{path}") for path in own)
    current = "\n".join(
        (
            f"sums=$(sha256sum {paths} 2>/dev/null)",
            *(
                f"case $sums in *{shlex.quote(f'{digest}  /{path}')}*) ;; "
                f'*) stale="$stale "{shlex.quote(path)} ;; esac'
                for path, digest in own.items()
            ),
        )
    )
    forwards = f'{_FORWARDS} || stale="$stale ip_forward"\n' if options.gateway else ""
    return f"""read -r kernel 2>/dev/null </proc/sys/kernel/osrelease || kernel=$(uname -r)
echo "kernel=$kernel"
echo "nft=$(nft --version)"
# shellcheck disable=SC2046,SC2116 # in one line
echo "tables="$(nft list tables)
modules=
for module in nf_conntrack_pptp nf_nat_pptp; do
	! modprobe -n -q "$module" || modules="$modules $module"
done
echo "modules=${{modules# }}"
stale=
{current}
[ ! -d /run/systemd/system ] || [ -L /{_WANTED_BY} ] || stale="$stale passthru.service"
{forwards}echo "stale=${{stale# }}" """.rstrip()


def _keep(name: str) -> str:
    return f"""set -e
{_SAVED}
[ -n "${{PASSTHRU_KEEP-}}" ] || rm -rf "$saved"
[ -d "$saved" ] || mkdir -p "$saved"
printf 'table inet {name}\\ndelete table inet {name}\\n' > "$saved/rules.nft"
tables=$(nft list tables)
if {_has(name)}; then
	nft list table inet {name} | sed '{_READABLE}' >> "$saved/rules.nft"
fi
nft -c -f "$saved/rules.nft"
for file in {_FILES}; do
	[ ! -e "/$file" ] || printf '%s\\n' "$file"
done > "$saved/list"
# shellcheck disable=SC2046 # a list of names without spaces; not every tar reads one
[ ! -s "$saved/list" ] || tar -C / -cf "$saved/files.tar" $(cat "$saved/list")
for switch in {_SWITCHES}; do
	[ -r "$switch" ] || continue
	read -r value < "$switch" || :
	printf '%s %s\\n' "$switch" "$value"
done > "$saved/switches"
[ ! -L /{_WANTED_BY} ] || : > "$saved/enabled"
"""


def _bring_back() -> str:
    return f"""set -e
{_SAVED}
[ -f "$saved/rules.nft" ] || {{ echo 'nothing is saved' >&2; exit 1; }}
while read -r switch value; do
	[ "$(cat "$switch")" = "$value" ] || printf '%s\\n' "$value" > "$switch"
done < "$saved/switches"
nft -f "$saved/rules.nft"
if [ ! -f "$saved/enabled" ] && [ -L /{_WANTED_BY} ]; then
	rm -f /{_WANTED_BY}
fi
for file in {_FILES}; do
	rm -rf "/$file"
done
[ ! -f "$saved/files.tar" ] || tar -C / -xf "$saved/files.tar"
[ ! -d /run/systemd/system ] || systemctl daemon-reload
[ -n "${{PASSTHRU_KEEP-}}" ] || rm -rf "$saved"
"""


def _hook() -> str:
    """Run the guard at boot, after our rules are loaded and before there is a network."""
    return f"""if [ -d /run/systemd/system ]; then
	[ -d {_WANTS} ] || mkdir -p {_WANTS} || exit 1
	printf '%s\\n' '[Unit]
Description=passthru: take back a push that nobody confirmed
Wants=network-pre.target
Before=network-pre.target shutdown.target
After=passthru.service nftables.service systemd-modules-load.service
RequiresMountsFor={_DURABLE}
Conflicts=shutdown.target
DefaultDependencies=no

[Service]
Type=oneshot
ExecStart=/bin/sh {_DURABLE}/deadman/guard boot' >{_UNIT} || exit 1
	ln -sf ../passthru-deadman.service {_UNIT_WANTED}
	exit
fi
{hook(_RC_LOCAL, _DURABLE)}"""


def _unhook() -> str:
    return f"""rm -f {_UNIT} {_UNIT_WANTED}
{unhook(_RC_LOCAL)}"""
