"""Proof: what is compiled goes into a kernel, and packets show what it does.

- :mod:`compiler.prove.lab`: clients, a router and an internet in network namespaces.
- :mod:`compiler.prove.exchanges`: what VPN protocols say, as bytes, apart from any transport.
- :mod:`compiler.prove.packets`: the tier ``packets``, which sends those bytes through the lab.
- :mod:`compiler.prove.software`, :mod:`compiler.prove.vpn`: the tier ``vpn``, with real software.
- :mod:`compiler.prove.twin`: the lab with the rules of a router that is there already.
- :mod:`compiler.prove.result`: what was found, typed.
"""
