# The firewall of ASUS from nvram: chain NSFW, IPv4 alone; any value but "0" passes.
drop() { nsfw="-A NSFW -i br0 -o eth0 -p $1 -j DROP
$nsfw"; }
nsfw=
if off fw_pt_pptp; then
	drop 'tcp -m tcp --dport 1723'
	drop gre
fi
! off fw_pt_l2tp || drop 'udp -m udp --dport 1701'
if off fw_pt_ipsec; then
	drop 'udp -m udp --dport 500'
	drop 'udp -m udp --dport 4500'
	drop esp
	drop ah
fi
rm -f "$E/ram"/iptables.* "$E/ram"/ip6tables.*
cat > "$E/ram/iptables.filter" << RULES
-P INPUT ACCEPT
-P FORWARD DROP
-P OUTPUT ACCEPT
-N NSFW
-A FORWARD -m state --state RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -j NSFW
-A FORWARD -i br0 -j ACCEPT
${nsfw%?}
RULES
cp "$E/ram/iptables.filter" "$E/ram/loaded"
