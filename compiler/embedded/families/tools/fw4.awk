# Turns the sections of /etc/config/firewall into rules, warns as fw4 does, and skips what it skips.
# Exit status 4: nft refuses the whole; 3: fw4 crashes. Addresses, times and limits are not rendered.

function warn(text) { print "[!] Section " label " " text > "/dev/stderr" }
function refuse(text) { print "In file included from /dev/stdin: Error: " text > "/dev/stderr"; bad = 4 }
function bool(text) { return text ~ /^(1|on|true|yes)$/ ? 1 : text ~ /^(0|off|false|no)$/ ? 0 : -1 }
function list(name) { return (cur, name) in value ? value[cur, name] : "" }
function policy(text, default_) {
	text = tolower(text)
	if (text == "") return default_
	if (index("accept", text) == 1) return "accept"
	if (index("reject", text) == 1) return "reject"
	if (index("drop", text) == 1) return "drop"
	return ""
}

BEGIN {
	FS = "\t"
	known["zone"] = " enabled name family network device subnet input output forward masq masq6 masq_allow_invalid mtu_fix masq_src masq_dest log log_limit auto_helper helper counter extra extra_src extra_dest custom_chains "
	known["rule"] = " enabled name family src dest device direction ipset helper set_helper proto src_ip src_mac src_port dest_ip dest_port icmp_type limit limit_burst utc_time start_date stop_date start_time stop_time weekdays mark set_mark set_xmark dscp set_dscp counter log log_limit target _name extra monthdays "
	known["forwarding"] = " enabled name family src dest "
	known["defaults"] = " input output forward drop_invalid tcp_reject_code any_reject_code syn_flood synflood_protect synflood_rate synflood_burst auto_helper flow_offloading flow_offloading_hw auto_includes tcp_syncookies tcp_ecn tcp_window_scaling accept_redirects accept_source_route custom_chains disable_ipv6 "
	single["rule"] = " enabled name family src dest device direction ipset helper set_helper limit limit_burst target mark set_mark "
	single["zone"] = " enabled name family input output forward masq mtu_fix auto_helper "
	single["forwarding"] = " enabled name family src dest "
	single["defaults"] = known["defaults"]
	helpers = " amanda ftp RAS Q.931 irc netbios-ns pptp sane sip snmp tftp rtsp "
	refused = " vrrp l2tp eigrp isis ipcomp mptcp etherip "
	have = index(modules, " nf_conntrack_pptp ")
}

$1 == "section" { cur = NR; kind[cur] = $2; name_of[cur] = $3; order[++sections] = cur; next }
{
	if ((cur, $2) in value) value[cur, $2] = value[cur, $2] " " $3
	else { value[cur, $2] = $3; opts[cur] = opts[cur] " " $2 }
	if ($1 == "list") listed[cur, $2] = 1
}

# Judge what all sections share; 0 where the section is skipped.
function sound(   k, i, part, e) {
	label = name_of[cur]
	if (label ~ /^@/ && list("name") != "") label = label " (" list("name") ")"
	else if (label !~ /^@/) label = label (list("name") != "" ? " (" list("name") ")" : "")
	k = split(opts[cur], part, " ")
	for (i = 1; i <= k; i++) {
		if (!index(known[kind[cur]], " " part[i] " ")) warn("specifies unknown option '" part[i] "'")
		else if (listed[cur, part[i]] && index(single[kind[cur]], " " part[i] " ")) return skip("option '" part[i] "' must not be a list")
	}
	if ((cur, "enabled") in value) {
		e = bool(list("enabled"))
		if (e < 0) return skip("option 'enabled' specifies invalid value '" list("enabled") "'")
		if (!e) { warn("is disabled, ignoring section"); return 0 }
	}
	return 1
}

function skip(why) {
	warn(why)
	if (kind[cur] == "defaults") crashed = 1
	warn("skipped due to invalid options")
	return 0
}

function invalid(option) { return skip("option '" option "' specifies invalid value '" list(option) "'") }

function zone(   z, h, i, k, part) {
	z = list("name")
	if (z == "") return skip("option 'name' is mandatory but not set")
	if (z !~ /^[a-zA-Z_.][a-zA-Z0-9\/_.-]*$/) return invalid("name")
	for (i = 1; i <= split("input output forward", part, " "); i++) if (policy(list(part[i]), "drop") == "") return invalid(part[i])
	for (i = 1; i <= split("masq masq6 mtu_fix auto_helper", part, " "); i++) if (bool((cur, part[i]) in value ? list(part[i]) : "1") < 0) return invalid(part[i])
	k = split(list("helper"), part, " ")
	for (i = 1; i <= k; i++) if (!index(helpers, " " part[i] " ")) return invalid("helper")
	if (z in zones) refuse("duplicate zone " z)
	zones[z] = cur
	zone_at[++zone_count] = z
	to[z] = policy(list("forward"), fallback)
	auto = !((cur, "auto_helper") in value) || bool(list("auto_helper"))
	masq = bool(list("masq")) == 1 || bool(list("masq6")) == 1
	if (k) { for (i = 1; i <= k; i++) assign(z, part[i]) }
	else if (auto && auto_helpers && !masq && have) helper[z] = helper[z] pptp_line
	network[z] = list("network") " " list("device")
	return 1
}

function assign(z, name) {
	sub(/^!/, "", name)
	if (name == "pptp" && !have) { warn("uses unavailable ct helper 'null'"); return }
	if (name == "pptp") helper[z] = helper[z] pptp_line
}

function exists(z) { return z == "*" || z in zones }

