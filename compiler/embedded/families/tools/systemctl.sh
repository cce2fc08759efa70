#!/bin/sh
# Just enough systemd: units with ExecStart, enabled by links, started at boot.
. "${PASSTHRU_ROOT:-}/rom/emulate/lib.sh"
units=$R/etc/systemd/system
running=$R/run/systemd/running
[ -d "$running" ] || mkdir -p "$running" 2> /dev/null
unit() { case $1 in *.*) echo "$1" ;; *) echo "$1.service" ;; esac; }
wanted_by() { sed -n 's/^WantedBy=//p' "$units/$1" | tr ' ' '\n'; }
there() { [ -f "$units/$1" ] || { echo "Unit $1 not found." >&2; exit 5; }; }
execute() { # execute WORD UNIT
	sed -n "s/^$1=[-@+!]*//p" "$units/$2" | while IFS= read -r line; do
		sh -c "$line" < /dev/null || exit 1
	done
}
start() {
	execute ExecStart "$1" > /dev/null 2>&1 && : > "$running/$1"
}
flags=
while :; do
	case ${1-} in
	--boot)
		for link in "$units"/*.wants/*.service; do
			[ -e "$link" ] || continue
			event run "${link##*/}"
			start "${link##*/}"
		done
		exit 0
		;;
	-*) flags="$flags $1"; shift ;;
	*) break ;;
	esac
done
word=${1-}
[ $# = 0 ] || shift
case $word in
daemon-reload) event systemctl daemon-reload ;;
enable | disable)
	for name; do
		name=$(unit "$name")
		event systemctl "$word" "$name"
		if [ "$word" = disable ]; then
			rm -f "$units"/*.wants/"$name"
		else
			there "$name"
			for target in $(wanted_by "$name"); do
				mkdir -p "$units/$target.wants" && ln -sf "../$name" "$units/$target.wants/$name" || exit 1
			done
		fi
		case $flags in *--now*)
			if [ "$word" = enable ]; then start "$name"; else rm -f "$running/$name"; fi ;;
		esac
	done
	;;
start | restart | reload)
	for name; do
		name=$(unit "$name")
		there "$name"
		event systemctl "$word" "$name"
		start "$name" || { echo "Job for $name failed." >&2; exit 1; }
	done
	;;
stop)
	for name; do
		name=$(unit "$name")
		execute ExecStop "$name" 2> /dev/null
		rm -f "$running/$name"
	done
	;;
is-active) [ -e "$running/$(unit "${1-}")" ] && echo active || { echo inactive; exit 3; } ;;
is-enabled)
	name=$(unit "${1-}")
	for link in "$units"/*.wants/"$name"; do [ ! -e "$link" ] || { echo enabled; exit 0; }; done
	echo disabled
	exit 1
	;;
is-system-running) echo running ;;
*) exit 1 ;;
esac
