"""The parts without a guest: archive, kernel, program, configurations, results, words."""

from __future__ import annotations

import json
import lzma
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.model.device import Device
from compiler.model.target import Procedure
from compiler.prove import vpn
from compiler.prove.vpn import (
    FlowCount,
    Outcome,
    Phase,
    VpnError,
    Where,
    kernel,
    keys,
    needs,
    program,
)
from compiler.prove.vpn.guest import ping, syslog, watch
from compiler.prove.vpn.guest.tunnels.table import TUNNELS
from compiler.prove.vpn.initramfs import Entry, archive, shared
from compiler.prove.vpn.kernel import Kernel, boot_modules, dependencies, find
from compiler.prove.vpn.result import classify, read_result
from compiler.prove.vpn.tier import wiring
from tests.conformance.passthru_conformance.cases import Case
from tests.conformance.passthru_conformance.situations import device_of
from tests.prove.vpn.support import PASS, device, ruleset


def test_busybox_reads_the_archive(tmp_path: Path) -> None:
    entries = [
        Entry("init", 0o100755, b"#!/bin/sh\n"),
        Entry("deep/er/file", 0o100644, b"odd"),
        Entry("deep/other", 0o100600, b""),
    ]
    command = ["busybox", "cpio", "-i", "-d"]
    subprocess.run(command, input=archive(entries), cwd=tmp_path, check=True, capture_output=True)
    assert (tmp_path / "deep/er/file").read_bytes() == b"odd"
    assert (tmp_path / "deep/other").stat().st_mode & 0o777 == 0o600
    assert os.access(tmp_path / "init", os.X_OK)


def test_shared_libraries_of_a_dynamic_program_are_found() -> None:
    found = shared(os.path.realpath(sys.executable))
    assert any("libc." in path for path in found)
    assert all(Path(path).is_file() for path in found)


def _kernel(root: Path, modules: dict[str, str], release: str = "6.1.0-1-amd64") -> Kernel:
    folder = root / "lib/modules" / release
    (folder / "kernel").mkdir(parents=True)
    (folder / "modules.dep").touch()
    (folder / "modules.builtin").write_text("kernel/drivers/tun.ko\n", "ascii")
    for name, needed in modules.items():
        content = b"ELF\0license=GPL\0depends=" + needed.encode() + b"\0name=x\0"
        packed = lzma.compress(content) if name.endswith(".xz") else content
        (folder / "kernel" / name).write_bytes(packed)
    (root / "boot").mkdir(exist_ok=True)
    (root / "boot" / f"vmlinuz-{release}").write_bytes(b"MZ")
    return Kernel(release, root / "boot" / f"vmlinuz-{release}", folder)


def test_modules_come_after_what_they_need_and_unpacked(tmp_path: Path) -> None:
    modules = {"9p.ko": "9pnet,netfs", "9pnet.ko": "", "netfs.ko.xz": "fs-cache", "fs-cache.ko": ""}
    found = boot_modules(_kernel(tmp_path, modules), ("9p", "tun"))
    assert [name for name, _ in found] == ["9pnet", "fs_cache", "netfs", "9p"]
    assert all(content.startswith(b"ELF") for _, content in found)


def test_a_module_without_the_word_needs_nothing() -> None:
    assert dependencies(b"\x7fELF") == ()


def test_a_cloud_kernel_is_refused_with_the_reason(tmp_path: Path) -> None:
    boot = dict.fromkeys(["virtio_pci.ko", "9pnet_virtio.ko", "9p.ko", "overlay.ko"], "")
    _kernel(tmp_path, boot, "6.1.0-1-cloud-amd64")
    found, why = find((tmp_path,))
    assert found is None
    assert "6.1.0-1-cloud-amd64: no module ppp_async" in why[0]


