"""What a foreign ruleset does: the whole of it, ours or not, as packets experience it."""

from __future__ import annotations

from dataclasses import replace

from compiler.evaluate.survey import survey_of
from compiler.model.device import Device
from compiler.model.survey import Survey
from targets.linux import listings
from targets.linux.solve import TABLE


def survey(native: str, device: Device | None) -> Survey:
    """Read a ruleset.

    Raises:
        NativeError: T407.
    """
    listing = listings.load(native)
    known = device or Device("", "linux", ())
    return survey_of(listing.ruleset, known, listing.findings, texts=listing.texts)


def survey_beside(ours: str, native: str, device: Device) -> Survey:
    """Read a ruleset with our table in it, in place of the one that is there.

    Raises:
        NativeError: T407.
    """
    own, theirs = listings.load(ours).ruleset, listings.load(native).ruleset
    kept = {key: chain for key, chain in theirs.chains.items() if key[:2] != ("inet", TABLE)}
    ruleset = replace(
        theirs,
        chains={**kept, **own.chains},
        links=theirs.links | own.links,
        networks=theirs.networks | own.networks,
        offloads=theirs.offloads or own.offloads,
    )
    return survey_of(ruleset, device, ())
