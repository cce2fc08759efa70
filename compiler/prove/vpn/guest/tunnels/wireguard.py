"""WireGuard, by the kernel or by wireguard-go, which needs no module."""

from __future__ import annotations

from dataclasses import dataclass

from compiler.prove.vpn.guest import watch
from compiler.prove.vpn.guest.network import Cell, Client
from compiler.prove.vpn.guest.node import Node
from compiler.prove.vpn.guest.tunnels.contract import Keys

PORT = 51820


@dataclass(frozen=True)
class WireGuard:
    """One UDP port. ``userspace`` takes wireguard-go for the kernel's module."""

    userspace: bool = False
    version: int = 4
    watches: tuple[watch.Watch, ...] = (watch.udp("tunnel", PORT),)

    @property
    def name(self) -> str:
        """``wireguard`` or ``wireguard-go``."""
        return "wireguard-go" if self.userspace else "wireguard"

    def serve(self, cell: Cell, keys: Keys) -> None:
        """Bring up the server's interface."""
        peers = "".join(
            peer(keys["wireguard"][f"client{n}"]["public"], f"{cell.inner_client(n)}/32")
            for n in (1, 2)
        )
        own = interface(keys["wireguard"]["server"]["private"], PORT)
        self._up(cell.server, own + peers, cell.inner_server)

    def connect(self, cell: Cell, client: Client, keys: Keys) -> None:
        """Bring up a client's interface; keepalives make it try by itself."""
        end = cell.address if cell.version == 4 else f"[{cell.address}]"
        server = peer(keys["wireguard"]["server"]["public"], f"{cell.inner_server}/32")
        own = interface(keys["wireguard"][f"client{client.number}"]["private"])
        rest = f"Endpoint = {end}:{PORT}\nPersistentKeepalive = 2\n"
        self._up(client.node, own + server + rest, cell.inner_client(client.number))

    def clean(self, node: Node) -> None:
        """Remove the kernel's interface."""
        node.ip("link delete wg0", check=False)

    def _up(self, node: Node, config: str, address: str) -> None:
        path = node.write("wg.conf", config)
        if self.userspace:
            # Ready when it returns; what it leaves behind is ended with the node.
            node.run("mkdir", "-p", "/run/wireguard")
            node.run("wireguard-go", "wg0")
        else:
            node.ip("link add wg0 type wireguard")
        node.run("wg", "setconf", "wg0", path)
        node.ip(f"address add {address}/24 dev wg0", "link set wg0 up")


def interface(private: str, port: int = 0) -> str:
    """Give this end's part of a configuration."""
    listen = f"ListenPort = {port}\n" if port else ""
    return f"[Interface]\nPrivateKey = {private}\n{listen}"


def peer(public: str, allowed: str) -> str:
    """Give the other end's part of a configuration."""
    return f"[Peer]\nPublicKey = {public}\nAllowedIPs = {allowed}\n"
