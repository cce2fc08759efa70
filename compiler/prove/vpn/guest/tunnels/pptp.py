"""PPTP: pptpd, and pptp-linux as a client, with MS-CHAPv2 and MPPE as Windows wants it."""

from __future__ import annotations

from dataclasses import dataclass

from compiler.prove.vpn.guest import watch
from compiler.prove.vpn.guest.network import Cell, Client
from compiler.prove.vpn.guest.node import Node
from compiler.prove.vpn.guest.tunnels import ppp
from compiler.prove.vpn.guest.tunnels.contract import Keys

_CRYPT = "refuse-pap\nrefuse-chap\nrefuse-mschap\nrequire-mschap-v2\nrequire-mppe-128\n"


@dataclass(frozen=True)
class Pptp:
    """Control connection on tcp/1723, PPP frames in GRE."""

    name: str = "pptp"
    version: int = 4
    watches: tuple[watch.Watch, ...] = (watch.tcp("control", 1723), watch.portless("data", 47))

    def serve(self, cell: Cell, keys: Keys) -> None:
        """Start pptpd, which starts a pppd for each call."""
        node = cell.server
        ppp.secrets(node, keys["password"])
        options = node.write("ppp/server", ppp.server_options(cell) + _CRYPT)
        config = node.write("pptpd.conf", server_config(cell, options))
        node.start("/usr/sbin/pptpd", "--fg", "--conf", config)

    def connect(self, cell: Cell, client: Client, keys: Keys) -> None:
        """Start pppd over pptp. It dials again when a call fails."""
        node = client.node
        ppp.secrets(node, keys["password"])
        node.start(
            "/usr/sbin/pppd",
            "pty", f"/usr/sbin/pptp {cell.address} --nolaunchpppd --nobuffer",
            "file", node.write("ppp/client", client_options(cell, client)),
        )  # fmt: skip

    def clean(self, node: Node) -> None:
        """Nothing is left: interfaces go with their pppd."""


def server_config(cell: Cell, options: str) -> str:
    """Give pptpd.conf. ``remoteip`` is only a proposal; clients have addresses of their own."""
    return (
        f"option {options}\n"
        f"localip {cell.inner_server}\n"
        f"remoteip {cell.inner_client(1)}-{10 + 2}\n"
        f"listen {cell.address}\n"
        "debug\n"
    )


def client_options(cell: Cell, client: Client) -> str:
    """Give the options of a client's pppd."""
    again = "nodetach\npersist\nmaxfail 0\nholdoff 1\n"
    return ppp.client_options(cell, client) + again + "refuse-eap\n" + "require-mppe-128\n"
