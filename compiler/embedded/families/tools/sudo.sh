#!/bin/sh
# Everything runs as root here already.
while :; do case ${1-} in -n | -E | -S | -H | --) shift ;; -u) shift 2 ;; *) break ;; esac; done
exec "$@"
