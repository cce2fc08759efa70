#!/bin/sh
. "${PASSTHRU_ROOT:-}/rom/emulate/lib.sh"
event reboot
power_cut
