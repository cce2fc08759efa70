#!/bin/sh
. "${PASSTHRU_ROOT:-}/rom/emulate/lib.sh"
slow
exit 0
