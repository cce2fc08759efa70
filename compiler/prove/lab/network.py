r"""A lab, built from its layout: clients, a router, and an internet that owns all the rest.

    client --\
              LAN interface -- router -- WAN interface -- internet
    client --/                       \-- WAN interface --/

Ends never answer by themselves: what they send, somebody sends through a raw socket; what reaches
them is read from a packet socket.
"""

from __future__ import annotations

import select
import socket
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from hashlib import sha256
from itertools import count
from typing import Self

from compiler.model.device import Address
from compiler.prove.lab.clock import Clock, one_cpu
from compiler.prove.lab.layout import OFFICE, Client, Lan, Layout, Wan
from compiler.prove.lab.namespaces import Namespace
from compiler.prove.lab.packets import Packet, read

INTERNET = "internet"
_SO_RCVBUFFORCE = 33
_SILENT = """table inet silent {
	chain input { type filter hook input priority 0; policy drop; meta l4proto ipv6-icmp accept; }
}"""


class End:
    """A host of the lab: sends any packet, and keeps what reached it by token."""

    def __init__(self, namespace: Namespace, links: Iterable[str] = ()) -> None:
        """Open its sockets; over each of the named links it can be made to send."""
        self.namespace = namespace
        self._senders = {(link, v): self._sender(v, link) for link in ("", *links) for v in (4, 6)}
        self._sniffer = namespace.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0003))
        _widen(self._sniffer)
        self._sniffer.setblocking(False)  # noqa: FBT003 - the standard library's

    def _sender(self, version: int, link: str) -> socket.socket:
        family = socket.AF_INET if version == 4 else socket.AF_INET6
        sender = self.namespace.socket(family, socket.SOCK_RAW, socket.IPPROTO_RAW)
        if link:
            sender.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, link.encode())
        return sender

    def send(self, packet: Packet, link: str = "") -> None:
        """Send a packet as it is, by a link or by the way that routing gives."""
        end = (str(packet.destination), 0)
        self._senders[link, packet.source.version].sendto(packet.write(), end)

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
        """Close its sockets."""
        for one in (*self._senders.values(), self._sniffer):
            one.close()


def _widen(sniffer: socket.socket) -> None:
    """Have room for everything that one delivery can bring; only real root gets much."""
    try:
        sniffer.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, 16 << 20)
    except PermissionError:
        sniffer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 << 20)


