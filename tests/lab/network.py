"""The lab: clients, a router under test, and an internet that owns every other address.

    c1 --\\
          br-lan (192.168.1.0/24, 2001:db8:1::/64) -- router -- wan  (203.0.113.2) -- internet
    c2 --/                                            |     \\-- wan2 (198.51.100.2) --/
    g1 ------ br-guest (192.168.2.0/24, 2001:db8:2::/64)

The router is .254 and ::fe in its LANs; any other address of a LAN is at its first client.
Ends never answer by themselves: what they send, a test sends through a raw socket; what reaches
them, a test reads from a packet socket. A packet with TOS 0x10 leaves by ``wan2``.
"""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Iterable, Mapping
from hashlib import sha256
from ipaddress import ip_address
from types import MappingProxyType

from tests.lab.namespaces import Namespace
from tests.lab.packets import Packet, read

ROUTER_WAN: Mapping[str, str] = MappingProxyType({"wan": "203.0.113.2", "wan2": "198.51.100.2"})
VIA_WAN2 = 0x10
#: host: (interface on the router, last part of its address)
HOSTS: Mapping[str, tuple[str, int]] = MappingProxyType(
    {"c1": ("br-lan", 11), "c2": ("br-lan", 12), "g1": ("br-guest", 11)}
)
_SILENT = """table inet silent {
	chain input { type filter hook input priority 0; policy drop; meta l4proto ipv6-icmp accept; }
}"""


class End:
    """A host of the lab: sends any packet, and keeps what reached it by token."""

    def __init__(self, namespace: Namespace) -> None:
        self.namespace = namespace
        self._senders = {
            4: namespace.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW),
            6: namespace.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW),
        }
        self._sniffer = namespace.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0003))
        self._sniffer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self._sniffer.setblocking(False)  # noqa: FBT003 - the standard library's

    def send(self, packet: Packet) -> None:
        end = (str(packet.destination), 0)
        self._senders[packet.source.version].sendto(packet.write(), end)

    def read(self) -> dict[int, Packet]:
        """Give everything that has come in, by token."""
        found: dict[int, Packet] = {}
        while select.select([self._sniffer], [], [], 0)[0]:
            data, where = self._sniffer.recvfrom(65535)
            packet = read(data) if where[2] != socket.PACKET_OUTGOING else None
            if packet is not None:
                found[packet.token] = packet
        return found

    def close(self) -> None:
        for one in (*self._senders.values(), self._sniffer):
            one.close()
        self.namespace.close()


