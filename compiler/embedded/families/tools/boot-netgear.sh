load_nvram
mkdir -p "$R/tmp/var" "$R/opt/scripts" "$R/etc"
"$R/usr/sbin/net-wall" start
[ ! -f "$R/etc/rc.local" ] || {
	event run /etc/rc.local
	sh "$R/etc/rc.local" < /dev/null > /dev/null 2>&1
}
