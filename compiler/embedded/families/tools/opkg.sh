#!/bin/sh
# opkg and apk: the helper's package can be installed; it brings its modules.
. "${PASSTHRU_ROOT:-}/rom/emulate/lib.sh"
case ${1-} in
update) exit 0 ;;
install | add)
	event "${0##*/}" "$@"
	case $* in *kmod-nf-nathelper-extra* | *kmod-nf-nathelper-pptp*)
		mkdir -p "$R/sys/module/nf_conntrack_pptp" "$R/sys/module/nf_nat_pptp" ;;
	esac
	;;
list-installed | info) ls "$R/sys/module" | sed -n 's/^nf_nat_pptp$/kmod-nf-nathelper-extra - 6.6.93-r1/p' ;;
*) exit 1 ;;
esac
