"""What each kind of tunnel can do; the stages do the rest the same for all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from compiler.prove.vpn.guest.network import Cell, Client
from compiler.prove.vpn.guest.node import Node
from compiler.prove.vpn.guest.watch import Watch

#: Key material by tunnel, made anew for each run.
Keys = Mapping[str, Any]


class Tunnel(Protocol):
    """Real VPN software at both ends."""

    @property
    def name(self) -> str:
        """The name that results carry."""

    @property
    def version(self) -> int:
        """The address family on the way, 4 or 6."""

    @property
    def watches(self) -> tuple[Watch, ...]:
        """The flows to count, the one that opens the tunnel first."""

    def serve(self, cell: Cell, keys: Keys) -> None:
        """Start the server; it need not be ready on return."""

    def connect(self, cell: Cell, client: Client, keys: Keys) -> None:
        """Start a client; it goes on trying until it is stopped."""

    def clean(self, node: Node) -> None:
        """Take away what the kernel keeps when the programs are gone."""
