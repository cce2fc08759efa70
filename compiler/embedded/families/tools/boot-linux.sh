mkdir -p "$R/run/systemd/system" "$R/run/lock"
for file in "$R"/etc/modules-load.d/*.conf; do
	[ -f "$file" ] && grep -v -e '^[#;]' -e '^$' "$file" | while read -r module; do
		"$R/rom/sbin/modprobe" -q "$module"
	done
done
if [ -z "$R" ]; then
	for file in /etc/sysctl.d/*.conf; do
		[ ! -f "$file" ] || sysctl -q -e -p "$file" 2> /dev/null
	done
fi
"$R/rom/sbin/systemctl" --boot
run "$R/etc/rc.local"
