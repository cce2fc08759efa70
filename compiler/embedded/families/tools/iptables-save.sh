#!/bin/sh
. "${PASSTHRU_ROOT:-}/rom/emulate/lib.sh"
tool=${0##*/}
for file in "$E/ram/${tool%-save}".*; do
	[ -f "$file" ] || continue
	echo "*${file##*.}"
	sed -n -e 's/^-P \([^ ]*\) \(.*\)/:\1 \2 [0:0]/p' -e 's/^-N \(.*\)/:\1 - [0:0]/p' "$file"
	grep -e '^-A ' "$file"
	echo COMMIT
done
