"""Foreign firewall configs, at random and as hostile as people and programs write them."""

from __future__ import annotations

from hypothesis import strategies as st

from targets.openwrt import uci

_ZONES = ("lan", "guest", "wan")
_PLACES = st.sampled_from([*_ZONES, "lan", "wan", "*", "nowhere"])
_FAMILY = st.sampled_from(["any", "ipv4", "ipv6", "inet", "ANY"])
_ADDRESS = st.sampled_from(
    [
        "192.168.1.50", "192.168.1.0/24", "!192.168.1.50", "10.0.0.0/8", "203.0.113.9",
        "2001:db8:77::77", "2001:db8:77::/48", "fd00:1::/64", "8.8.8.8-8.8.8.9",
        "192.168.1.0/255.255.255.0", "0.0.0.50/0.0.0.255", "::77/::ffff", "lan", "guest", "wan",
        "example.org", "192.0.2.0/33", "::77/-64", "0.0.0.50/-24", "2001:db8:77::77/-64",
    ]
)  # fmt: skip
_PORT = st.sampled_from(
    ["500", "4500", "1723", "1194", "1000-2000", "443:500", "!500", "ssh", "7-3"]
)
_PROTO = st.sampled_from(
    [
        "tcp", "udp", "tcpudp", "all", "any", "icmp", "esp", "ah", "gre", "47", "115", "6", "17",
        "!tcp", "TCP", "icmpv6", "sctp", "vrrp", "ipip", "tcp udp", "esp gre",
    ]
)  # fmt: skip
_TARGET = st.sampled_from(
    ["ACCEPT", "DROP", "REJECT", "accept", "d", "MARK", "NOTRACK", "HELPER", "DSCP", "", "DNAT"]
)
_FLAG = st.sampled_from(["0", "1", "yes", "off", "Yes"])
_POLICY = st.sampled_from(["ACCEPT", "DROP", "REJECT", "reject", "a"])


