mkdir -p "$R/config/scripts" "$R/tmp/home" "$E/ram/vyatta"
rm -f "$E/ram/vyatta"/*
cp "$R/config/config.boot" "$E/ram/vyatta/running"
for script in "$R"/config/scripts/post-config.d/* "$R/config/scripts/vyos-postconfig-bootup.script"; do
	run "$script"
done
