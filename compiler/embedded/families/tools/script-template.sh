# What EdgeOS and VyOS scripts source: a configuration session on the config as a list of commands.
# Read by bash. `set`, `delete`, `exit` and the rest are words of the router here.
shopt -s expand_aliases
PASSTHRU_R=${PASSTHRU_ROOT:-}
PASSTHRU_E=$PASSTHRU_R/emulated
_running=$PASSTHRU_E/ram/vyatta/running
_session=$PASSTHRU_E/ram/vyatta/session.$$
_note() { ( . "$PASSTHRU_R/rom/emulate/lib.sh"; event "$@"; exit 200 ); }
_line() {
	local word line=$1
	shift
	for word; do
		case $word in
		*[!A-Za-z0-9_./:@,+%=-]* | '') line="$line '$word'" ;;
		*) line="$line $word" ;;
		esac
	done
	printf '%s\n' "$line"
}
_need() { [ -f "$_session" ] || { echo "Invalid command: not in configuration mode" >&2; return 1; }; }
_set() {
	_need || return 1
	[ $# -ge 2 ] || { echo "Configuration path: [$*] is not valid" >&2; return 1; }
	local line
	line=$(_line set "$@")
	grep -q -x -F -e "$line" "$_session" || {
		case $line in *\ action\ * | *\ description\ * | *\ default-action\ * | *\ protocol\ *)
			# a leaf that holds one value: the new one takes the place of the old
			awk -v node="${line% *} " -v full="$line" 'index($0, node) != 1 || substr($0, length(node) + 1) ~ /^[^\047]* [^\047]/' "$_session" > "$_session.n" && mv "$_session.n" "$_session" ;;
		esac
		printf '%s\n' "$line" >> "$_session"
	}
}
_delete() {
	_need || return 1
	local node
	node=$(_line set "$@")
	awk -v node="$node " '{ if (index($0 " ", node) == 1) n++; else print } END { exit n == 0 }' "$_session" > "$_session.n"
	local status=$?
	mv "$_session.n" "$_session"
	[ "$status" = 0 ] || { echo "Nothing to delete (the specified node does not exist)" >&2; return 1; }
}
configure() { cp "$_running" "$_session"; }
commit() {
	_need || return 1
	_note commit; local status=$?
	[ "$status" = 200 ] || return "$status"
	cmp -s "$_session" "$_running" && { echo "No configuration changes to commit"; return 0; }
	cp "$_session" "$_running.new" && mv "$_running.new" "$_running"
}
commit-confirm() {
	_need || return 1
	_note commit-confirm "${1:-10}"
	cp "$_running" "$PASSTHRU_E/ram/vyatta/before"
	cp "$_session" "$_running.new" && mv "$_running.new" "$_running"
	# the real ones reboot when nobody confirms
	( sleep "$(( ${1:-10} * 60 ))"; [ ! -f "$PASSTHRU_E/ram/vyatta/before" ] || "$PASSTHRU_R/rom/sbin/reboot" ) < /dev/null > /dev/null 2>&1 &
}
confirm() { rm -f "$PASSTHRU_E/ram/vyatta/before"; }
discard() { _need && cp "$_running" "$_session"; }
save() {
	local file=${1:-/config/config.boot}
	_note save "$file"
	cp "$_running" "$PASSTHRU_R$file.new" && mv "$PASSTHRU_R$file.new" "$PASSTHRU_R$file" || { rm -f "$PASSTHRU_R$file.new"; echo "save failed" >&2; return 1; }
	echo "Saving configuration to '$file'..."
}
load() {
	_need || return 1
	local file=${1:-/config/config.boot}
	[ -r "$PASSTHRU_R$file" ] || { echo "Cannot open configuration file $file" >&2; return 1; }
	cp "$PASSTHRU_R$file" "$_session"
}
_exit() {
	if [ $# = 0 ] && [ -f "$_session" ]; then rm -f "$_session"; return 0; fi
	builtin exit "$@"
}
run() {
	case "$*" in
	'show configuration commands') cat "$_running" ;;
	'show version') printf 'Version:      v%s\nCopyright:    emulated\n' "$(cat "$PASSTHRU_E/control/release")" ;;
	*) echo "Invalid command" >&2; return 1 ;;
	esac
}
show() { cat "$_session"; }
alias set=_set delete=_delete exit=_exit