class Lab:
    """The whole topology; close it to be rid of it (it also dies with the process)."""

    def __init__(self) -> None:
        self.router = Namespace("router")
        self.ends = {name: Namespace(name) for name in (*HOSTS, "internet")}
        self._build_lan()
        self._build_wan()
        self.hosts = {name: End(namespace) for name, namespace in self.ends.items()}
        self._token = 0

    def close(self) -> None:
        for end in self.hosts.values():
            end.close()
        self.router.close()

    def token(self) -> int:
        """Give a token that no packet in flight has."""
        self._token = self._token % 0xFFF0 + 1
        return self._token

    def load(self, text: str) -> None:
        self.router.run("nft", "-f", "-", text=text)

    def listing(self) -> str:
        return self.router.run("nft", "list", "table", "inet", "passthru")

    def forget(self) -> None:
        """Forget all connections."""
        self.router.run("conntrack", "-F")

    def clear(self) -> None:
        """No rules and no connections."""
        self.router.run("nft", "flush", "ruleset")
        self.forget()

    def deliver(self, packets: Iterable[tuple[str, Packet]]) -> dict[str, dict[int, Packet]]:
        """Send packets from hosts; what reached every host within a moment, by token."""
        for host, packet in packets:
            self.hosts[host].send(packet)
        return self.settle()

    def settle(self) -> dict[str, dict[int, Packet]]:
        """Give what reached every host. Links of the lab hand packets over within microseconds."""
        found: dict[str, dict[int, Packet]] = {name: {} for name in self.hosts}
        quiet = 0
        while quiet < 2:
            time.sleep(0.001)
            news = {name: end.read() for name, end in self.hosts.items()}
            quiet = quiet + 1 if not any(news.values()) else 0
            for name, packets in news.items():
                found[name].update(packets)
        return found

    def reaches(self, packet: Packet, sender: str, receiver: str) -> Packet | None:
        """Send one packet; the packet as it arrives, or nothing."""
        return self.deliver([(sender, packet)])[receiver].get(packet.token)

    def _build_lan(self) -> None:
        self.router.ip("link set lo up")
        for bridge in ("br-lan", "br-guest"):
            self.router.ip(
                f"link add {bridge} address {_mac(bridge)} type bridge",
                f"link set {bridge} up",
                f"address add 192.168.{_net(bridge)}.254/32 dev {bridge}",
                f"address add 2001:db8:{_net(bridge)}::fe/128 dev {bridge} nodad",
            )
        for name, (bridge, last) in HOSTS.items():
            self._build_host(
                name, bridge, f"192.168.{_net(bridge)}", f"2001:db8:{_net(bridge)}:", last
            )
        for bridge in ("br-lan", "br-guest"):
            four, six = f"192.168.{_net(bridge)}", f"2001:db8:{_net(bridge)}:"
            # All other addresses of a LAN live at its first client.
            self.router.ip(
                f"route add {four}.0/24 via {four}.11 dev {bridge}",
                f"route add {six}:/64 via {six}:11 dev {bridge}",
            )

    def _build_host(self, name: str, bridge: str, four: str, six: str, last: int) -> None:
        end, mac = self.ends[name], _mac(name)
        self.router.ip(
            f"link add p-{name} type veth peer name eth0 address {mac} netns {end.path}",
            f"link set p-{name} master {bridge} up",
            f"route add {four}.{last}/32 dev {bridge}",
            f"route add {six}:{last}/128 dev {bridge}",
            f"neighbor replace {four}.{last} lladdr {mac} dev {bridge} nud permanent",
            f"neighbor replace {six}:{last} lladdr {mac} dev {bridge} nud permanent",
        )
        end.ip(
            "link set lo up",
            "link set eth0 up",
            f"address add {four}.{last}/24 dev eth0",
            f"address add {six}:{last}/64 dev eth0 nodad",
            f"route add default via {four}.254",
            f"route add default via {six}:fe",
            f"neighbor replace {four}.254 lladdr {_mac(bridge)} dev eth0 nud permanent",
            f"neighbor replace {six}:fe lladdr {_mac(bridge)} dev eth0 nud permanent",
        )
        end.run("nft", "-f", "-", text=_SILENT)

    def _build_wan(self) -> None:
        internet = self.ends["internet"]
        internet.ip("link set lo up")
        for number, (link, address) in enumerate(ROUTER_WAN.items(), 1):
            self._build_link(link, address, f"2001:db8:f{number}:", internet)
        for family in ("-4", "-6"):
            self.router.run("ip", family, "rule", "add", "tos", "0x10", "lookup", "102")
        internet.ip("route add default via 203.0.113.2", "route add default via 2001:db8:f1::2")
        internet.run("nft", "-f", "-", text=_SILENT)
        # A router that answers at once and lets a test spoof what it wants to.
        self.router.sysctl(
            ipv4__ip_forward="1",
            ipv6__conf__all__forwarding="1",
            ipv4__conf__all__rp_filter="0",
            ipv4__conf__wan__rp_filter="0",
            ipv4__conf__wan2__rp_filter="0",
        )

    def _build_link(self, link: str, near: str, six: str, internet: Namespace) -> None:
        far, table = str(ip_address(near) - 1), "main" if link == "wan" else "102"
        self.router.ip(
            f"link add {link} address {_mac(link)} type veth"
            f" peer name to-{link} address {_mac(far)} netns {internet.path}",
            f"link set {link} up",
            f"address add {near} peer {far} dev {link}",
            f"address add {six}:2/64 dev {link} nodad",
            f"route add default via {far} dev {link} table {table}",
            f"route add default via {six}:1 dev {link} table {table}",
            f"neighbor replace {far} lladdr {_mac(far)} dev {link} nud permanent",
            f"neighbor replace {six}:1 lladdr {_mac(far)} dev {link} nud permanent",
        )
        internet.ip(
            f"link set to-{link} up",
            f"address add {far} peer {near} dev to-{link}",
            f"address add {six}:1/64 dev to-{link} nodad",
            f"neighbor replace {near} lladdr {_mac(link)} dev to-{link} nud permanent",
            f"neighbor replace {six}:2 lladdr {_mac(link)} dev to-{link} nud permanent",
        )


def _net(bridge: str) -> int:
    return 1 if bridge == "br-lan" else 2


def _mac(name: str) -> str:
    """Give a fixed link address for a name: nobody has to ask for it, no packet is lost."""
    return "02:" + ":".join(f"{byte:02x}" for byte in sha256(name.encode()).digest()[:5])
