"""The users' own protocols: what is taken, and what is refused, with code and place."""

from __future__ import annotations

import re
from importlib import resources
from textwrap import dedent

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.catalogue import Catalogue, builtin, extend
from compiler.errors import PolicyError
from compiler.model.finding import Code, Finding
from compiler.model.protocol import BOTH_FAMILIES, UDP, Family, PortRange
from compiler.source.yaml import Document, loads


def document(text: str, file: str = "protocols/own.yml") -> Document:
    return loads(dedent(text), file)


def extended(*texts: str) -> Catalogue:
    files = [document(text, f"protocols/{i}.yml") for i, text in enumerate(texts)]
    return extend(builtin(), files)


def refused(*texts: str) -> tuple[Finding, ...]:
    with pytest.raises(PolicyError) as caught:
        extended(*texts)
    return caught.value.findings


def said(finding: Finding) -> tuple[str, int, str]:
    assert finding.place is not None
    return (finding.code.name, finding.place.line, finding.message)


def one_flow(flow: str, more: str = "") -> str:
    return f"protocols: {{own: {{title: Own, flows: {{data: {flow}}}{more}}}}}"


MINIMAL = """
    protocols:
      globalprotect:
        title: GlobalProtect
        flows:
          esp-udp: {layer4: udp, ports: [4501]}
          tls: {layer4: tcp, ports: [443], shared: true}
"""
FULL = """
    protocols:
      site-link:
        name: Site link
        title: Our own site link
        aliases: [link]
        part_of: ipsec
        follows_when: [block]
        flows:
          control: {layer4: 6, ports: [7000, "7010-7019"], families: [ipv4], purpose: set-up}
          data: {layer4: 99, carried: true, serves: [ikev2], source: our wiki}
          signed:
            layer4: udp
            ports: [443]
            signature: {bytes: [{at: 2, value: "0AFF", mask: "0fff"}], payload_length: 20}
        helper:
          name: pptp
          layer4: tcp
          port: 7012
          modules: [nf_conntrack_pptp]
          families: [ipv4]
        signatures: [{layer4: tcp, bytes: [{at: 0, value: "ab"}]}]
        movable: true
        security: none
        background: {sends: Packets., instead: Something else.}
        references: [{title: Wiki, url: "https://wiki.example.org/link"}]
"""


def test_a_title_and_flows_are_enough() -> None:
    catalogue = extended(MINIMAL)
    own = catalogue.protocols["globalprotect"]
    assert (own.name, own.title, own.builtin) == ("GlobalProtect", "GlobalProtect", False)
    assert [flow.id for flow in own.flows] == ["globalprotect.esp-udp", "globalprotect.tls"]
    assert own.flows[0].ports == (PortRange(4501, 4501),)
    assert own.flows[0].families == BOTH_FAMILIES
    assert (own.nat4, own.passthrough, own.security) == ("fine", "filters-only", "depends")
    assert (own.part_of, own.helper, own.movable, own.background.sends) == ("", None, False, "")
    assert list(catalogue.protocols) == sorted([*builtin().protocols, "globalprotect"])
    assert "globalprotect" not in builtin().protocols


def test_the_readme_shows_a_file_that_works() -> None:
    readme = resources.files("compiler.catalogue").joinpath("README.md")
    (example,) = re.findall(r"```yaml\n(.*?)```", readme.read_text(encoding="utf-8"), re.DOTALL)
    assert "globalprotect" in extended(example).protocols


def test_every_field_arrives() -> None:
    catalogue = extended(FULL)
    own = catalogue.protocols["site-link"]
    control, data, signed = own.flows
    assert catalogue.get("link") is own
    assert control.ports_text == "tcp/7000,7010-7019"
    assert control.families == {Family.IPV4}
    assert (data.ports_text, data.carried, data.serves) == ("proto-99", True, ("ikev2",))
    assert (control.purpose, data.source) == ("set-up", "our wiki")
    assert signed.signature is not None
    assert signed.signature.payload_length == 20
    assert signed.signature.holds(b"..\xfa\xff" + bytes(16))
    assert not signed.signature.holds(b"..\xfb\xff" + bytes(16))
    assert own.helper is not None
    assert (own.helper.port, own.nat4, own.passthrough) == (7012, "helper", "needed")
    assert own.signatures[0][0] == 6
    assert own.follows_when == {"block"}
    assert [p.id for p in catalogue.lineage("site-link")] == ["site-link", "ipsec"]
    assert (own.background.sends, own.background.nat) == ("Packets.", "")
    assert own.references[0].url == "https://wiki.example.org/link"


def test_files_see_one_another() -> None:
    child = "protocols: {child: {title: C, part_of: globalprotect, flows: {a: {layer4: gre}}}}"
    catalogue = extended(child, MINIMAL)
    assert [p.id for p in catalogue.children("globalprotect")] == ["child"]
    again = extend(catalogue, [document(one_flow("{layer4: 99}"))])
    assert {"own", "child"} <= set(again.protocols)