def test_the_newest_kernel_is_taken_by_number(tmp_path: Path) -> None:
    names = [
        "virtio_pci",
        "9pnet_virtio",
        "9p",
        "overlay",
        "ppp_async",
        "ppp_mppe",
        "l2tp_ppp",
        "esp4",
        "esp6",
        "wireguard",
        "nf_nat_pptp",
    ]
    for release in ("6.9.0-1-amd64", "6.10.0-1-amd64"):
        _kernel(tmp_path, dict.fromkeys((f"{name}.ko" for name in names), ""), release)
    found, _ = find((tmp_path,))
    assert found is not None
    assert found.release == "6.10.0-1-amd64"


def test_the_program_runs_alone_and_tells_its_failure(tmp_path: Path) -> None:
    """No site-packages, no checkout: the standard library is enough, and nothing is lost."""
    packed, results = tmp_path / "program.pyz", tmp_path / "results"
    packed.write_bytes(program.pack({}))  # a job without anything in it
    command = [sys.executable, "-I", "-S", str(packed), str(results)]
    subprocess.run(command, cwd=tmp_path, check=True, timeout=60)
    events = [json.loads(line) for line in results.read_text("utf-8").splitlines()]
    assert [event["kind"] for event in events] == ["started", "error"]
    assert "KeyError: 'machine'" in events[1]["message"]


def test_the_program_holds_no_key_of_another_run() -> None:
    first, second = keys.make(), keys.make()
    assert first["password"] != second["password"]
    assert first["wireguard"]["server"] != second["wireguard"]["server"]
    assert "PRIVATE KEY" in first["openvpn"]["client1"]["key"]


def test_every_protocol_has_software_and_packages() -> None:
    assert set(needs.PROTOCOLS[Where.MACHINE]) | set(needs.PROTOCOLS[Where.NAMESPACES]) == set(
        TUNNELS
    )
    for tunnel in TUNNELS.values():
        assert tunnel.watches


def _nothing(name: str, root: Path | None = None) -> None:
    """Find no program at all."""


def test_what_is_missing_is_said_with_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(needs, "find_program", _nothing)
    monkeypatch.setattr(kernel, "find", lambda: (None, ("6.1-cloud: no module ppp_async",)))
    said = "\n".join(vpn.missing())
    assert "apt-get install qemu-system-x86" in said
    assert "pptpd" in said
    assert "fetch.sh" in said
    assert "6.1-cloud: no module ppp_async" in said
    with pytest.raises(VpnError) as failed:
        vpn.run((), device())
    assert {finding.code.name for finding in failed.value.findings} == {"E851"}
    assert "apt-get install wireguard-go" in "\n".join(vpn.missing(where=Where.NAMESPACES))


