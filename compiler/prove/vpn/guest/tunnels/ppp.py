"""What PPTP and L2TP share: pppd at both ends."""

from __future__ import annotations

from compiler.prove.vpn.guest.network import Cell, Client
from compiler.prove.vpn.guest.node import Node

_USER = "user{number}"
_COMMON = "noipdefault\nnodefaultroute\nnobsdcomp\nnodeflate\nnovj\nmtu 1300\nmru 1300\ndebug\n"


def secrets(node: Node, password: str) -> None:
    """Write what both ends know; /etc/ppp is each node's own."""
    users = (_USER.format(number=number) for number in (1, 2))
    lines = "".join(f'{user} server "{password}" *\n' for user in users)
    node.write("ppp/chap-secrets", lines)
    node.write("ppp/options", "")


def server_options(cell: Cell) -> str:
    """Authenticate clients by CHAP, and let each have the address that it asks for."""
    return _COMMON + (
        "name server\nauth\nrefuse-pap\nrefuse-eap\nipcp-accept-remote\n"
        f"logfile {cell.server.folder}/pppd.log\n"
    )


def client_options(cell: Cell, client: Client) -> str:
    """Ask for the client's own address, whatever order the clients come in."""
    return _COMMON + (
        f"name {_USER.format(number=client.number)}\nremotename server\nnoauth\n"
        f"logfile {client.node.folder}/pppd.log\n"
        f"{cell.inner_client(client.number)}:{cell.inner_server}\n"
    )
