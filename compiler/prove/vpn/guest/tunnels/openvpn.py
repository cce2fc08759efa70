"""OpenVPN with certificates, over UDP or TCP."""

from __future__ import annotations

from dataclasses import dataclass

from compiler.prove.vpn.guest import watch
from compiler.prove.vpn.guest.network import Cell, Client
from compiler.prove.vpn.guest.node import Node
from compiler.prove.vpn.guest.tunnels.contract import Keys

PORT = 1194
_TRY_AGAIN = 2


@dataclass(frozen=True)
class OpenVpn:
    """The whole of it on one port. ``transport`` is ``udp`` or ``tcp``."""

    transport: str
    version: int = 4

    @property
    def name(self) -> str:
        """``openvpn-udp`` or ``openvpn-tcp``."""
        return f"openvpn-{self.transport}"

    @property
    def watches(self) -> tuple[watch.Watch, ...]:
        """One flow."""
        make = watch.udp if self.transport == "udp" else watch.tcp
        return (make("tunnel", PORT),)

    def serve(self, cell: Cell, keys: Keys) -> None:
        """Start the server, with a fixed address for each client."""
        node = cell.server
        for number in (1, 2):
            line = f"ifconfig-push {cell.inner_client(number)} 255.255.255.0\n"
            node.write(f"openvpn/clients/client{number}", line)
        config = _common(keys, "server") + server_config(cell, self.transport)
        node.start("/usr/sbin/openvpn", "--config", node.write("openvpn/server.conf", config))

    def connect(self, cell: Cell, client: Client, keys: Keys) -> None:
        """Start a client, which tries for ever."""
        node = client.node
        config = _common(keys, f"client{client.number}") + client_config(cell, self.transport)
        node.start("/usr/sbin/openvpn", "--config", node.write("openvpn/client.conf", config))

    def clean(self, node: Node) -> None:
        """Nothing is left: the interface goes with the program."""


def server_config(cell: Cell, transport: str) -> str:
    """Give the server's part."""
    network = cell.inner_server.rpartition(".")[0] + ".0"
    return f"""proto {"udp" if transport == "udp" else "tcp-server"}
local {cell.address}
port {PORT}
dh none
topology subnet
server {network} 255.255.255.0
client-config-dir {cell.server.folder}/openvpn/clients
"""


def client_config(cell: Cell, transport: str) -> str:
    """Give a client's part."""
    return f"""client
proto {"udp" if transport == "udp" else "tcp-client"}
remote {cell.address} {PORT}
nobind
remote-cert-tls server
connect-retry {_TRY_AGAIN} {_TRY_AGAIN}
connect-timeout 5
hand-window 10
"""


def _common(keys: Keys, name: str) -> str:
    return f"""dev tun0
dev-type tun
disable-dco
data-ciphers AES-128-GCM
verb 3
<ca>
{keys["openvpn"]["ca"]}</ca>
<cert>
{keys["openvpn"][name]["certificate"]}</cert>
<key>
{keys["openvpn"][name]["key"]}</key>
"""