def _option(name: str, values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return values.map(lambda value: f"\toption {name} {uci.quote(value)}\n")


def _list(name: str, values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    items = st.lists(values, min_size=1, max_size=3)
    as_list = items.map(lambda found: "".join(f"\tlist {name} {uci.quote(v)}\n" for v in found))
    as_words = items.map(lambda found: f"\toption {name} {uci.quote(' '.join(found))}\n")
    return as_list | as_words


def _rarely(line: st.SearchStrategy[str], times: int = 6) -> st.SearchStrategy[str]:
    return st.one_of(*[st.just("")] * times, line)


def _section(type_: str, *lines: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.tuples(*lines).map(lambda found: f"\nconfig {type_}\n{''.join(found)}")


RULES = _section(
    "rule",
    _rarely(_option("src", _PLACES), 0),
    st.one_of(_option("dest", _PLACES), _option("dest", st.just("wan")), st.just("")),
    _rarely(_option("family", _FAMILY)),
    st.one_of(_list("proto", _PROTO), _option("proto", st.just("udp")), st.just("")),
    st.one_of(_list("dest_port", _PORT), st.just(""), st.just("")),
    _rarely(_list("src_port", _PORT)),
    _rarely(_list("src_ip", _ADDRESS), 2),
    _rarely(_list("dest_ip", _ADDRESS), 3),
    _rarely(_option("set_mark", st.sampled_from(["1", "0x10/0xff", "!1"])), 3),
    _rarely(_option("set_xmark", st.sampled_from(["2/3", "0xffffffff"]))),
    _rarely(_option("mark", st.sampled_from(["1", "!0x10/0xf0", "ff"]))),
    _rarely(_option("set_helper", st.sampled_from(["pptp", "!pptp", "ftp", "nothing"]))),
    _rarely(_option("helper", st.sampled_from(["pptp", "!pptp"]))),
    _rarely(_option("set_dscp", st.sampled_from(["EF", "46", "99"]))),
    _rarely(_option("dscp", st.sampled_from(["CS0", "!EF"]))),
    _rarely(_option("icmp_type", st.sampled_from(["echo-request", "8", "nothing at all"]))),
    _rarely(_option("ipset", st.sampled_from(["known", "!known dst", "ports", "unknown"])), 9),
    _rarely(_option("limit", st.sampled_from(["10/minute", "5/s", "x"])), 9),
    _rarely(_option("weekdays", st.sampled_from(["Mon tue", "!Sun", "day"])), 12),
    _rarely(_option("device", st.sampled_from(["br-lan", "eth1", "a-name-that-is-too-long"])), 9),
    _rarely(_option("direction", st.sampled_from(["in", "out"]))),
    _rarely(_option("enabled", _FLAG)),
    _rarely(_option("name", st.sampled_from(["a rule", "it's", 'a "b"', "x" * 130])), 8),
    _rarely(_option("surprise", st.just("1")), 9),
    _rarely(_option("target", _TARGET), 0),
)
REDIRECTS = _section(
    "redirect",
    _rarely(_option("src", _PLACES), 0),
    _rarely(_option("dest", _PLACES), 1),
    _rarely(_list("proto", _PROTO), 1),
    _rarely(_option("src_dport", _PORT), 1),
    _rarely(_option("src_dip", _ADDRESS), 2),
    _rarely(_option("src_ip", _ADDRESS), 3),
    _rarely(_option("dest_ip", st.sampled_from(["192.168.1.20", "fd00:1::20", "lan"])), 0),
    _rarely(_option("dest_port", _PORT)),
    _rarely(_option("family", _FAMILY)),
    _rarely(_option("reflection", _FLAG)),
    _rarely(_option("target", st.sampled_from(["DNAT", "SNAT", "ACCEPT"])), 1),
)
FORWARDINGS = _section(
    "forwarding",
    _option("src", _PLACES),
    _option("dest", _PLACES),
    _rarely(_option("family", _FAMILY)),
    _rarely(_option("enabled", _FLAG)),
)
SETS = (
    "\nconfig ipset\n\toption name known\n\tlist match dest_net\n\tlist entry 203.0.113.0/24\n",
    "\nconfig ipset\n\toption name ports\n\tlist match dest_port\n\tlist entry 500\n",
)


def _zone(name: str, networks: tuple[str, ...]) -> st.SearchStrategy[str]:
    return _section(
        "zone",
        st.just(f"\toption name {name}\n"),
        _list("network", st.sampled_from(networks)),
        _rarely(_list("device", st.sampled_from(["tun0", "tun+", "eth2", "!eth1", "+"])), 8),
        _rarely(_list("subnet", st.sampled_from(["192.168.1.0/24", "!10.0.0.0/8", "fd00::/8"])), 8),
        _rarely(_option("input", _POLICY), 0),
        _rarely(_option("forward", _POLICY), 1),
        _rarely(_option("masq", _FLAG), 0 if name == "wan" else 5),
        _rarely(_option("masq6", _FLAG)),
        _rarely(_option("masq_allow_invalid", _FLAG)),
        _rarely(_option("family", _FAMILY), 9),
        _rarely(_option("auto_helper", _FLAG)),
        _rarely(_list("helper", st.sampled_from(["pptp", "ftp", "!pptp", "nothing"])), 9),
        _rarely(_option("log", st.sampled_from(["1", "0", "x"])), 8),
    )


DEFAULTS = _section(
    "defaults",
    _rarely(_option("forward", _POLICY), 0),
    _rarely(_option("drop_invalid", _FLAG)),
    _rarely(_option("auto_helper", _FLAG)),
    _rarely(_option("tcp_reject_code", st.sampled_from(["tcp-reset", "admin", "x"])), 9),
)


@st.composite
def firewalls(draw: st.DrawFn) -> str:
    """A whole config: three zones, and sections in any order."""
    zones = [
        draw(_zone("lan", ("lan", "lan", "lan", "guest"))),
        draw(_zone("guest", ("guest",))),
        draw(_zone("wan", ("wan", "wan6", "wan2"))),
    ]
    more = draw(st.lists(RULES | RULES | RULES | REDIRECTS | FORWARDINGS, max_size=7))
    usual = "\nconfig forwarding\n\toption src lan\n\toption dest wan\n"
    parts = [draw(DEFAULTS), *SETS, *zones, *more, *([usual] if draw(st.booleans()) else [])]
    return "".join(parts)
