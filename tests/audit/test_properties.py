"""Compile any policy, put it on a router, audit: clean. Change one thing: that is what is named."""

from __future__ import annotations

import re

import pytest
from hypothesis import assume, given, reject, settings
from hypothesis import strategies as st

from compiler.audit.finding import Standing
from compiler.audit.settings import differing
from compiler.build.plan import Compiled
from compiler.errors import NativeError, PassthruError
from compiler.model import judge
from compiler.model.effect import Verdict
from compiler.model.finding import Code, Severity
from tests.audit.support import changes_of, codes, compiled_of, judged, native_of, target_of
from tests.conformance.passthru_conformance.cases import BUILT_IN, Case
from tests.conformance.passthru_conformance.strategies import situations
from tests.targets.openwrt.defaults import CONFIGS

ZONES = {
    "lan": {"devices": ["br-lan"], "networks": ["192.168.1.0/24"]},
    "wan": {"devices": ["eth0"]},
}
CASES = [case for cases in BUILT_IN.values() for case in cases]
#: Families whose survey knows all that decides on the routers of these tests.
KNOWN = [
    case
    for case in CASES
    if case.name
    in (
        *("linux", "linux-strict", "merlin", "tplink-luci", "tplink-cgi", "tplink-omada"),
        *("linksys", "linksys-classic", "dlink-hnap", "dlink-rgdb", "dlink-xmldb"),
        *("freshtomato", "freshtomato-scripts"),
    )
]
SWITCHES = [case for case in KNOWN if case.foreign and "xml" not in case.foreign[0][:20]]
DRIFT = {Code.A851, Code.A852, Code.A853, Code.A854, Code.A855, Code.A856, Code.A857, Code.A859}


def base_of(case: Case) -> str:
    if case.target == "openwrt":
        text = CONFIGS[str(case.facts["release"])]
        return text.partition("\nconfig include")[0]  # what it holds nobody knows
    return case.foreign[0] if case.foreign else ""


def made(case: Case, draw: st.DataObject) -> Compiled:
    found = draw.draw(situations(case, like=dict(ZONES)))
    item = compiled_of(found.device, found.intent)
    return item if item is not None else reject()


@pytest.mark.parametrize("case", CASES, ids=str)
@given(st.data())
@settings(max_examples=8)
def test_what_was_pushed_is_never_called_a_drift(case: Case, draw: st.DataObject) -> None:
    """Rules of others may decide, and then are named; our own settings never differ."""
    item = made(case, draw)
    base = base_of(case)
    found = judged(item, native_of(item, base))
    ours = {each.code for each in found.findings} & (DRIFT - {Code.A856})
    assert ours <= ({Code.A854, Code.A855} if base else set())
    assert not any(each.settings for each in found.findings)


@pytest.mark.parametrize("case", KNOWN, ids=str)
@given(st.data())
@settings(max_examples=8)
def test_what_was_pushed_is_clean(case: Case, draw: st.DataObject) -> None:
    """But for keys of others that the policy leaves alone, of which a compile knows nothing."""
    item = made(case, draw)
    found = judged(item, native_of(item, base_of(case)))
    others = [each for each in found.findings if each.code is Code.A856]
    assert codes(found, Severity.WARNING) <= {each.code for each in others}
    left = {flow for each in others for flow in each.flows}
    assert left <= {
        each.probe.flow.id for each in item.outcome.effects if each.verdict is Verdict.UNKNOWN
    }
    told = {each.protocol for each in others}
    for cell in (cell for protocol, cell in found.cells.items() if protocol not in told):
        assert cell.standing is (Standing.UNKNOWN if cell.verdict == "unknown" else Standing.RIGHT)
    decided = {each.protocol for each in item.intent.decisions}
    decided |= {each.protocol for each in item.intent.exposures}
    assert set(found.cells) <= decided  # a flow that relatives share is told of one of them
    assert bool(found.cells) is bool(judge.probes(item.intent, item.router.device))


@given(st.data())
@settings(max_examples=30)
def test_openwrt_with_its_default_config_is_clean(draw: st.DataObject) -> None:
    item = made(next(case for case in CASES if case.name == "openwrt-24.10"), draw)
    found = judged(item, native_of(item, CONFIGS["24.10"]))
    assert codes(found, Severity.ERROR) == set()


@given(st.data())
@settings(max_examples=40)
def test_a_linux_table_with_a_rule_less_names_that_rule(draw: st.DataObject) -> None:
    item = made(next(case for case in CASES if case.name == "linux"), draw)
    lines = item.bundle.native_text.splitlines()
    rules = [n for n, line in enumerate(lines) if re.match(r"\t\t(?!type).* (drop|accept)$", line)]
    assume(rules)
    gone = draw.draw(st.sampled_from(rules))
    native = "\n".join(line for n, line in enumerate(lines) if n != gone) + "\n"
    names_what_differs(item, native)


@pytest.mark.parametrize("case", SWITCHES, ids=str)
@given(st.data())
@settings(max_examples=8)
def test_one_switch_that_somebody_turned_is_named(case: Case, draw: st.DataObject) -> None:
    """Another policy's value of one setting is what somebody else's hand would leave."""
    item, other = made(case, draw), made(case, draw)
    target, device = target_of(item.router.device), item.router.device
    there = target.merge(other.outcome.settings, base_of(case), device)
    names_what_differs(item, target.merge(item.outcome.settings, there, device), there)


def names_what_differs(item: Compiled, *natives: str) -> None:
    """See that an audit names what a push would change, and every protocol that suffers by it."""
    device = item.router.device
    target = target_of(device)
    for native in natives:
        try:
            changes = changes_of(item, native)
            settings = target.parse(native, device)
        except NativeError:
            reject()
        except PassthruError as error:  # pragma: no cover - shows what failed
            raise AssertionError(error) from None
        probes = judge.probes(item.intent, device)
        effects = target.effects(settings, device, probes)
        suffering = {
            by.protocol
            for now, before in zip(effects, item.outcome.effects, strict=True)
            for wanted, by in [judge.wants(item.intent, now.probe)]
            if by is not None
            and judge.difference(wanted, now)
            not in (None, judge.difference(wanted, before), Code.D505)
        }
        found = judged(item, native)
        blamed = {
            each.protocol
            for each in found.findings
            if each.code in DRIFT | {Code.A860} and each.protocol
        }
        assert suffering == blamed
        rest = {s for each in found.findings if each.code is Code.A857 for s in each.settings}
        told = {s for each in found.findings if each.code is not Code.A857 for s in each.settings}
        assert not rest & told, "what a verdict came from is told with it, and not again"
        if changes and suffering:
            assert told, "settings that packets notice are told with them"
        assert all(text.isprintable() and "\ufffd" not in text for text in rest | told)
        named = {setting.partition("=")[0] for each in found.findings for setting in each.settings}
        if not changes:
            assert not named
        elif len(differing(changes)) <= 12:
            assert named == {change.item.partition("=")[0] for change in changes}
        else:
            assert named
