"""Signatures: the marks, the file that sets them, and what rules that ask for marks do."""

from __future__ import annotations

import random
import subprocess
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, reject, settings
from hypothesis import strategies as st

from compiler.errors import TargetError
from compiler.evaluate import Packet, Ruleset
from compiler.model.datapath import DataPath
from compiler.model.device import Device
from compiler.model.effect import Probe, Verdict
from compiler.model.finding import Code
from compiler.model.intent import Action, Decision, Intent
from compiler.model.judge import compare, probes
from compiler.model.protocol import UDP, ByteMatch, Family, Flow, PortRange, Signature
from compiler.prove.lab import missing
from compiler.prove.lab.namespaces import PACKAGES
from compiler.prove.result import Kind, RouterProof
from targets.openwrt import TARGET
from targets.openwrt.fw4 import signatures
from targets.openwrt.fw4.signatures import BITS, Sight
from targets.openwrt.model import base
from targets.openwrt.render import block
from targets.openwrt.settings import Settings
from tests.conformance.passthru_conformance.cases import Case
from tests.conformance.passthru_conformance.situations import Situation, situation
from tests.conformance.passthru_conformance.strategies import situations
from tests.model.flows import ORIGIN
from tests.prove.support import proven, told
from tests.targets.openwrt.support import MODULES, device
from tests.targets.openwrt.test_against_fw4 import JUDGE, differences, listed

KERNEL = missing(tuple(PACKAGES))
FW4 = Case("openwrt", "openwrt", {"release": "24.10", "modules": MODULES, "ipv6": True})
FW3 = Case(
    "openwrt", "openwrt-fw3", {"release": "21.02", "modules": [*MODULES, "xt_u32"], "ipv6": True}
)
ZONES: dict[str, Any] = {
    "lan": {"devices": ["br-lan"], "networks": ["192.168.1.0/24", "fd00:1::/64"]},
    "guest": {"devices": ["br-guest"], "networks": ["192.168.3.0/24"]},
    "wan": {"devices": ["eth1"]},
}


def resolved(protocols: dict[str, Any], case: Case = FW4) -> Situation:
    play = {"name": "a play", "hosts": "all", "passthrough": protocols}
    found = situation(case, {"zones": ZONES, "protocols": {}, "policy": play})
    assert found is not None
    return found


APART = resolved({"ikev1": "block", "ikev2": "pass"})
APART_FW3 = resolved({"ikev1": "block", "ikev2": "pass"}, FW3)
DETECTED: dict[str, Any] = {
    "openvpn": {"action": "block", "detect": "signature"},
    "wireguard": {"action": "block", "from": ["guest"], "detect": "signature"},
    "nebula": {"action": "block", "detect": "signature"},
}
DETECT = resolved({"wireguard": {"action": "block", "from": ["guest"], "detect": "signature"}})


def rules(found: Situation) -> list[str]:
    return [
        f"{section.text('name').removeprefix('passthru ')} {section.text('mark')}".rstrip()
        for section in TARGET.settings(found.intent, found.device).sections
        if section.type == "rule" and section.text("src") == "guest"
    ]


BYTES = st.binary(min_size=1, max_size=20)


@st.composite
def byte_matches(draw: st.DrawFn) -> ByteMatch:
    value = draw(BYTES)
    mask = draw(st.sampled_from([b"\xff" * len(value), b"\xf0" * len(value)]))
    return ByteMatch(draw(st.integers(0, 6)), value, mask)


SIGNATURES = st.builds(
    Signature,
    st.lists(byte_matches(), max_size=2).map(tuple),
    st.none() | st.integers(0, 30),
)
IKE1 = Signature((ByteMatch(17, b"\x10", b"\xf0"),))
NATT1 = Signature((ByteMatch(0, bytes(4), b"\xff" * 4), ByteMatch(21, b"\x10", b"\xf0")))
WIREGUARD = Signature((ByteMatch(0, b"\1\0\0\0", b"\xff" * 4),), 148)
NEBULA = Signature((ByteMatch(0, bytes.fromhex("10" + 14 * "00" + "01"), b"\xff" * 16),))

