#!/bin/sh
# Knows the modules that the router has; one that is loaded is a folder in /sys/module.
. "${PASSTHRU_ROOT:-}/rom/emulate/lib.sh"
dry= quiet= remove=
while :; do
	case ${1-} in
	-n | --dry-run) dry=1 ;;
	-q | --quiet) quiet=1 ;;
	-r) remove=1 ;;
	-nq | -qn) dry=1 quiet=1 ;;
	-a | -v) ;;
	*) break ;;
	esac
	shift
done
status=0
for name; do
	while case $name in *-*) ;; *) false ;; esac; do name=${name%%-*}_${name#*-}; done
	if ! grep -q -x "$name" "$E/control/modules"; then
		[ -n "$quiet" ] || echo "modprobe: module $name not found in modules.dep" >&2
		status=1
	elif [ -z "$dry" ]; then
		event modprobe "$name"
		if [ -n "$remove" ]; then rmdir "$R/sys/module/$name" 2> /dev/null
		else mkdir -p "$R/sys/module/$name"; fi
	fi
done
exit "$status"
