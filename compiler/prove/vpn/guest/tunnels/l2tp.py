"""L2TP by xl2tpd, in the clear; :mod:`.ipsec` protects it."""

from __future__ import annotations

from dataclasses import dataclass

from compiler.prove.vpn.guest import watch
from compiler.prove.vpn.guest.network import Cell, Client
from compiler.prove.vpn.guest.node import Node
from compiler.prove.vpn.guest.tunnels import ppp
from compiler.prove.vpn.guest.tunnels.contract import Keys

PORT = 1701


@dataclass(frozen=True)
class L2tp:
    """Control messages and PPP frames on udp/1701; both clients send from port 1701 too."""

    name: str = "l2tp"
    version: int = 4
    watches: tuple[watch.Watch, ...] = (watch.udp("tunnel", PORT),)

    def serve(self, cell: Cell, keys: Keys) -> None:
        """Start the network server."""
        serve(cell, keys)

    def connect(self, cell: Cell, client: Client, keys: Keys) -> None:
        """Start a client that dials by itself."""
        client.node.start(*client_command(cell, client, keys, PORT))

    def clean(self, node: Node) -> None:
        """Remove tunnels that the kernel still holds for a daemon that was killed."""
        clean(node)


def serve(cell: Cell, keys: Keys) -> None:
    """Start xl2tpd as a server."""
    node = cell.server
    ppp.secrets(node, keys["password"])
    options = node.write("ppp/server", ppp.server_options(cell))
    node.start(*_command(node, server_config(cell, options)))


def client_command(cell: Cell, client: Client, keys: Keys, port: int) -> list[str]:
    """Write the configuration of a client that sends from ``port``; the command for it."""
    node = client.node
    ppp.secrets(node, keys["password"])
    options = node.write("ppp/client", ppp.client_options(cell, client))
    return _command(node, client_config(cell, port, options))


def clean(node: Node) -> None:
    """Remove what the kernel holds."""
    for line in node.run("ip", "l2tp", "show", "tunnel", check=False).splitlines():
        words = line.replace(",", " ").split()
        if words[:1] == ["Tunnel"]:
            node.run("ip", "l2tp", "del", "tunnel", "tunnel_id", words[1], check=False)


def _command(node: Node, config: str) -> list[str]:
    path = node.write("xl2tpd.conf", config)
    return [
        "/usr/sbin/xl2tpd", "-D", "-c", path, "-p", "/run/xl2tpd.pid", "-C", "/run/xl2tpd.control"
    ]  # fmt: skip


def server_config(cell: Cell, options: str) -> str:
    """Give xl2tpd.conf of a server."""
    return f"""[global]
port = {PORT}
access control = no
[lns default]
ip range = {cell.inner_client(1)}-{cell.inner_client(2)}
local ip = {cell.inner_server}
require chap = yes
refuse pap = yes
name = server
pppoptfile = {options}
"""


def client_config(cell: Cell, port: int, options: str) -> str:
    """Give xl2tpd.conf of a client."""
    return f"""[global]
port = {port}
access control = no
[lac server]
lns = {cell.address}
autodial = yes
redial = yes
redial timeout = 2
max redials = 1000
pppoptfile = {options}
"""
