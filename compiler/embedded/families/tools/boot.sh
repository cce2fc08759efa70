# Run by process 1 when the power comes: RAM from flash, then what the family runs at boot.
. "${PASSTHRU_ROOT:-}/rom/emulate/lib.sh"
mkdir -p "$R/sys/module" "$R/tmp" "$R/run"
chmod 1777 "$R/tmp"
while read -r module; do
	mkdir -p "$R/sys/module/$module"
done < "$E/control/modules"
if [ -n "$R" ]; then
	mkdir -p "$R/proc/net" "$R/proc/sys/kernel" "$R/proc/sys/net/ipv4" "$R/proc/sys/net/ipv6/conf/all" "$R/root"
	: > "$R/proc/net/nf_conntrack"
	cp "$E/control/kernel" "$R/proc/sys/kernel/osrelease"
	for switch in net/ipv4/ip_forward net/ipv6/conf/all/forwarding; do
		echo 1 > "$R/proc/sys/$switch"
	done
else
	for switch in net/ipv4/ip_forward net/ipv6/conf/all/forwarding; do
		[ "$FAMILY" = linux ] || echo 1 > "/proc/sys/$switch"
	done
fi
: > "$E/ram/conntrack"

accounts() { # what /etc/passwd says where /etc is in RAM
	mkdir -p "$R/tmp/etc"
	read -r user < "$E/control/username"
	echo "$user:x:0:0:$user:/root:/bin/sh" > "$R/tmp/etc/passwd"
	echo "$user:x:0:" > "$R/tmp/etc/group"
}

run() { # run FILE: a user's script, as the firmware runs it
	[ -x "$1" ] || return 0
	event run "${1#"$R"}"
	"$@" < /dev/null > /dev/null 2>&1
}

load_nvram() {
	if [ ! -L "$E/flash/nvram/now" ]; then
		mkdir -p "$E/flash/nvram/factory"
		while IFS= read -r line; do
			printf '%s' "${line#*=}" > "$E/flash/nvram/factory/${line%%=*}"
		done < "$E/control/nvram"
		ln -s factory "$E/flash/nvram/now"
	fi
	rm -rf "$E/ram/nvram"
	cp -r "$E/flash/nvram/now/" "$E/ram/nvram"
}

key() {
	[ ! -f "$E/ram/nvram/$1" ] || cat "$E/ram/nvram/$1"
}

run_key() { # run_key KEY: a script that is kept in nvram
	[ -s "$E/ram/nvram/$1" ] || return 0
	{ key "$1"; echo; } > "$R/tmp/.$1"
	event run "$1"
	sh "$R/tmp/.$1" < /dev/null > /dev/null 2>&1
}

[ ! -f "$R/rom/emulate/boot-$FAMILY.sh" ] || . "$R/rom/emulate/boot-$FAMILY.sh"
exit 0
