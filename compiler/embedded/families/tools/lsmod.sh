#!/bin/sh
. "${PASSTHRU_ROOT:-}/rom/emulate/lib.sh"
echo 'Module                  Size  Used by'
for folder in "$R"/sys/module/*; do
	[ ! -d "$folder" ] || printf '%-22s 4096  0\n' "${folder##*/}"
done