SIGNED = Signature((ByteMatch(0, b"\x80" + bytes(7), b"\xff" * 8),))


def payload_of(signature: Signature, rng: random.Random) -> bytes | None:
    """Give a random payload that has a signature; nothing where none has it."""
    end = max((m.at + len(m.value) for m in signature.matches), default=0)
    length = signature.payload_length
    found = bytearray(rng.randbytes(end + rng.randrange(20) if length is None else length))
    for match in signature.matches:
        for at, (value, mask) in enumerate(zip(match.value, match.mask, strict=True), match.at):
            if at < len(found):
                found[at] = found[at] & ~mask | value & mask
    return bytes(found) if signature.holds(bytes(found)) else None


def flow_with(signature: Signature | None, port: int = 500) -> Probe:
    flow = Flow("x.y", "x", UDP, (PortRange(port, port),), signature=signature)
    return Probe(flow, Family.IPV4, "lan", "wan", port)


@settings(max_examples=200, deadline=None)
@given(SIGNATURES, SIGNATURES, st.integers(0, 9))
@example(IKE1, NATT1, 1)
@example(IKE1, replace(IKE1, payload_length=17), 1)
@example(replace(IKE1, payload_length=40), Signature((ByteMatch(40, b"x", b"\xff"),)), 1)
def test_one_signature_follows_from_another_for_every_packet(
    known: Signature, asked: Signature, seed: int
) -> None:
    """Whatever else is in a packet with the first, it has the second, or not, as told."""
    found = Sight((), asked).holds(flow_with(known))
    payload = payload_of(known, random.Random(seed))  # noqa: S311 - packets for a test
    if found is not None and payload is not None:
        assert asked.holds(payload) is found
    if known == asked:
        assert found is not False or payload is None


@settings(max_examples=100, deadline=None)
@given(st.lists(SIGNATURES, min_size=1, max_size=3), st.sampled_from([(), (500,), (7, 9)]))
def test_marks_are_read_back_as_they_were_written(found: list[Signature], at: tuple[int]) -> None:
    ports = tuple(PortRange(port, port + 1) for port in at)
    mark = signatures.mark(0, ("x", "y"), [Sight(ports, each) for each in found])
    assert signatures.read([mark.section()]) == (mark,)


def marks_set(ruleset: Ruleset, port: int, payload: bytes) -> int:
    """Give the mark with which a packet arrives at the end of the file."""
    client, server = ip_address("192.0.2.1"), ip_address("192.0.2.2")
    packet = Packet(client, server, UDP, "a", "b", 4000, port, payload, mark=0xFF00_0007)
    found = [bit for bit in (*BITS, 7) if _drops(ruleset, packet, bit)]
    return sum(found)


def _drops(ruleset: Ruleset, packet: Packet, bit: int) -> bool:
    outcome = ruleset.forward(replace(packet, source_port=BITS.index(bit) if bit in BITS else 8))
    assert outcome.verdict is not Verdict.UNKNOWN, outcome.reason
    return outcome.verdict is Verdict.DROP


