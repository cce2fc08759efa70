#!/bin/sh
# Fetches what the virtual machine of the vpn tier runs: Debian's stock kernel, and VPN software that
# is not installed here. Everything is unpacked into a cache folder and nothing is installed, so no
# daemon starts on this machine and its kernel stays what it is. Needs no root, but apt-get,
# dpkg-deb, depmod (package kmod) and a network. Does nothing when all of it is there.
set -eu
PATH="$PATH:/usr/sbin:/sbin"
software="pptpd pptp-linux ppp xl2tpd strongswan-charon strongswan-swanctl openvpn wireguard-tools"
cache="${XDG_CACHE_HOME:-$HOME/.cache}/passthru/vpn"
[ ! -f "$cache/complete" ] || exit 0

fail() {
	echo "passthru: $1" >&2
	exit 1
}

arch="$(dpkg --print-architecture)"
[ "$arch" = amd64 ] || fail "the virtual machine is x86 only, this machine is $arch"
mkdir -p "$(dirname "$cache")"
new="$(mktemp -d "$cache.new.XXXXXX")"
trap 'rm -rf "$new"' EXIT
trap 'exit 130' INT TERM HUP

download() { # what apt would install here; the guest sees what is installed anyway
	# shellcheck disable=SC2086 - a list of words
	apt-get -q -y -o Debug::NoLocking=1 -o Dir::Cache::archives="$new/debs" -o APT::Sandbox::User= \
		install --download-only --no-install-recommends $software >"$new/log" 2>&1 || return 1
	kernel="$(apt-cache depends linux-image-amd64 2>>"$new/log" |
		sed -n 's/^ *Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1)"
	[ -n "$kernel" ] || { echo "apt knows no linux-image-amd64" >"$new/log"; return 1; }
	(cd "$new/kernel" && apt-get -q -o APT::Sandbox::User= download "$kernel") >"$new/log" 2>&1
}

mkdir -p "$new/debs/partial" "$new/kernel" "$new/root/usr/lib" "$new/root/usr/bin" "$new/root/usr/sbin"
if ! download; then # with lists that are missing or out of date
	[ "$(id -u)" != 0 ] || apt-get -qq update >"$new/log" 2>&1 || :
	download || fail "apt-get cannot fetch: $(tail -n 1 "$new/log") (apt-get update may help)"
fi

# /lib, /bin and /sbin are links into /usr, here as there; a folder would hide the host's link.
for name in lib bin sbin; do
	ln -s "usr/$name" "$new/root/$name"
done
for deb in "$new"/debs/*.deb; do
	[ ! -f "$deb" ] || dpkg-deb --fsys-tarfile "$deb" | tar -C "$new/root" --keep-directory-symlink -x
done
rm "$new/root/lib" "$new/root/bin" "$new/root/sbin"
dpkg-deb --fsys-tarfile "$new/kernel/"*.deb | tar -C "$new/kernel" -x --exclude ./usr/share \
	--exclude '*/kernel/drivers/gpu' --exclude '*/kernel/drivers/media' --exclude '*/kernel/sound'
for release in "$new/kernel/lib/modules/"*; do
	depmod -b "$new/kernel" "${release##*/}"
done
rm -rf "$new/debs" "$new/log" "$new/kernel/"*.deb
: >"$new/complete"
rm -rf "$cache"
mv "$new" "$cache"
trap - EXIT
