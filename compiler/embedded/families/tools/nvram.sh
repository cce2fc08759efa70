#!/bin/sh
# nvram as on ASUS, DD-WRT and FreshTomato: `set` changes RAM alone, `commit` writes the flash, `get`
# prints nothing where a key is unset or empty, `show` tells the size on standard error, in no order.
. "${PASSTHRU_ROOT:-}/rom/emulate/lib.sh"
ram=$E/ram/nvram
flash=$E/flash/nvram
size=65536
header=20

all() { # all show|used: every key with its value, or the bytes that they take
	set -- "$1" "$ram"/*
	LC_ALL=C awk -v header="$header" '
		BEGIN {
			RS = "\001" # a value may have lines
			for (i = 2; i < ARGC; i++) {
				text = ""
				if ((getline text < ARGV[i]) < 0) continue
				close(ARGV[i])
				sub(/.*\//, "", ARGV[i])
				value[ARGV[i]] = text
				# an equals sign and a NUL besides
				header += length(ARGV[i]) + length(text) + 2
			}
			if (ARGV[1] == "used") print header
			else for (key in value) print key "=" value[key]
			exit
		}' "$@"
}

get() { # a value and a line end, by the shell alone: it is asked for often
	while IFS= read -r line; do printf '%s\n' "$line"; done < "$1"
	printf '%s\n' "$line"
}

case ${1-} in
get)
	[ $# = 2 ] || exit 1
	[ -s "$ram/$2" ] || exit 0
	get "$ram/$2"
	;;
set)
	key=${2%%=*}
	case ${2-} in *=*) ;; *) exit 1 ;; esac
	case $key in '' | */* | .*) exit 1 ;; esac
	! fault nvram > /dev/null || { echo "nvram: no space" >&2; exit 1; }
	value=${2#*=}
	if [ $(($(all used) + ${#key} + ${#value} + 2)) -gt "$size" ]; then
		echo "nvram: no space" >&2
		exit 1
	fi
	printf '%s' "$value" > "$ram/$key"
	;;
unset)
	case ${2-} in '' | */*) exit 1 ;; esac
	rm -f "$ram/$2"
	;;
show)
	all show
	total=$(all used)
	echo "size: $total bytes ($((size - total)) left)" >&2
	;;
dump) all show ;;
commit)
	event nvram commit
	slow
	! fault nvram > /dev/null || { echo "nvram: cannot write the flash" >&2; exit 1; }
	new=$flash/$$
	[ ! -e "$new" ] || new=$new.2 # after a reboot, numbers of processes come again
	cp -r "$ram" "$new" || exit 1
	ln -s "${new##*/}" "$new.link"
	# in one step: a power cut leaves the old settings or the new ones
	mv -T "$new.link" "$flash/now" 2> /dev/null || { rm -f "$flash/now"; mv "$new.link" "$flash/now"; }
	for old in "$flash"/[!n]*; do
		[ "$old" = "$new" ] || rm -rf "$old"
	done
	;;
*)
	echo "usage: nvram [get name] [set name=value] [unset name] [show] [commit]" >&2
	exit 1
	;;
esac