function ports(option,   i, k, part) {
	k = split(list(option), part, " ")
	for (i = 1; i <= k; i++) if (part[i] !~ /^[0-9]+([-:][0-9]+)?$/) return 0
	return 1
}

function rule(   target, src, dest, proto, match_, text, i, k, part, name, chain, fam) {
	src = list("src")
	dest = list("dest")
	name = list("name")
	if (src != "" && !exists(src)) return invalid("src")
	if (dest != "" && !exists(dest)) return invalid("dest")
	for (i = 1; i <= split("src_port dest_port", part, " "); i++) if (!ports(part[i])) return invalid(part[i])
	target = tolower(list("target"))
	if (target != "" && target !~ /^(accept|reject|drop|notrack|helper|mark|dscp)$/ && policy(target, "") == "") return invalid("target")
	fam = list("family")
	if (fam != "" && fam !~ /^(any|all|\*|inet|ipv4|ipv6|.*[46].*)$/) return invalid("family")
	if (target == "helper") {
		if (src == "") { warn("must specify a source zone for target 'helper'"); return 0 }
		if (list("set_helper") == "pptp" && !have) refuse("No such file or directory: ct helper set \"pptp\"")
		if (list("set_helper") == "pptp") helper[src] = helper[src] pptp_line
		return 1
	}
	if (length(name) > 122) refuse("comment too long: " name)
	k = split((cur, "proto") in value ? list("proto") : "tcp udp", part, " ")
	chain = src == "" ? "output" : dest == "" ? "input_" src : "forward_" src
	if (target == "") target = "counter"
	else target = "jump " policy(target, target) "_to_" (dest == "" || dest == "*" ? "wan" : dest)
	for (i = 1; i <= k; i++) {
		proto = part[i]
		sub(/^!/, "", proto)
		if (index(refused, " " proto " ") || proto + 0 > 255) refuse("unknown protocol " proto)
		match_ = fam ~ /4/ ? "meta nfproto ipv4 " : fam ~ /6/ ? "meta nfproto ipv6 " : ""
		if (proto ~ /^(tcp|udp)$/) {
			text = list("dest_port")
			gsub(/:/, "-", text)
			if (text ~ / /) { gsub(/ /, ", ", text); text = "{ " text " }" }
			match_ = match_ (text == "" ? "meta l4proto " proto : proto " dport " text)
		} else if (proto !~ /^(all|any|\*)$/) match_ = match_ "meta l4proto " proto
		gsub(/"/, "'", name)
		rules[chain] = rules[chain] "\t\t" match_ " counter packets 0 bytes 0 " target (name == "" ? "" : " comment \"!fw4: " name "\"") "\n"
	}
	return 1
}

function forwarding(   src, dest) {
	src = list("src")
	dest = list("dest")
	if (!exists(src) || src == "") return invalid("src")
	if (!exists(dest) || dest == "") return invalid("dest")
	later["forward_" src] = later["forward_" src] "\t\tjump accept_to_" dest " comment \"!fw4: Accept " src " to " dest " forwarding\"\n"
	return 1
}

function chain(name, body) { printf "\n\tchain %s {\n%s\t}\n", name, body }

END {
	pptp_line = "\t\tmeta nfproto ipv4 meta l4proto tcp tcp dport 1723 ct helper set \"pptp\" comment \"!fw4: PPTP VPN connection tracking\"\n"
	fallback = "drop"
	auto_helpers = 1
	for (i = 1; i <= sections; i++) {
		cur = order[i]
		if (kind[cur] != "defaults" || !sound()) continue
		fallback = policy(list("forward"), "drop")
		for (k = split("input output forward", part, " "); k; k--) if (policy(list(part[k]), "drop") == "") invalid(part[k])
		for (k = split("drop_invalid syn_flood auto_helper flow_offloading", part, " "); k; k--) if ((cur, part[k]) in value && bool(list(part[k])) < 0) invalid(part[k])
		if ((cur, "auto_helper") in value && bool(list("auto_helper")) == 0) auto_helpers = 0
	}
	if (crashed) { print "Reference error: left-hand side expression is not an array or object" > "/dev/stderr"; exit 3 }
	for (i = 1; i <= sections; i++) { cur = order[i]; if (kind[cur] == "zone" && sound()) zone() }
	for (i = 1; i <= sections; i++) { cur = order[i]; if (kind[cur] == "rule" && sound()) rule() }
	for (i = 1; i <= sections; i++) { cur = order[i]; if (kind[cur] == "forwarding" && sound()) forwarding() }
	print "table inet fw4 {"
	if (have) print "\tct helper pptp {\n\t\ttype \"pptp\" protocol tcp\n\t\tl3proto ip\n\t}"
	head = "\t\ttype filter hook forward priority filter; policy drop;\n\t\tct state vmap { established : accept, related : accept }\n"
	for (i = 1; i <= zone_count; i++) head = head "\t\tiifname \"" zone_at[i] "\" jump forward_" zone_at[i] " comment \"!fw4: Handle " zone_at[i] " forward traffic\"\n"
	chain("forward", head)
	chain("output", "\t\ttype filter hook output priority filter; policy accept;\n" rules["output"])
	for (i = 1; i <= zone_count; i++) {
		z = zone_at[i]
		chain("input_" z, rules["input_" z])
		chain("forward_" z, rules["forward_" z] rules["forward_*"] later["forward_" z] "\t\tjump " to[z] "_to_" z "\n")
		if (helper[z] != "") chain("helper_" z, helper[z])
	}
	print "}"
	exit bad
}
