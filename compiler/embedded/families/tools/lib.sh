# Read by every tool: where things are, the log of calls, and what is to go wrong.
R=${PASSTHRU_ROOT:-}
E=$R/emulated
read -r FAMILY < "$E/control/family"

power_cut() {
	if [ -z "$R" ]; then busybox reboot -f 2> /dev/null || "$R/rom/bin/busybox" reboot -f; fi
	kill -9 0
}

# event WORDS: note a call; a fault may cut the power, or let the tool do nothing.
event() {
	echo "$*" >> "$E/log/events"
	[ -s "$E/control/faults" ] || return 0
	while read -r kind value what; do
		[ "$what" = "$*" ] || continue
		case $kind in
		cut)
			[ "$value" = before ] && power_cut
			trap power_cut EXIT
			;;
		fail) exit "$value" ;;
		esac
	done < "$E/control/faults"
}

# fault KIND: print the value of a fault, or fail.
fault() {
	[ -s "$E/control/faults" ] || return 1
	while read -r kind value what; do
		[ "$kind" != "$1" ] || { echo "$value"; return 0; }
	done < "$E/control/faults"
	return 1
}

slow() {
	[ -s "$E/control/faults" ] || return 0
	seconds=$(fault slow) || return 0
	sleep "$seconds"
}
