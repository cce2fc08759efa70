#!/bin/sh
# iptables on text: chains and rules as they were written, in files; enough for a firewall script.
. "${PASSTHRU_ROOT:-}/rom/emulate/lib.sh"
tool=${0##*/}
table=filter
[ "${1-}" != -w ] || shift
if [ "${1-}" = -t ]; then
	table=$2
	shift 2
fi
rules=$E/ram/$tool.$table
fail() {
	echo "$tool: $1" >&2
	exit 1
}
if [ ! -f "$rules" ]; then
	case $table in
	filter) printf -- '-P %s ACCEPT\n' INPUT FORWARD OUTPUT > "$rules" ;;
	nat | raw | mangle) printf -- '-P %s ACCEPT\n' PREROUTING POSTROUTING OUTPUT > "$rules" ;;
	*) fail "can't initialize $tool table \`$table': Table does not exist" ;;
	esac
fi
chain=${2-}
known() { grep -q -e "^-[NP] $1\( \|\$\)" "$rules"; }
need() { known "$chain" || fail "No chain/target/match by that name."; }
keep() { cat > "$rules.$$" && mv "$rules.$$" "$rules"; }
case ${1-} in
-N)
	! known "$chain" || fail 'Chain already exists.'
	echo "-N $chain" >> "$rules"
	;;
-F) [ -z "$chain" ] && grep -v -e '^-A ' "$rules" | keep || { need; grep -v -e "^-A $chain " "$rules" | keep; } ;;
-X) need; grep -v -x -e "-N $chain" "$rules" | keep ;;
-P) need; sed "s/^-P $chain .*/-P $chain $3/" "$rules" | keep ;;
-A) need; echo "$*" >> "$rules" ;;
-I)
	need
	shift 2
	place=1
	case ${1-} in [1-9]*) place=$1; shift ;; esac
	awk -v chain="$chain" -v place="$place" -v rule="-A $chain $*" '
		$1 == "-A" && $2 == chain && ++n == place { print rule; done = 1 }
		{ print }
		END { if (!done) print rule }' "$rules" | keep
	;;
-D)
	need
	shift 2
	grep -q -x -F -e "-A $chain $*" "$rules" || fail 'Bad rule (does a matching rule exist in that chain?).'
	awk -v rule="-A $chain $*" '$0 == rule && !done { done = 1; next } { print }' "$rules" | keep
	;;
-C) shift 2; grep -q -x -F -e "-A $chain $*" "$rules" || exit 1 ;;
-S)
	[ -z "$chain" ] || need
	if [ -z "$chain" ]; then grep -e '^-[NP] ' "$rules"; grep -e '^-A ' "$rules"
	else grep -e "^-[NP] $chain\( \|\$\)" -e "^-A $chain " "$rules"; fi
	exit 0
	;;
-V | --version) echo "$tool v1.8.8 (legacy)" ;;
*) fail "unknown option \"${1-}\"" ;;
esac