def test_nothing_is_asked_for_that_the_protocol_does_not_need(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(needs, "find_program", _nothing)
    assert "pptpd" not in "\n".join(vpn.missing(("wireguard",)))


@pytest.mark.parametrize(
    ("zones", "word"),
    [
        ({"lan": {}, "wan": {"devices": ["wan"]}}, "LAN"),
        ({"lan": {"devices": ["br-lan"]}, "wan": {}}, "WAN"),
        (
            {
                "lan": {"devices": ["br-lan"], "networks": ["192.168.1.0/29"]},
                "wan": {"devices": ["wan"]},
            },
            "too small",
        ),
    ],
)
def test_a_router_that_cannot_be_put_up_is_refused(zones: dict[str, Any], word: str) -> None:
    with pytest.raises(VpnError, match=word):
        wiring(_device(zones))


def _device(zones: dict[str, Any]) -> Device:
    return device_of(Case("linux", "linux"), zones)


def test_the_lab_takes_the_routers_own_interfaces_and_networks() -> None:
    zones = {
        "lan": {"devices": ["lan7"], "networks": ["10.9.0.0/16"]},
        "wan": {"devices": ["ppp0"]},
    }
    found = wiring(_device(zones))
    assert found == {
        "lan": "lan7", "wan": "ppp0", "lan4": "10.9.0.0/16", "lan6": "2001:db8:1::/64",
    }  # fmt: skip


def test_a_procedure_without_a_script_is_refused() -> None:
    bundle = ruleset("pass", PASS).bundle
    with pytest.raises(VpnError, match="not applied by a script"):
        vpn.ruleset("web interface", bundle, Procedure("http", ()))


_DATA_LOST = (FlowCount("control", 6, 5), FlowCount("data", 20, 0))


@pytest.mark.parametrize(
    ("phase", "flows", "up", "outcome"),
    [
        (Phase.NEW, (FlowCount("tunnel", 5, 5),), True, Outcome.PASSED),
        (Phase.NEW, (FlowCount("tunnel", 5, 0),), False, Outcome.BLOCKED),
        (Phase.NEW, (FlowCount("tunnel", 0, 0),), False, Outcome.BROKEN),
        (Phase.NEW, _DATA_LOST, False, Outcome.PARTLY),
        (Phase.RUNNING, (FlowCount("tunnel", 5, 2),), False, Outcome.CUT),
        (Phase.RUNNING, (FlowCount("tunnel", 5, 5),), True, Outcome.PASSED),
    ],
)
def test_outcomes(phase: Phase, flows: tuple[FlowCount, ...], up: bool, outcome: Outcome) -> None:  # noqa: FBT001
    assert classify(phase, flows, up=up) is outcome


@pytest.mark.parametrize("phase", Phase)
def test_a_server_that_does_not_run_blocks_nothing(phase: Phase) -> None:
    unanswered = (FlowCount("tunnel", 5, 0),)
    assert classify(phase, unanswered, up=False, served=False) is Outcome.BROKEN


def test_a_result_is_read_and_says_what_is_lost() -> None:
    event = {
        "kind": "result",
        "ruleset": 0,
        "protocol": "pptp",
        "client": 2,
        "phase": "new",
        "up": False,
        "served": True,
        "seconds": 12.5,
        "traffic": [
            {"flow": "control", "sent": 6, "back": 5},
            {"flow": "data", "sent": 20, "back": 0},
        ],
        "log": ["pppd: LCP timeout"],
    }
    result = read_result(event, ["first"])
    assert result.flows == _DATA_LOST
    assert (result.ruleset, result.client, result.outcome) == ("first", 2, Outcome.PARTLY)
    assert result.says == "control connects, data is lost"
    assert result.evidence == ("pppd: LCP timeout",)


def test_nft_takes_the_counters_of_every_tunnel() -> None:
    for tunnel in TUNNELS.values():
        done = subprocess.run(
            ["unshare", "--user", "--map-root-user", "--net", "sh", "-c",
             'PATH="$PATH:/usr/sbin"; nft -f - && nft -j list counters'],
            input=watch.table(tunnel.watches),
            capture_output=True,
            text=True,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        counted = watch.read(done.stdout, tunnel.watches)
        assert [flow.flow for flow in counted] == [one.flow for one in tunnel.watches]
        assert all(flow.sent == flow.back == 0 for flow in counted)


@given(st.binary(max_size=64))
def test_checksums_add_up_to_nothing(body: bytes) -> None:
    packet = ping.request(body + b"\0" * (len(body) % 2))
    assert ping.checksum(packet) == 0


def test_only_the_reply_to_the_own_question_counts() -> None:
    header = bytes([0x45, *bytes(19)])
    reply = bytes([0, 0, 0, 0, 0, 1, 0, 2])
    assert ping.is_reply(header + reply, bytes([0, 1, 0, 2]))
    assert not ping.is_reply(header + reply, bytes([0, 1, 0, 3]))
    assert not ping.is_reply(header + b"\x08" + reply[1:], bytes([0, 1, 0, 2]))


def test_a_syslog_line_keeps_what_it_says() -> None:
    said = b"<30>Nov 22 19:00:00 pptp[12]: anon log: call established\0"
    assert syslog.clean(said) == "pptp[12]: anon log: call established"
    assert syslog.clean(b"no priority\n") == "no priority"
