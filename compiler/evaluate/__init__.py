"""What a ruleset does to a given packet, found by reading it: no kernel, no root.

    ruleset = load_nft(text)          # nft -j list ruleset
    outcome = ruleset.forward(Packet(client, server, TCP, "br-lan", "wan", 40000, 1723))
    outcome.verdict, outcome.because, outcome.helper

README.md says what is understood. Reading order: :mod:`~compiler.evaluate.packet`, ``value``,
``outcome``, ``ruleset``, ``walk`` and ``explore``; then ``nft`` and ``iptables``, which compile
listings to that.
"""

from compiler.evaluate.iptables import load_iptables
from compiler.evaluate.nft.load import load_nft
from compiler.evaluate.outcome import Outcome, Step, Translation
from compiler.evaluate.packet import Ends, Packet
from compiler.evaluate.walk import Ruleset
from compiler.model.effect import Verdict

__all__ = [
    "Ends",
    "Outcome",
    "Packet",
    "Ruleset",
    "Step",
    "Translation",
    "Verdict",
    "load_iptables",
    "load_nft",
]
