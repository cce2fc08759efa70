"""Names that break out of quotes, comments, paths and tables wherever one of them is forgotten."""

from __future__ import annotations

#: What stands after a line break must never begin a line of a native file.
CANARY = "CANARY9"

HOSTILE = (
    "$(id)",
    "`id`",
    "; reboot #",
    "a'b",
    'a"b',
    "a'b\"c\\",
    f"a\n{CANARY} drop",
    f"a\r{CANARY}",
    f"a\u2028{CANARY}",
    "a\tb",
    "*/ */",
    "{{ 7 * 7 }}",
    "%s%n",
    "../../etc/passwd",
    "-rf",
    "n" * 300,
    "\u00e9" * 130,
    "\U0001f525\U0001f5dd\ufe0f",
    "\u202egnp",
    " lan ",
    "0",
    "null",
    "config",
    "@zone[0]",
)

#: Words of nft(8) that its parser knows; each of them is also a fine name for a zone.
NFT_KEYWORDS: list[str] = """
accept add ah all and arp bridge broadcast ceil chain code comment comp connlimit constant
continue counter create ct daddr dccp define delete describe destroy device devices dnat
drop dscp dst dup dynamic ecn element elements else esp ether exthdr fasync fib file filter
flags flow flowtable flush forward frag fwd gid gre gretap hash hbh helper hook icmp icmpv6
id if iif iifname import in include inet ingress input insert interval ip ip6 ipsec jhash
jump label last limit list log mac map mark maps masquerade meta meter mh mod mode monitor
nat netdev nexthdr nftrace not notrack ntp numgen obj oif oifname or osf out output over
performance policy position postrouting prerouting priority protocol queue quota random
redirect redefine reject rename replace reply reset return route rt rule ruleset saddr
sctp secmark set sets size snat socket spi src state table tables tcp tcpmss timeout to
tproxy type typeof udp undefine until update used vlan vmap vxlan with xfrm xor
""".split()  # noqa: SIM905 - a block of words, not two hundred lines
