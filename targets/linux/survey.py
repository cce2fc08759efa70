"""What a foreign ruleset does: the whole of it, ours or not, as packets experience it."""

from __future__ import annotations

from compiler.evaluate.survey import survey_of
from compiler.model.device import Device
from compiler.model.survey import Survey
from targets.linux import listings


def survey(native: str, device: Device | None) -> Survey:
    """Read a ruleset.

    Raises:
        NativeError: T407.
    """
    listing = listings.load(native)
    known = device or Device("", "linux", ())
    return survey_of(listing.ruleset, known, listing.findings, texts=listing.texts)
