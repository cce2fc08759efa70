accounts
load_nvram
mkdir -p "$R/tmp/root"
run_key rc_startup
for script in "$R"/jffs/etc/config/*.startup; do run "$script"; done
"$R/rom/sbin/startservice" firewall