@pytest.mark.kernel
@pytest.mark.skipif(bool(KERNEL), reason=KERNEL or "-")
@settings(max_examples=25, deadline=None)
@given(st.lists(SIGNATURES, min_size=1, max_size=4, unique=True), st.integers(0, 99))
@example([IKE1, NATT1, WIREGUARD, NEBULA], 7)
@example([SIGNED], 7)
def test_the_file_marks_what_has_the_signatures(found: list[Signature], seed: int) -> None:
    """nft loads the file in the middle of a chain; bits that others have set are left, ours not.

    Behind the file, one rule for each bit drops packets that have it, if it is asked for by the
    source port.
    """
    marks = [
        signatures.mark(n, (str(n),), [Sight((PortRange(500, 510),) if n == 0 else (), each)])
        for n, each in enumerate(found)
    ]
    asking = "".join(
        f"udp sport {n} meta mark and {b:#x} == {b:#x} drop\n" for n, b in enumerate((*BITS, 7))
    )
    hook = "type filter hook forward priority 0;"
    text = f"table inet x {{\nchain f {{ {hook}\n{signatures.text(marks)}{asking}}}\n}}\n"
    ruleset = listed(text)
    assert ruleset is not None, text
    rng = random.Random(seed)  # noqa: S311 - packets for a test
    ours = sum(mark.bit for mark in marks)
    for signature in (*found, Signature(())):
        payload = payload_of(signature, rng)
        for port in (500, 900) if payload is not None else ():
            assert payload is not None
            seen = [each.holds(payload) and (n > 0 or port == 500) for n, each in enumerate(found)]
            wanted = sum(mark.bit for mark, has in zip(marks, seen, strict=True) if has)
            assert marks_set(ruleset, port, payload) == wanted | (0xFF00_0007 & ~ours)


def test_versions_are_told_apart_by_marks_and_passes_come_first() -> None:
    bits = {name: f"{bit:#x}/{bit:#x}" for name, bit in zip(("1", "2"), BITS, strict=False)}
    assert rules(APART) == [
        f"ikev2 ike pass guest to wan any {bits['2']}",
        f"ikev2 natt pass guest to wan any {bits['2']}",
        f"ikev1 ike block guest to wan any {bits['1']}",
        f"ikev1 natt block guest to wan any {bits['1']}",
        "ikev2 tcp pass guest to wan any",
        "ikev2 of ipsec.esp pass guest to wan any",
        "ikev2 of ipsec.esp-udp pass guest to wan any",
    ]


@pytest.mark.parametrize(
    "protocols",
    [
        {"ipsec": "block"},
        {"ikev1": "pass", "ikev2": "pass"},
        {"ikev1": "block", "ikev2": "block"},
        {"wireguard": {"action": "pass", "to": ["198.51.100.0/24"]}},
        {},
    ],
)
def test_where_ports_tell_all_nothing_is_marked(protocols: dict[str, Any]) -> None:
    found = resolved(protocols)
    ours = TARGET.settings(found.intent, found.device)
    assert not [section for section in ours.sections if section.get("mark")]
    paths = [file.path for file in TARGET.render(ours, found.device).files]
    assert paths == ["apply.sh", "firewall.uci"]


def test_what_is_found_on_any_port_comes_last_and_only_where_it_is_blocked() -> None:
    mixed = resolved(
        {
            "wireguard": {"action": "block", "from": ["guest"], "detect": "signature"},
            "openvpn": "pass",
        }
    )
    assert rules(mixed)[-1] == "wireguard detect guest to wan any 0x1000000/0x1000000"
    ours = TARGET.settings(mixed.intent, mixed.device).sections
    assert [s.text("chain") for s in ours if s.type == "include"] == ["forward_guest"]


def test_the_file_is_named_after_what_it_holds() -> None:
    bundle = TARGET.render(TARGET.settings(APART.intent, APART.device), APART.device)
    (file,) = [each for each in bundle.files if each.path.startswith("signatures-")]
    assert file.path == f"signatures-{file.sha256[:16]}.rules"
    assert f"'/etc/passthru/{file.path}'" in bundle.native_text
    assert b"drop" not in file.content
    assert b"accept" not in file.content


def many(count: int) -> Intent:
    found = [
        Decision(
            f"p{number:02}", Action.BLOCK, (Flow("x", "x", UDP, (PortRange(number, number),)),),
            ORIGIN, detect=((UDP, Signature((ByteMatch(0, bytes([number]), b"\xff"),))),),
        )
        for number in range(1, count + 1)
    ]  # fmt: skip
    return Intent("r1", tuple(found))