def test_no_files_change_nothing() -> None:
    assert extend(builtin(), []).protocols == builtin().protocols


@pytest.mark.parametrize(
    ("text", "code", "line", "part"),
    [
        ("", "P106", 1, "empty"),
        ("- a", "P102", 1, "must be a mapping, not a list"),
        ("protocols:", "P102", 1, "must be a mapping, not nothing"),
        ("protocols: {}", "P102", 1, "empty"),
        ("protocols:\n  own: 7", "P102", 2, "must be a mapping"),
        ("protocols:\n  own: {title: Own}", "P102", 2, "lacks 'flows'"),
        ("protocols:\n  own: {title: Own, flows: {}}", "P102", 2, "empty"),
        (one_flow("{layer4: udp, ports: [7], port: 7}"), "P105", 1, "unknown key 'port'"),
        (one_flow("{layer4: udp}"), "P102", 1, "lacks 'ports'"),
        (one_flow("{layer4: 17}"), "P102", 1, "lacks 'ports'"),
        (one_flow("{layer4: udpp, ports: [7]}"), "P102", 1, "udpp"),
        (one_flow("{layer4: 0}"), "P102", 1, "'layer4'"),
        (one_flow("{layer4: 256}"), "P102", 1, "'layer4'"),
        (one_flow("{layer4: udp, ports: 7}"), "P102", 1, "must be a list"),
        (one_flow("{layer4: udp, ports: [http]}"), "P102", 1, "http"),
        (one_flow("{layer4: udp, ports: [true]}"), "P102", 1, "true"),
        (one_flow("{layer4: gre, ports: [7]}"), "P112", 1, "gre has no ports"),
        (one_flow("{layer4: 99, ports: [7]}"), "P112", 1, "proto-99 has no ports"),
        (one_flow("{layer4: udp, ports: [0]}"), "P112", 1, "from 1 to 65535"),
        (one_flow("{layer4: udp, ports: [70000]}"), "P112", 1, "from 1 to 65535"),
        (one_flow("{layer4: udp, ports: [-1]}"), "P112", 1, "from 1 to 65535"),
        (one_flow("{layer4: udp, ports: ['9-99999']}"), "P112", 1, "from 1 to 65535"),
        (one_flow("{layer4: udp, ports: ['20-10']}"), "P112", 1, "write '10-20'"),
        (one_flow("{layer4: tcp, ports: [443]}"), "P117", 1, "tcp/443 carries other traffic"),
        (one_flow("{layer4: udp, ports: ['50-60']}"), "P117", 1, "udp/53 carries"),
        (one_flow("{layer4: gre, carried: true}"), "P117", 1, "carried by a helper"),
        (one_flow("{layer4: gre}", ", nat4: helper"), "P117", 1, "without a helper"),
        (one_flow("{layer4: gre}", ", part_of: ipsek"), "P117", 1, "unknown protocol 'ipsek'"),
        (one_flow("{layer4: gre}", ", part_of: own"), "P117", 1, "own -> own"),
        (one_flow("{layer4: gre}", ", follows_when: [pass]"), "P117", 1, "without 'part_of'"),
        (one_flow("{layer4: gre, serves: [ikev3]}"), "P117", 1, "unknown protocol 'ikev3'"),
        (one_flow("{layer4: gre}", ", aliases: [pptp]"), "P117", 1, "'pptp' is built in"),
        (one_flow("{layer4: gre}", ", aliases: [own]"), "P117", 1, "already defined"),
        (one_flow("{layer4: gre}", ", aliases: [default]"), "P117", 1, "policy language"),
        ("protocols: {default: {title: D, flows: {a: {layer4: gre}}}}", "P117", 1, "'default'"),
        ("protocols: {pptp: {title: P, flows: {a: {layer4: gre}}}}", "P117", 1, "built in"),
        ("protocols: {anyconnect: {title: P, flows: {a: {layer4: gre}}}}", "P117", 1, "built in"),
        (
            one_flow("{layer4: gre, signature: {bytes: [{at: 0, value: ab}]}}"),
            "P117",
            1,
            "end of a UDP or TCP header",
        ),
        (
            one_flow(
                "{layer4: gre}", ", signatures: [{layer4: udp, bytes: [{at: 0, value: abc}]}]"
            ),
            "P102",
            1,
            "right form",
        ),
        (
            one_flow(
                "{layer4: gre}",
                ", signatures: [{layer4: udp, bytes: [{at: 0, value: abcd, mask: ff}]}]",
            ),
            "P117",
            1,
            "different lengths",
        ),
        (
            one_flow(
                "{layer4: tcp, ports: [9]}",
                ", helper: {name: ftp, layer4: tcp, port: 21, modules: [nf_nat_ftp],"
                " families: [ipv4]}",
            ),
            "P117",
            1,
            "reads tcp/21",
        ),
        (
            one_flow(
                "{layer4: tcp, ports: [9]}",
                ", helper: {name: ftp, layer4: tcp, port: 9, modules: [rm], families: [ipv4]}",
            ),
            "P102",
            1,
            "right form",
        ),
    ],
)
def test_bad_files(text: str, code: str, line: int, part: str) -> None:
    findings = refused(text)
    assert [finding.code.name for finding in findings] == [code]
    assert part in said(findings[0])[2]
    assert said(findings[0])[1] == line


