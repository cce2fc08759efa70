#!/bin/sh
. "${PASSTHRU_ROOT:-}/rom/emulate/lib.sh"
event stopservice "$@"
[ "${1-}" != firewall ] || rm -f "$E/ram"/iptables.* "$E/ram"/ip6tables.*
exit 0