def test_more_kinds_than_bits_are_refused() -> None:
    assert len(TARGET.settings(many(8), device()).sections) > 8
    with pytest.raises(TargetError) as caught:
        TARGET.settings(many(10), device())
    codes = [(found.code, found.protocol) for found in caught.value.findings]
    assert codes == [(Code.T406, "p09"), (Code.T406, "p10")]


def test_fw3_needs_the_match_that_looks_into_packets() -> None:
    for found in (APART, DETECT):
        with pytest.raises(TargetError) as caught:
            TARGET.settings(found.intent, device("21.02", modules=MODULES))
        assert {each.code for each in caught.value.findings} == {Code.T405}
        assert "opkg install iptables-mod-u32" in caught.value.findings[0].hint
    bundle = TARGET.render(TARGET.settings(APART.intent, device("19.07")), device("19.07"))
    texts = {file.path: file.content.decode() for file in bundle.files}
    assert set(texts) == {"apply.sh", "firewall.uci", "packages"}
    assert texts["packages"] == "iptables-mod-u32\n"
    assert "/sys/module/xt_u32" in texts["apply.sh"]
    plain = TARGET.settings(resolved({"ipsec": "block"}).intent, device("21.02", modules=MODULES))
    assert "xt_u32" not in TARGET.render(plain, device("21.02")).files[0].content.decode()


@pytest.mark.parametrize("router", [device(), device("21.02")])
def test_what_runs_already_is_not_found(router: Device) -> None:
    assert [n.code for n in TARGET.notes(DETECT.intent, router)] == [Code.D505]
    assert not TARGET.notes(APART.intent, router)


def verdicts(text: str, router: Device = APART.device) -> dict[str, Verdict]:
    ours = TARGET.parse(text, router)
    asked = [p for p in probes(APART.intent, router) if p.source == "guest"]
    return {e.probe.flow.id: e.verdict for e in TARGET.effects(ours, router, asked)}


def printed(found: Situation) -> str:
    return TARGET.render(TARGET.settings(found.intent, found.device), found.device).native_text


IKE = {"ikev1.ike", "ikev1.natt", "ikev2.ike", "ikev2.natt"}
UNTOUCHED = {
    "ikev1.ike": Verdict.DROP, "ikev1.natt": Verdict.DROP,
    "ikev2.ike": Verdict.PASS, "ikev2.natt": Verdict.PASS,
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "sure"),
    [
        (("", ""), True),
        (("17=10/f0", "17=20/f0"), False),
        (("chain-pre", "chain-post"), False),
        (("'forward_guest'", "'forward_lan'"), False),
        (("option type 'nftables'", "option type 'nftables'\n\toption enabled '0'"), False),
        (("/etc/passthru/", "/etc/other/"), False),
        (("option seen '500:any:17=10/f0", "option seen '500:any"), False),
        (("mark '0x1000000/0x1000000'", "mark '!0x0/0x1000000'"), True),
        (("mark '0x1000000/0x1000000'", "mark '0x1000000/0x3000000'"), True),
    ],
)
def test_a_mark_that_nobody_can_be_sure_of_is_unknown(change: tuple[str, str], sure: bool) -> None:  # noqa: FBT001 - a table
    text = printed(APART)
    assert change[0] in text or "option seen" in change[0]
    edited = text.replace(*change).replace("list seen '500:any:17=10/f0'", "list seen '500:any'")
    found = verdicts(edited if "option seen" in change[0] else text.replace(*change))
    if sure:
        assert {name: found[name] for name in IKE} == UNTOUCHED
    else:
        assert {found[name] for name in IKE} == {Verdict.UNKNOWN}, found
    assert found["ipsec.esp"] is Verdict.PASS


