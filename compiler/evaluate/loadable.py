"""Rules for a twin: the text of a listing, and what of it packets in another kernel can decide."""

from __future__ import annotations

from dataclasses import dataclass

from compiler.evaluate.experience import Conditions, Experience
from compiler.evaluate.walk import Ruleset, Settled
from compiler.model.device import Device
from compiler.model.survey import Loadable


@dataclass(frozen=True, slots=True)
class Texts:
    """A listing as its tool printed it, for the tool that reads it back."""

    nft: str = ""
    iptables: str = ""
    ip6tables: str = ""


def loadable(ruleset: Ruleset, texts: Texts, device: Device, conditions: Conditions) -> Loadable:
    """Join a listing with what the evaluator knows of it."""
    settled = Experience(Settled.of(ruleset), device, conditions)
    return Loadable(
        texts.nft,
        texts.iptables,
        texts.ip6tables,
        settled.journeys,
        settled.doubt,
        ruleset.links,
        ruleset.networks,
    )
