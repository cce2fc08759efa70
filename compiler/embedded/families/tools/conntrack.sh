#!/bin/sh
# The table is a file of lines as in /proc/net/nf_conntrack; -D takes those with all that is asked.
. "${PASSTHRU_ROOT:-}/rom/emulate/lib.sh"
table=$E/ram/conntrack
[ -f "$table" ] || : > "$table"
case ${1-} in
-L) cat "$table" ;;
-F) event conntrack -F; : > "$table" ;;
-D)
	event conntrack "$@"
	shift
	awk -v asked="$*" '
		BEGIN {
			n = split(asked, word, " ")
			for (i = 1; i < n; i += 2) want[word[i]] = word[i + 1]
			number["tcp"] = 6; number["udp"] = 17; number["gre"] = 47; number["esp"] = 50; number["ah"] = 51
		}
		{
			port = 0
			for (i = 1; i <= NF; i++) if ($i ~ /^dport=/) { port = substr($i, 7); break }
			p = want["-p"]
			if (p in number) p = number[p]
			hit = (want["-f"] == "" || want["-f"] == $1) && (p == "" || p == $4)
			if (want["--orig-port-dst"] != "" && want["--orig-port-dst"] != port) hit = 0
			if (hit) { print > "/dev/stderr"; n_hit++ } else print
		}
		END { exit n_hit == 0 }' "$table" > "$table.$$" 2> "$table.hit"
	status=$?
	mv "$table.$$" "$table"
	cat "$table.hit"
	rm -f "$table.hit"
	exit "$status"
	;;
*) exit 2 ;;
esac