class Lab:
    """The whole topology; close it to be rid of it (it also dies with the process)."""

    def __init__(self, layout: Layout = OFFICE) -> None:
        """Build it.

        Raises:
            ProofError: E802, a tool fails, for instance on an interface's name.
            OSError: no namespaces here; see :func:`compiler.prove.lab.namespaces.missing`.
        """
        self.layout = layout
        self._token = 0
        with ExitStack() as built:
            self.router = built.enter_context(Namespace("router"))
            self._clock = Clock()
            built.callback(self._clock.close)
            self.hosts: dict[str, End] = {}
            self._build_router()
            ports = iter(self._port_names())
            for lan in layout.lans:
                self._build_lan(lan, ports, built)
            self._build_internet(built)
            self._built = built.pop_all()

    def __enter__(self) -> Self:
        """Close it at the end of a block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Take everything down."""
        self.close()

    def close(self) -> None:
        """Take everything down."""
        self._built.close()

    def token(self) -> int:
        """Give a token that no packet in flight has."""
        self._token = self._token % 0xFFF0 + 1
        return self._token

    def load(self, text: str) -> None:
        """Let the router's nft load a text."""
        self.router.run("nft", "-f", "-", text=text)

    def listing(self) -> str:
        """Give our table as the router's kernel has it."""
        return self.router.run("nft", "list", "table", "inet", "passthru")

    def forget(self) -> None:
        """Forget all connections."""
        self.router.run("conntrack", "-F")

    def clear(self) -> None:
        """No rules and no connections."""
        self.router.run("nft", "flush", "ruleset")
        self.forget()

    def route(self, addresses: Iterable[Address], client: str) -> None:
        """Have the router find these addresses at a client, besides its own."""
        lan = self.layout.lan_of(client)
        at = next(c for c in lan.clients if c.name == client)
        lines = [
            f"route replace {address} via {at.address(address.version)} dev {lan.interface} onlink"
            for address in addresses
            if address not in (at.ipv4, at.ipv6)
        ]
        if lines:
            self.router.ip(*lines)

    def deliver(
        self, packets: Iterable[tuple[str, Packet]], link: str = ""
    ) -> dict[str, dict[int, Packet]]:
        """Send packets from hosts; what reached every host, by token.

        ``link`` is the WAN interface behind which the internet sends.
        """
        with one_cpu():
            for host, packet in packets:
                self.hosts[host].send(packet, self._far[link] if link and host == INTERNET else "")
            return self.settle()

    def settle(self) -> dict[str, dict[int, Packet]]:
        """Wait until no packet is on its way; give what has reached every host."""
        self._clock.wait()
        return {name: end.read() for name, end in self.hosts.items()}

    def reaches(self, packet: Packet, sender: str, receiver: str) -> Packet | None:
        """Send one packet; the packet as it arrives, or nothing."""
        return self.deliver([(sender, packet)])[receiver].get(packet.token)

    def _port_names(self) -> Iterator[str]:
        """Give names for bridge ports that no interface of the router has."""
        links: tuple[Lan | Wan, ...] = (*self.layout.lans, *self.layout.wans)
        taken = {link.interface for link in links}
        return (name for n in count() if (name := f"port{n}") not in taken)

    def _build_router(self) -> None:
        self.router.ip("link set lo up")
        for family in ("-4", "-6"):
            # Networks of the links win over a WAN's own default route.
            rule = ("rule", "add", "pref", "100", "lookup", "main", "suppress_prefixlength", "0")
            self.router.run("ip", family, *rule)
        # Any source address may come in: what stops it shall be a rule.
        self.router.sysctl(
            ipv4__ip_forward="1",
            ipv6__conf__all__forwarding="1",
            ipv4__conf__all__rp_filter="0",
            ipv4__conf__default__rp_filter="0",
        )

    def _build_lan(self, lan: Lan, ports: Iterator[str], built: ExitStack) -> None:
        name = lan.interface
        self.router.ip(
            f"link add dev {name} address {_mac(name)} type bridge",
            f"link set dev {name} up",
            f"address add {lan.ipv4}/32 dev {name}",
            f"address add {lan.ipv6}/128 dev {name} nodad",
        )
        for client in lan.clients:
            self._build_client(client, lan, next(ports), built)
        first = lan.clients[0]
        wide = [network for network in lan.networks if network.prefixlen < network.max_prefixlen]
        # All other addresses of a LAN live at its first client.
        self.router.ip(
            *(f"route replace {n} via {first.address(n.version)} dev {name} onlink" for n in wide)
        )

    def _build_client(self, client: Client, lan: Lan, port: str, built: ExitStack) -> None:
        namespace = Namespace(client.name)
        built.callback(namespace.close)
        name, mac, router = lan.interface, _mac(client.name), _mac(lan.interface)
        outer = [
            f"link add dev {port} type veth peer name eth0 address {mac} netns {namespace.path}",
            f"link set dev {port} master {name} up",
        ]
        inner = ["link set lo up", "link set eth0 up"]
        for own, gateway in ((client.ipv4, lan.ipv4), (client.ipv6, lan.ipv6)):
            alone = f"{own}/{own.max_prefixlen}"
            outer += [
                f"route replace {alone} dev {name}",
                f"neighbor replace {own} lladdr {mac} dev {name} nud permanent",
            ]
            inner += [
                f"address add {alone} dev eth0{' nodad' if own.version == 6 else ''}",
                f"neighbor replace {gateway} lladdr {router} dev eth0 nud permanent",
                f"route add {gateway} dev eth0",
                f"route add default via {gateway} dev eth0",
            ]
        self.router.ip(*outer)
        namespace.ip(*inner)
        namespace.run("nft", "-f", "-", text=_SILENT)
        self._open(client.name, namespace, (), built)

    def _build_internet(self, built: ExitStack) -> None:
        internet = Namespace(INTERNET)
        built.callback(internet.close)
        internet.ip("link set lo up")
        for number, wan in enumerate(self.layout.wans):
            self._build_wan(wan, number, internet)
        internet.run("nft", "-f", "-", text=_SILENT)
        self._far = {wan.interface: f"far{n}" for n, wan in enumerate(self.layout.wans)}
        self._open(INTERNET, internet, self._far.values(), built)

    def _open(
        self, name: str, namespace: Namespace, links: Iterable[str], built: ExitStack
    ) -> None:
        end = End(namespace, links)
        built.callback(end.close)
        self.hosts[name] = end

    def _build_wan(self, wan: Wan, number: int, internet: Namespace) -> None:
        name, far = wan.interface, f"far{number}"
        near_mac, far_mac = _mac(name), _mac(f"far of {name}")
        table = str(100 + number) if number else "main"
        pair = f"type veth peer name {far} address {far_mac} netns {internet.path}"
        outer = [
            f"link add dev {name} address {near_mac} {pair}",
            f"link set dev {name} up",
            f"address add {wan.ipv4} peer {wan.far4} dev {name}",
            f"address add {wan.ipv6}/64 dev {name} nodad",
        ]
        inner = [
            f"link set dev {far} up",
            f"address add {wan.far4} peer {wan.ipv4} dev {far}",
            f"address add {wan.far6}/64 dev {far} nodad",
        ]
        for near, other in ((wan.ipv4, wan.far4), (wan.ipv6, wan.far6)):
            outer += [
                f"route add default via {other} dev {name} table {table}",
                f"neighbor replace {other} lladdr {far_mac} dev {name} nud permanent",
            ]
            inner += [
                # the first link carries what is not bound to another one
                f"route add default via {near} dev {far} metric {10 + number}",
                f"neighbor replace {near} lladdr {near_mac} dev {far} nud permanent",
            ]
        self.router.ip(*outer)
        internet.ip(*inner)
        self.router.set({f"ipv4/conf/{name}/rp_filter": "0"})
        for family in ("-4", "-6") if wan.tos else ():
            rule = ("rule", "add", "pref", str(200 + number), "tos", hex(wan.tos), "lookup", table)
            self.router.run("ip", family, *rule)


def _mac(name: str) -> str:
    """Give a fixed link address for a name: nobody has to ask for it, no packet is lost."""
    return "02:" + ":".join(f"{byte:02x}" for byte in sha256(name.encode()).digest()[:5])
