"""IPsec by strongSwan, one charon for each machine: IKEv1, IKEv2, L2TP inside, and raw ESP.

Raw ESP needs a way without NAT. A router translates IPv4 only, so it is IPv6 that shows it: there
the ends find no NAT between them, stay on udp/500 and send ESP as such.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from compiler.prove.vpn.guest import watch
from compiler.prove.vpn.guest.network import Cell, Client
from compiler.prove.vpn.guest.node import Node
from compiler.prove.vpn.guest.shell import CommandError
from compiler.prove.vpn.guest.tunnels import l2tp
from compiler.prove.vpn.guest.tunnels.contract import Keys

_CHARON, _SWANCTL = "/usr/lib/ipsec/charon", "/usr/sbin/swanctl"
_PLUGINS = "random nonce aes sha1 sha2 hmac kdf gmp kernel-netlink socket-default vici updown"
_SOCKET, _SECONDS = "run/charon.vici", 60.0
#: In the clear L2TP must not reach the server of L2TP/IPsec, or nothing would be shown.
_ONLY_INSIDE = f"""table inet inside
delete table inet inside
table inet inside {{
	chain input {{
		type filter hook input priority 0; policy accept;
		udp dport {l2tp.PORT} meta secpath missing drop
	}}
}}
"""


@dataclass(frozen=True)
class Ipsec:
    """One kind of IPsec: ``ike`` is the version of the key exchange."""

    name: str
    ike: int
    version: int = 4
    inside: str = "network"

    @property
    def watches(self) -> tuple[watch.Watch, ...]:
        """Key exchange, then data in UDP or raw."""
        ike, natt, esp = watch.udp("ike", 500), watch.udp("natt", 4500), watch.portless("esp", 50)
        return (ike, natt) if self.version == 4 else (ike, esp)

    def serve(self, cell: Cell, keys: Keys) -> None:
        """Start the gateway."""
        node = cell.server
        if self.inside == "l2tp":
            node.run("nft", "-f", "-", text=_ONLY_INSIDE)
            l2tp.serve(cell, keys)
            selectors = (f"dynamic[udp/{l2tp.PORT}]", "dynamic[udp]")
        else:
            selectors = (f"{cell.inner_server}/32", ",".join(_inner(cell)))
            _inner_address(node, cell.inner_server)
        text = connection(self, "server", (cell.address, ""), selectors, keys["password"])
        _start(node, text)

    def connect(self, cell: Cell, client: Client, keys: Keys) -> None:
        """Start a client, which goes on trying."""
        node, name = client.node, f"client{client.number}"
        if self.inside == "l2tp":
            # Behind one NAT the server tells clients by their port, as it does macOS and Android.
            port = l2tp.PORT + client.number
            selectors = (f"dynamic[udp/{port}]", f"dynamic[udp/{l2tp.PORT}]")
        else:
            inner = cell.inner_client(client.number)
            selectors = (f"{inner}/32", f"{cell.inner_server}/32")
            _inner_address(node, inner)
        text = connection(self, name, ("%any", cell.address), selectors, keys["password"])
        conf = _start(node, text)
        afterwards = ""
        if self.inside == "l2tp":
            afterwards = " ".join(l2tp.client_command(cell, client, keys, port))
        # A gateway that is not ready yet refuses, and charon takes a refusal for final.
        script = f"until {_SWANCTL} --initiate --child vpn; do sleep 1; done; {afterwards}"
        node.start("sh", "-c", script, environment={"STRONGSWAN_CONF": conf})

    def clean(self, node: Node) -> None:
        """Remove associations and policies of a charon that was killed."""
        node.ip("xfrm state flush", "xfrm policy flush", check=False)
        for name in (_SOCKET, "run/charon.pid"):
            (node.folder / name).unlink(missing_ok=True)
        if self.inside == "l2tp":
            l2tp.clean(node)


def _inner(cell: Cell) -> list[str]:
    return [f"{cell.inner_client(number)}/32" for number in (1, 2)]


def _inner_address(node: Node, address: str) -> None:
    node.ip(f"address replace {address}/32 dev lo")


def _start(node: Node, connections: str) -> str:
    """Start charon and load the connections; the path of the configuration."""
    conf = node.write("strongswan.conf", strongswan_conf(node))
    loaded = node.write("swanctl.conf", connections)
    node.start(_CHARON, environment={"STRONGSWAN_CONF": conf})
    until = time.monotonic() + _SECONDS
    while not (node.folder / _SOCKET).exists():
        if time.monotonic() > until:
            raise CommandError(f"{node.name}: charon does not come up")
        time.sleep(0.1)
    node.run(
        "env", f"STRONGSWAN_CONF={conf}", _SWANCTL, "--load-all", "--noprompt", "--file", loaded
    )
    return conf


def strongswan_conf(node: Node) -> str:
    """Give the daemon's configuration. swanctl would load, and test, every plugin there is."""
    return f"""swanctl {{
	load = random pem
}}
charon {{
	load = {_PLUGINS}
	install_routes = no
	retransmit_timeout = 3.0
	retransmit_base = 1.5
	retransmit_tries = 4
	half_open_timeout = 120
	make_before_break = no
	filelog {{
		charon {{
			path = {node.folder}/ike.log
			default = 1
			flush_line = yes
		}}
	}}
}}
"""


def connection(
    kind: Ipsec,
    name: str,
    ends: tuple[str, str],
    selectors: tuple[str, str],
    password: str,
) -> str:
    """Give swanctl.conf of one end; ``ends`` are its own address and the other's, if known."""
    other = "%any" if name == "server" else "server"
    mode = "transport" if kind.inside == "l2tp" else "tunnel"
    remote = f"remote_addrs = {ends[1]}" if ends[1] else ""
    return f"""connections {{
	vpn {{
		version = {kind.ike}
		local_addrs = {ends[0]}
		{remote}
		proposals = aes128-sha256-modp2048
		dpd_delay = 0
		mobike = no
		local {{
			auth = psk
			id = {name}
		}}
		remote {{
			auth = psk
			id = {other}
		}}
		children {{
			vpn {{
				mode = {mode}
				esp_proposals = aes128-sha256
				local_ts = {selectors[0]}
				remote_ts = {selectors[1]}
			}}
		}}
	}}
}}
secrets {{
	ike-vpn {{
		secret = "{password}"
	}}
}}
"""