def test_a_wrong_key_at_the_top() -> None:
    findings = refused("protocol: {}")
    assert [(f.code.name, f.hint) for f in findings][-1] == ("P105", "did you mean 'protocols'?")


def test_the_whole_file_is_told_in_one_run_at_its_places() -> None:
    text = """
        protocols:
          pptp:
            title: Again
            flows: {a: {layer4: gre}}
          broken: {title: Broken}
          worse:
            title: Worse
            part_of: wiregaurd
            flows:
              a: {layer4: udp, ports: [7, "9-8"]}
              b: {layer4: esp, ports: [7]}
              c: {layer4: tcp, ports: [80]}
    """
    findings = refused(text, MINIMAL, MINIMAL)
    assert [(f.code.name, *said(f)[1:2]) for f in findings] == [
        ("P117", 3),
        ("P102", 6),
        ("P117", 9),
        ("P112", 11),
        ("P112", 12),
        ("P117", 13),
        ("P117", 3),
    ]
    assert findings[2].hint == "did you mean 'wireguard'?"
    assert findings[-1].place is not None
    assert findings[-1].place.file == "protocols/2.yml"
    assert "already defined at protocols/1.yml:3:3" in findings[-1].message


def test_a_ring_of_parents_is_told_once() -> None:
    text = """
        protocols:
          a: {title: A, part_of: b, flows: {x: {layer4: gre}}}
          b: {title: B, part_of: c, flows: {x: {layer4: gre}}}
          c: {title: C, part_of: a, flows: {x: {layer4: gre}}}
          d: {title: D, part_of: a, flows: {x: {layer4: gre}}}
    """
    findings = refused(text)
    assert [said(finding) for finding in findings] == [
        ("P117", 3, "a protocol cannot be part of itself (a -> b -> c -> a)")
    ]


def test_an_alias_as_a_parent_is_answered_with_the_id() -> None:
    (finding,) = refused(one_flow("{layer4: gre}", ", part_of: anyconnect"))
    assert finding.hint == "did you mean 'openconnect'?"


@pytest.mark.parametrize(
    "name",
    ["$(id)", "a b", "A", "1a", "a_b", "a" * 33, "a\n", "a'b", 'a"b', "\N{SNAKE}", "", "-a", "é"],
)
def test_hostile_names_are_refused_everywhere(name: str) -> None:
    good = {"title": "T", "flows": {"a": {"layer4": "gre"}}}
    files = [
        {"protocols": {name: good}},
        {"protocols": {"own": {"title": "T", "flows": {name: {"layer4": "gre"}}}}},
        {"protocols": {"own": good | {"aliases": [name]}}},
        {"protocols": {"own": good | {"part_of": name}}},
    ]
    for data in files:
        with pytest.raises(PolicyError) as caught:
            extend(builtin(), [Document("own.yml", data)])
        assert {finding.code for finding in caught.value.findings} == {Code.P102}


@pytest.mark.parametrize("title", ["two\nlines", "bell\a", "x" * 201, "", "end\n"])
def test_titles_are_one_line(title: str) -> None:
    data = {"protocols": {"own": {"title": title, "flows": {"a": {"layer4": "gre"}}}}}
    with pytest.raises(PolicyError):
        extend(builtin(), [Document("own.yml", data)])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 70000) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["title", "flows", "layer4", "ports", "part_of", "a", "helper", "bytes"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(JSON)
@settings(max_examples=150, deadline=None)
def test_nonsense_gives_findings_not_tracebacks(entry: object) -> None:
    for data in (entry, {"protocols": entry}, {"protocols": {"own": entry}}):
        try:
            extend(builtin(), [Document("own.yml", data)])
        except PolicyError as error:
            findings = error.findings
        else:
            continue
        assert findings


@given(st.integers(1, 65535), st.integers(1, 65535))
@settings(max_examples=100, deadline=None)
def test_ranges_are_taken_unless_backwards_or_shared(first: int, last: int) -> None:
    flow = {"layer4": "udp", "ports": [f"{first}-{last}"]}
    data = {"protocols": {"own": {"title": "T", "flows": {"a": flow}}}}
    wanted = PortRange(first, last)
    bad = first > last or any(wanted.overlaps(s) for s in builtin().shared_ports(UDP))
    try:
        catalogue = extend(builtin(), [Document("own.yml", data)])
    except PolicyError:
        assert bad
    else:
        assert not bad
        assert catalogue.protocols["own"].flows[0].ports == (wanted,)
