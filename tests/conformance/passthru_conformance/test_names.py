"""Whatever a user calls a thing, there is a finding, or a bundle that every tool accepts."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from compiler.build.registry import installed
from compiler.build.site import Request, has_errors, load_site
from compiler.catalogue import builtin
from compiler.errors import PassthruError
from compiler.model.finding import Finding, Severity
from compiler.model.target import Bundle

from . import tools
from .cases import Case
from .names import CANARY, HOSTILE, NFT_KEYWORDS
from .situations import TODAY

_ZONES = {"lan": {"device": "br-lan", "networks": ["192.168.1.0/24"]}, "wan": {"device": "eth0"}}
_WORDS_AT_ONCE = 20


def host(case: Case, **more: Any) -> dict[str, Any]:
    """Give the variables of a router."""
    own = {f"passthru_{name}": value for name, value in case.options.items() if name != "observed"}
    facts = dict(case.facts)
    common = {"passthru_target": case.target, "passthru_zones": _ZONES, "passthru_facts": facts}
    return {**common, **own, **more}


def entry(name: str, *zones: str) -> dict[str, Any]:
    """Give a play entry that carries a name wherever one may stand."""
    reason = f"{{% raw %}}{name}{{% endraw %}}"
    found: dict[str, Any] = {"action": "block", "reason": reason, "log": True}
    return {**found, "from": list(zones)} if zones else found


def placed(findings: Sequence[Finding]) -> None:
    """Hold errors against what a user needs of them."""
    for finding in findings:
        assert finding.message
        assert finding.place or finding.severity is not Severity.ERROR, finding


def compiled(case: Case, folder: Path, hosts: dict[str, Any], plays: list[Any]) -> list[Bundle]:
    """Go the user's way, from files to bundles; refusals must be findings with a place."""
    (folder / "hosts.json").write_text(json.dumps({"all": {"hosts": hosts}}))
    (folder / "policy.json").write_text(json.dumps(plays))
    request = Request((str(folder / "hosts.json"),), (folder / "policy.json",), today=TODAY)
    bundles = []
    try:
        site = load_site(request, installed())
    except PassthruError as error:
        placed(error.findings)
        return []
    target = installed().get(case.target)
    for _, router, findings in site.routers():
        assert all(finding.message for finding in findings)
        if router is None:
            assert has_errors(findings)
            placed(findings)
            continue
        try:
            settings = target.settings(router.intent, router.device)
        except PassthruError as error:
            placed(error.findings)
            continue
        bundle = target.render(settings, router.device)
        assert target.parse(bundle.native_text, router.device) == settings
        bundles.append(bundle)
    return bundles


def judge(bundles: list[Bundle], name: str = "") -> None:
    """Have the tools read the bundles; a hostile name never begins a line or runs in a shell."""
    tools.check_files(bundles)
    for bundle in bundles:
        for file in bundle.files:
            text = file.content.decode()
            assert not any(line.lstrip().startswith(CANARY) for line in text.splitlines())
            if name in HOSTILE[:3] and tools.is_script(file):
                assert name not in text.replace(shlex.quote(name), "")


@tools.needs_shell
@pytest.mark.parametrize("name", HOSTILE, ids=lambda name: ascii(name)[:20])
def test_a_hostile_name_gives_a_finding_or_a_sound_bundle(
    case: Case, name: str, tmp_path: Path
) -> None:
    lan = _ZONES["lan"]
    hosts = {
        "zone": host(case, passthru_zones={name: lan, "wan": _ZONES["wan"]}),
        "interface": host(case, passthru_zones={"lan": {"device": name}, "wan": _ZONES["wan"]}),
        "plain": host(case),
    }
    plays = [
        {"name": name, "hosts": "all", "passthrough": {"pptp": entry(name), "ipsec": "pass"}},
        {"name": name, "hosts": "zone", "passthrough": {"l2tp": entry(name, name)}},
    ]
    bundles = compiled(case, tmp_path, hosts, plays)
    judge(bundles, name)
    judge(compiled(case, tmp_path, {name: host(case)}, plays[:1]), name)
    protocols = {"protocols": {name: {"title": name[:200], "flows": {"main": {"layer4": 94}}}}}
    (tmp_path / "protocols.json").write_text(json.dumps(protocols))
    own = [{"hosts": "all", "passthrough": {name: "block"}}]
    judge(compiled(case, tmp_path, {"plain": host(case)}, own), name)


@tools.needs_shell
def test_every_word_of_nft_is_a_name_like_any_other(case: Case, tmp_path: Path) -> None:
    hosts, plays = {}, []
    for first in range(0, len(NFT_KEYWORDS), _WORDS_AT_ONCE):
        words = NFT_KEYWORDS[first : first + _WORDS_AT_ONCE]
        zones = {
            word: {"device": f"br{number}", "networks": [f"10.0.{number}.0/24"]}
            for number, word in enumerate(words)
        }
        name = f"router{first}"
        hosts[name] = host(case, passthru_zones={**zones, "wan": {"device": "eth0"}})
        passing = {"action": "pass", "from": words[::2]}
        plays.append({"name": words[0], "hosts": name, "passthrough": {"pptp": passing}})
    bundles = compiled(case, tmp_path, hosts, plays)
    judge(bundles)
    protocols = {
        word: {"title": word, "flows": {word: {"layer4": "udp", "ports": [20000 + number]}}}
        for number, word in enumerate(NFT_KEYWORDS)
        if not builtin().get(word)
    }
    (tmp_path / "protocols.json").write_text(json.dumps({"protocols": protocols}))
    own = [{"hosts": "all", "passthrough": dict.fromkeys(protocols, "block")}]
    found = compiled(case, tmp_path, {"plain": host(case)}, own)
    assert found
    judge(found)
