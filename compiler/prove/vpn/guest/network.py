r"""The lab: cells of two clients and a server each, around one router.

    pptp-c1 --\                                         /-- pptp-s    203.0.113.10
    pptp-c2 ---- LAN (a bridge in the router) -- router -- WAN -- l2tp-s  203.0.113.11
    l2tp-c1 --/                                         \-- ...

Each protocol has a server of its own, so that protocols that share a port (everything of IPsec)
can run at once. Both clients of a cell talk to the same server, which is what is hard for a NAT.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from ipaddress import ip_network

from compiler.prove.vpn.guest.node import Node
from compiler.prove.vpn.guest.watch import Traffic, Watch, counters, load

_WAN4, _WAN6 = "203.0.113", "2001:db8:f:"
#: Inside of the tunnels: the range for benchmarks (RFC 2544), which no LAN should have.
_INNER = "198.18"
_ROUTER = -2
_WAN_ROUTER = 254
_JOBS = 3


@dataclass(frozen=True)
class Wiring:
    """The router's interfaces, and the networks in its LAN."""

    lan: str
    wan: str
    lan4: str
    lan6: str

    def client(self, number: int, version: int) -> str:
        """Give a client's address; the router has the last one of the network."""
        return _host(self.lan4 if version == 4 else self.lan6, number)


@dataclass(frozen=True)
class Client:
    """One client of a cell: ``number`` is 1 or 2."""

    number: int
    node: Node


@dataclass(frozen=True)
class Cell:
    """The three machines of one protocol, and the addresses that they use."""

    name: str
    index: int
    version: int
    watches: tuple[Watch, ...]
    server: Node
    clients: tuple[Client, ...]

    @property
    def nodes(self) -> tuple[Node, ...]:
        """All machines of the cell."""
        return (self.server, *(client.node for client in self.clients))

    @property
    def address(self) -> str:
        """The server's address in the WAN."""
        return _server(self.index, self.version)

    @property
    def inner_server(self) -> str:
        """The server's address inside the tunnel."""
        return f"{_INNER}.{self.index}.1"

    def inner_client(self, number: int) -> str:
        """Give a client's address inside the tunnel."""
        return f"{_INNER}.{self.index}.{10 + number}"

    def traffic(self, client: Client) -> list[Traffic]:
        """Give what a client has sent and got."""
        return counters(client.node, self.watches)


class Lab:
    """Router, LAN, WAN; cells are added."""

    def __init__(self, wiring: Wiring) -> None:
        """Make the router and its two sides."""
        self.wiring = wiring
        self.router, self._wan = Node("router"), Node("wan")
        lan4, lan6 = ip_network(wiring.lan4), ip_network(wiring.lan6)
        self._wan.ip("link add hub type bridge", "link set hub up")
        self.router.ip(
            "link set lo up",
            f"link add {wiring.lan} type bridge",
            f"link set {wiring.lan} up",
            f"address add {_host(wiring.lan4, _ROUTER)}/{lan4.prefixlen} dev {wiring.lan}",
            f"address add {_host(wiring.lan6, _ROUTER)}/{lan6.prefixlen} dev {wiring.lan} nodad",
            f"link add {wiring.wan} type veth peer name router netns {self._wan.net}",
            f"link set {wiring.wan} up",
            f"address add {_WAN4}.{_WAN_ROUTER}/24 dev {wiring.wan}",
            f"address add {_WAN6}:{_WAN_ROUTER:x}/64 dev {wiring.wan} nodad",
        )
        self._wan.ip("link set router master hub up")

    def cells(self, wanted: Sequence[tuple[str, int, tuple[Watch, ...]]]) -> list[Cell]:
        """Add a cell for each (name, address family, watches)."""
        names = [f"{name}-{end}" for name, _, _ in wanted for end in ("s", "c1", "c2")]
        with ThreadPoolExecutor(_JOBS) as pool:
            nodes = dict(zip(names, pool.map(Node, names), strict=True))
            made = [
                Cell(
                    name,
                    index,
                    version,
                    watches,
                    nodes[f"{name}-s"],
                    tuple(Client(number, nodes[f"{name}-c{number}"]) for number in (1, 2)),
                )
                for index, (name, version, watches) in enumerate(wanted)
            ]
            self._plug([(self.router, cell.clients[n].node) for cell in made for n in (0, 1)])
            self._plug([(self._wan, cell.server) for cell in made])
            list(pool.map(self._address, made))
        return made

    def _plug(self, ends: Sequence[tuple[Node, Node]]) -> None:
        """Plug nodes into the bridge of the router or of the WAN."""
        switch = ends[0][0]
        bridge = self.wiring.lan if switch is self.router else "hub"
        lines = []
        for number, (_, node) in enumerate(ends):
            port = f"vpn{number}"  # the kernel takes 15 characters
            lines += [
                f"link add {port} type veth peer name eth0 netns {node.net}",
                f"link set {port} master {bridge} up",
            ]
        switch.ip(*lines)

    def _address(self, cell: Cell) -> None:
        lan4, lan6 = ip_network(self.wiring.lan4), ip_network(self.wiring.lan6)
        for client in cell.clients:
            number = 2 * cell.index + client.number
            client.node.ip(
                "link set lo up",
                "link set eth0 up",
                f"address add {self.wiring.client(number, 4)}/{lan4.prefixlen} dev eth0",
                f"address add {self.wiring.client(number, 6)}/{lan6.prefixlen} dev eth0 nodad",
                f"route add default via {_host(self.wiring.lan4, _ROUTER)}",
                f"route add default via {_host(self.wiring.lan6, _ROUTER)}",
            )
            load(client.node, cell.watches)
        cell.server.ip(
            "link set lo up",
            "link set eth0 up",
            f"address add {_server(cell.index, 4)}/24 dev eth0",
            f"address add {_server(cell.index, 6)}/64 dev eth0 nodad",
            # No way to a private address, as in the internet; IPsec takes from what has a way.
            f"route add {_INNER}.0.0/16 via {_WAN4}.{_WAN_ROUTER}",
            f"route add default via {_WAN6}:{_WAN_ROUTER:x}",
        )


def _server(index: int, version: int) -> str:
    return f"{_WAN4}.{10 + index}" if version == 4 else f"{_WAN6}:{10 + index:x}"


def _host(network: str, number: int) -> str:
    return str(ip_network(network)[number])
