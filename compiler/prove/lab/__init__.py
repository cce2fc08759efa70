"""The lab: LAN clients, the router under test and an internet, in network namespaces.

The namespaces have no names. They live as long as a process holds them open, so nothing is left
behind, whatever ends that process, and two labs cannot meet.
"""

from compiler.prove.lab.layout import OFFICE, Client, Lan, Layout, Wan
from compiler.prove.lab.namespaces import Namespace, become_root, missing
from compiler.prove.lab.network import End, Lab
from compiler.prove.lab.packets import Packet

__all__ = [
    "OFFICE",
    "Client",
    "End",
    "Lab",
    "Lan",
    "Layout",
    "Namespace",
    "Packet",
    "Wan",
    "become_root",
    "missing",
]
