accounts
load_nvram
mkdir -p "$R/tmp/home/root"
run_key script_init
"$R/rom/sbin/service" firewall restart
