#!/bin/sh
# nvram as on ASUS, DD-WRT and FreshTomato: `set` changes RAM alone, `commit` writes the flash, `get`
# prints nothing where a key is unset or empty, `show` tells the size on standard error, in no order.
. "${PASSTHRU_ROOT:-}/rom/emulate/lib.sh"
ram=$E/ram/nvram
flash=$E/flash/nvram
size=65536
header=20

used() {
	set -- "$ram"/*
	[ -e "$1" ] || { echo "$header"; return; }
	# a name, an equals sign and a NUL for each key, besides the values
	names=$(ls "$ram" | wc -c)
	values=$(cat "$@" | wc -c)
	echo $((header + names + values + $#))
}

keys() {
	ls "$ram" | awk '{ seen[$0] } END { for (key in seen) print key }'
}

show() {
	keys | while read -r key; do
		printf '%s=' "$key"
		cat "$ram/$key"
		echo
	done
}

case ${1-} in
get)
	[ $# = 2 ] || exit 1
	[ -s "$ram/$2" ] || exit 0
	cat "$ram/$2"
	echo
	;;
set)
	key=${2%%=*}
	case ${2-} in *=*) ;; *) exit 1 ;; esac
	case $key in '' | */* | .*) exit 1 ;; esac
	! fault nvram > /dev/null || { echo "nvram: no space" >&2; exit 1; }
	value=${2#*=}
	if [ $(($(used) + ${#key} + ${#value} + 2)) -gt "$size" ]; then
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
	show
	total=$(used)
	echo "size: $total bytes ($((size - total)) left)" >&2
	;;
dump) show ;;
commit)
	event nvram commit
	slow
	! fault nvram > /dev/null || { echo "nvram: cannot write the flash" >&2; exit 1; }
	new=$flash/$$
	cp -r "$ram" "$new" || exit 1
	old=$(readlink "$flash/now")
	ln -s "$$" "$new.link"
	# in one step: a power cut leaves the old settings or the new ones
	mv -T "$new.link" "$flash/now" 2> /dev/null || { rm -f "$flash/now"; mv "$new.link" "$flash/now"; }
	[ -z "$old" ] || [ "$old" = "$$" ] || rm -rf "${flash:?}/$old"
	;;
*)
	echo "usage: nvram [get name] [set name=value] [unset name] [show] [commit]" >&2
	exit 1
	;;
esac
