"""The ``vpn`` tier: real VPN software through a compiled router.

``missing()`` says what the machine lacks; ``run()`` lets rulesets land on a router with two clients
and a server for each protocol, and gives a result for every tunnel: did pings cross it, and did
it die when it should. See docs/proof-vpn.md.
"""

from compiler.prove.vpn.needs import PROTOCOLS, Where, missing
from compiler.prove.vpn.result import FlowCount, Outcome, Phase, VpnResult
from compiler.prove.vpn.tier import Ruleset, VpnError, ruleset, run

__all__ = [
    "PROTOCOLS",
    "FlowCount",
    "Outcome",
    "Phase",
    "Ruleset",
    "VpnError",
    "VpnResult",
    "Where",
    "missing",
    "ruleset",
    "run",
]
