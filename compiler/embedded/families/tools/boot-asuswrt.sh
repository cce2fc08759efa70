accounts
load_nvram
mkdir -p "$R/tmp/etc" "$R/tmp/home/root" "$R/tmp/home/admin" "$R/jffs/scripts" 2> /dev/null
if [ "$(key jffs2_scripts)" = 1 ]; then
	run "$R/jffs/scripts/init-start"
	run "$R/jffs/scripts/services-start"
fi
"$R/rom/sbin/service" boot
