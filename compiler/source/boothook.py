"""Shell that puts a few lines of ours into a script that a router runs at boot, and takes them out.

All other lines of the script stay byte for byte. A script that is missing is made, and removed with
our lines.
"""

from __future__ import annotations

import shlex

_BEGIN = "# >>> passthru dead-man"
_END = "# <<< passthru dead-man"


def hook(path: str, durable: str) -> str:
    """Give shell that makes ``path`` run the guard below ``durable``."""
    return f"""{_without(path)}
mkdir -p "${{script%/*}}" || exit 1
[ -s "$script" ] || {{ echo '#!/bin/sh' >"$script" && chmod 755 "$script"; }} || exit 1
cp -p "$script" "$script.passthru" || exit 1
{{
	case $(head -n 1 "$script") in
	'#!'*) head -n 1 "$script" ;;
	esac
	echo '{_BEGIN}'
	echo "sh {durable}/deadman/guard boot"
	echo '{_END}'
	case $(head -n 1 "$script") in
	'#!'*) sed 1d "$script" ;;
	*) cat "$script" ;;
	esac
}} >"$script.passthru" && chmod u+x "$script.passthru" && mv "$script.passthru" "$script" || exit 1
grep -qFx '{_END}' "$script"
"""


def unhook(path: str) -> str:
    """Give shell that takes the lines out again."""
    return _without(path)


def _without(path: str) -> str:
    return f"""script=${{PASSTHRU_ROOT-}}{shlex.quote(path)}
if [ -f "$script" ] && grep -qFx '{_BEGIN}' "$script"; then
	cp -p "$script" "$script.passthru" &&
		sed '/^{_BEGIN}$/,/^{_END}$/d' "$script" >"$script.passthru" || exit 1
	if [ "$(cat "$script.passthru")" = '#!/bin/sh' ]; then
		rm -f "$script" "$script.passthru"
	else
		mv "$script.passthru" "$script" || exit 1
	fi
fi
"""
