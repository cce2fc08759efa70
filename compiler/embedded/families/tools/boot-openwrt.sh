mkdir -p "$R/tmp/lock" "$R/tmp/run" "$R/tmp/log" "$R/tmp/state"
for script in "$R"/etc/uci-defaults/*; do
	[ -f "$script" ] || continue
	event run "${script#"$R"}"
	(cd "$R/etc/uci-defaults" && . "$script") < /dev/null > /dev/null 2>&1 && rm -f "$script"
done
for script in "$R"/etc/rc.d/S*; do
	[ -x "$script" ] || continue
	event run "${script#"$R"}"
	sh "$R/etc/rc.common" "$script" boot < /dev/null > /dev/null 2>&1
done
