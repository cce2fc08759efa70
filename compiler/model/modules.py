"""A router's kernel, where somebody stated it: the facts ``modules`` and ``kernel``.

The fact ``modules`` lists what the kernel has, loaded or not, and what is built into it. Unstated,
nothing is concluded from it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from compiler.model.device import Device
from compiler.model.finding import Code, Finding, Place
from compiler.model.intent import Action, Intent
from compiler.model.protocol import Family, Helper

FACT = "modules"
MEANING = (
    "kernel modules that the router has, loaded or built in, e.g. [nf_conntrack_pptp, "
    "nf_nat_pptp]; stated, they are checked"
)
#: Where a family knows no better way.
MEND = "`modprobe -a {modules}` on the router loads them; if it has no such files, other firmware"


def missing(device: Device, needed: Sequence[str]) -> tuple[str, ...]:
    """Give the modules that the router is stated not to have; none where nobody stated any."""
    stated = device.facts.get(FACT)
    if not isinstance(stated, list):
        return ()
    present = {_plain(str(name)) for name in stated}
    return tuple(name for name in needed if _plain(name) not in present)


def _plain(name: str) -> str:
    """Give the kernel's spelling: ``nf-nat-pptp.ko`` and ``nf_nat_pptp`` are one module."""
    return name.rpartition("/")[2].partition(".ko")[0].replace("-", "_")


def fact_findings(device: Device) -> Iterator[Finding]:
    """Check that the fact, where it is stated, is a list of names."""
    stated = device.facts.get(FACT, [])
    if not isinstance(stated, list) or not all(isinstance(name, str) and name for name in stated):
        message = f"passthru_facts.{FACT} must be a list of names"
        yield Finding(Code.T404, message, place=device.place, hint=MEANING, host=device.name)


def lacking(intent: Intent, device: Device, mend: str = MEND) -> Iterator[Finding]:
    """Find what passes and needs a NAT helper whose modules the router lacks.

    ``mend`` says what mends it; ``{modules}`` in it stands for their names.
    """
    for decision in intent.decisions:
        if decision.action is Action.PASS and decision.helper is not None:
            place = decision.origin.place
            families = decision.limits.families & decision.helper.families
            if families:
                yield from _without(decision.helper, decision.protocol, place, device, mend)
    for exposure in intent.exposures:
        family = Family.IPV4 if exposure.to.version == 4 else Family.IPV6
        if exposure.helper is not None and family in exposure.helper.families:
            place = exposure.origin.place
            yield from _without(exposure.helper, exposure.protocol, place, device, mend)


def _without(
    helper: Helper, protocol: str, place: Place, device: Device, mend: str
) -> Iterator[Finding]:
    absent = missing(device, helper.modules)
    if absent:
        message = (
            f"the policy passes {protocol}, whose NAT helper needs the kernel modules "
            f"{' and '.join(absent)}, which the router lacks"
        )
        hint = mend.format(modules=" ".join(absent))
        yield Finding(
            Code.T405, message, place=place, hint=hint, host=device.name, protocol=protocol
        )


def kernel_version(fact: object) -> tuple[int, int] | None:
    """Read ``4.1`` from ``4.1.27`` or ``2.6.36.4brcmarm``; ``None`` for anything else."""
    found = re.match(r"(\d{1,3})\.(\d{1,3})", fact) if isinstance(fact, str) else None
    return (int(found[1]), int(found[2])) if found else None