@pytest.mark.parametrize(
    "change",
    [
        ("", ""),
        ("0>>22&0x3C@22&0xf0=0x10", "0>>22&0x3C@22&0xf0=0x20"),
        ("\toption extra '-m conntrack ! --ctstate RELATED,ESTABLISHED'\n", ""),
        ("set_xmark '0x1000000/0x1000000'", "set_xmark '0x2000000/0x2000000'"),
        ("500:any:17=10/f0", "500:any:17=20/f0"),
        ("passthru_signature__ikev1__hidden__0'\n", "passthru_x'\n\toption enabled '0'\n"),
    ],
)
def test_rules_of_fw3_that_set_other_bits_leave_it_unknown(change: tuple[str, str]) -> None:
    """The unchanged text stands for itself; what people change makes marks uncertain."""
    text = printed(replace(APART, device=APART_FW3.device))
    assert change[0] in text
    found = verdicts(text.replace(*change), APART_FW3.device)
    wanted = UNTOUCHED if change == ("", "") else dict.fromkeys(IKE, Verdict.UNKNOWN)
    assert {name: found[name] for name in IKE} == wanted


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(situations(FW4) | situations(FW3))
def test_random_policies(found: Situation) -> None:
    """1. print and read back; 2. merge twice; 3. what deviates is what runs, never what begins."""
    try:
        ours = TARGET.settings(found.intent, found.device)
    except TargetError:
        reject()
    text = TARGET.render(ours, found.device).native_text
    assert TARGET.parse(text, found.device) == ours
    merged = TARGET.merge(ours, "config zone\n\toption name 'lan'\n", found.device)
    assert TARGET.parse(merged, found.device) == ours
    assert TARGET.merge(ours, merged, found.device) == merged
    told_ = compare(
        found.intent, TARGET.effects(ours, found.device, probes(found.intent, found.device))
    )
    assert {each.code for each in told_ if _certain(each.flows, found)} <= {Code.D505, Code.D503}


def _certain(flows: tuple[str, ...], found: Situation) -> bool:
    """Leave out flows of protocols that users define: theirs may share ports with IKE."""
    return all(not name.startswith(("own", "mine")) for name in flows) and bool(found)


@pytest.mark.kernel
@pytest.mark.skipif(bool(KERNEL), reason=KERNEL or "-")
@pytest.mark.parametrize(
    ("protocols", "case"),
    [
        ({"ikev1": "block", "ikev2": "pass"}, FW4),
        ({"ikev1": {"action": "block", "from": ["guest"]}, "ikev2": "block"}, FW3),
        ({"ikev1": "block"}, FW4),
        ({"ikev1": "block", "ikev2": {"action": "pass", "from": ["lan"]}}, FW3),
        (DETECTED, FW4),
        (DETECTED, FW3),
    ],
    ids=str,
)
def test_packets_in_a_kernel_experience_what_is_told(protocols: dict[str, Any], case: Case) -> None:
    found = resolved(protocols, case)
    proof = proven(TARGET, found.device, found.intent)
    assert proof.verdict == "proven", told(proof.differences)
    if "nebula" in protocols:
        assert {c.flow.partition(".")[0] for c in proof.checks if c.kind is Kind.SIGNATURE} == {
            "openvpn", "wireguard", "nebula",
        }  # fmt: skip


def broken(old: str, new: str) -> RouterProof:
    class Other(type(TARGET)):  # type: ignore[misc]
        def data_path(self, settings: Settings, device: Device) -> DataPath:
            path = TARGET.data_path(settings, device)
            assert old in path.nft
            return replace(path, nft=path.nft.replace(old, new))

    return proven(Other(), APART.device, APART.intent)


@pytest.mark.kernel
@pytest.mark.skipif(bool(KERNEL), reason=KERNEL or "-")
def test_a_file_that_marks_other_packets_is_found() -> None:
    kinds = {check.flow for check in broken("& 0xf0 == 0x10", "& 0xf0 == 0x30").differences}
    assert kinds >= {"ikev1.ike", "ikev1.natt"}


