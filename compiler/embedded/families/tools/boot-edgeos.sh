. "$R/rom/emulate/boot-vyatta.sh"