def judged(path: Path, text: str, bundle: dict[str, str]) -> str:
    """Have the real fw4 print a ruleset, with the files that the config includes in their place."""
    path.write_text(text)
    places = []
    for name, content in bundle.items():
        (path.parent / name).write_text(content)
        places += ["--file", f"/etc/passthru/{name}={path.parent / name}"]
    done = subprocess.run(
        [JUDGE, path, "--ipv6", *places], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, f"{done.stderr}\n{text}"
    found = done.stdout
    for name, content in bundle.items():
        found = found.replace(f'include "/etc/passthru/{name}"', content)
    return found


@pytest.mark.judge
@pytest.mark.kernel
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(situations(FW4, ZONES), st.integers(0, 99))
@example(APART, 1)
@example(DETECT, 1)
def test_the_real_fw4_puts_the_file_where_we_think(
    tmp_path: Path, found: Situation, seed: int
) -> None:
    """No warning, nft takes it, every name is there, and packets experience what our model says."""
    try:
        ours = TARGET.settings(found.intent, found.device)
    except TargetError:
        reject()
    files = {
        file.path: file.content.decode()
        for file in TARGET.render(ours, found.device).files
        if file.path.startswith("signatures-")
    }
    text = block(Settings(tuple(base(found.device)))) + block(ours)
    printed_ = judged(tmp_path / "firewall", text, files)
    for name in {section.text("name") for section in ours.sections} - {""}:
        assert f'"!fw4: {name}' in printed_
    theirs, mine = listed(printed_), listed(TARGET.data_path(ours, found.device).nft)
    assert theirs is not None
    assert mine is not None
    wrong, certain = differences(theirs, mine, 60)
    assert not wrong
    assert certain > 20
    rng = random.Random(seed)  # noqa: S311 - packets for a test
    for packet in with_signatures(found.intent, rng):
        expected, got = theirs.forward(packet), mine.forward(packet)
        assert got.verdict is expected.verdict, f"{packet}: {expected.because} {got.because}"


def with_signatures(intent: Intent, rng: random.Random) -> list[Packet]:
    seen = [s for d in intent.decisions for layer4, s in d.detect if layer4 == UDP]
    seen += [f.signature for d in intent.decisions for f in d.flows if f.signature]
    payloads = [payload_of(signature, rng) for signature in dict.fromkeys(seen)]
    homes = (("br-lan", "192.168.1.5"), ("br-guest", "192.168.3.5"))
    far = ip_address("8.8.8.8")
    return [
        Packet(
            ip_address(source), far, UDP, iif, "eth1", 4000, port, payload,
            mark=rng.choice((0, 0xFF000000)),
        )
        for payload in payloads
        if payload is not None
        for iif, source in homes
        for port in (500, 4500, 4444, 9)
    ]  # fmt: skip


@pytest.mark.judge
def test_a_file_that_is_gone_leaves_a_firewall(tmp_path: Path) -> None:
    """fw4 warns and leaves the include out: rules that ask for marks then match nothing."""
    config = tmp_path / "firewall"
    config.write_text(block(Settings(tuple(base(APART.device)))) + printed(APART))
    done = subprocess.run([JUDGE, config], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 11
    assert "specifies unreachable path" in done.stderr
    assert "chain forward_guest {" in done.stdout


@pytest.mark.judge
def test_a_zone_that_is_gone_leaves_a_firewall(tmp_path: Path) -> None:
    """The file names no chain: nft would refuse the whole ruleset over one that is not there."""
    sections = [s for s in base(APART.device) if s.text("name") != "wan"]
    bundle = TARGET.render(TARGET.settings(APART.intent, APART.device), APART.device)
    (file,) = [each for each in bundle.files if each.path.startswith("signatures-")]
    config, content = tmp_path / "firewall", tmp_path / file.path
    config.write_text(block(Settings(tuple(sections))) + bundle.native_text)
    content.write_bytes(file.content)
    command = [JUDGE, str(config), "--file", f"/etc/passthru/{file.path}={content}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 11, done.stderr
    assert "chain forward_guest {" in done.stdout
