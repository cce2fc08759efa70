"""Bad input is normal input: a clear message at its place, exit 3, nothing written.

One table: what is put in place of a file of a valid site, and what must be said about it.
"""

# ruff: noqa: E501 - rows of tables stay on one line

from __future__ import annotations

import itertools

import pytest

from tests.cli.support import HOSTS, ZONES, Site


def _entry(text: str) -> dict[str, str | bytes]:
    """One entry of a play, on line 3."""
    return {"policy.yml": f"- hosts: all\n  passthrough:\n    {text}\n"}


def _host(text: str) -> dict[str, str | bytes]:
    """One host's variables, on line 1."""
    return {"hosts.yml": f"all: {{hosts: {{r1: {{{text}}}}}}}\n"}


def _variable(text: str) -> dict[str, str | bytes]:
    return {"hosts.yml": HOSTS.replace("passthru_target", f"{text}, passthru_target")} | _entry(
        'pptp: {action: pass, to: "{{ v }}"}'
    )


_BOMB = "\n".join(
    [f"a: &a [{','.join('x' * 9)}]"]
    + [f"{b}: &{b} [{','.join([f'*{a}'] * 9)}]" for a, b in itertools.pairwise("abcdefghi")]
)

Case = tuple[dict[str, str | bytes], str, str]
#: By name: files, what the first lines of the message hold, and the place.
CASES: dict[str, Case] = {
    "unknown-key": (_entry("pptp: {action: pass, too: x}"), "P105]: unknown key 'too'", "policy.yml:3:26"),
    "unknown-key-of-a-play": ({"policy.yml": "- hosts: all\n  passthru: {}\n"}, "P105]: unknown key 'passthru'", "policy.yml:2:3"),
    "unknown-protocol": (_entry("wiregaurd: pass"), "P104]: unknown protocol 'wiregaurd'", "policy.yml:3:5"),
    "unknown-protocol-hint": (_entry("wiregaurd: pass"), "did you mean 'wireguard'?", "policy.yml:3:5"),
    "wrong-type-short": (_entry("pptp: 5"), "P102]", "policy.yml:3:11"),
    "wrong-type-long": (_entry("pptp: {action: 5}"), "P102]", "policy.yml:3:20"),
    "wrong-word-short": (_entry("pptp: blok"), "did you mean 'block'?", "policy.yml:3:11"),
    "wrong-word-long": (_entry("pptp: {action: blok}"), "did you mean 'block'?", "policy.yml:3:20"),
    "wrong-type-of-a-list": (_entry("pptp: {action: pass, to: {a: b}}"), "P102]", "policy.yml:3:30"),
    "duplicate-key": (_entry("pptp: pass\n    pptp: block"), "P103]: 'pptp' is written twice", "policy.yml:4:5"),
    "tab": ({"policy.yml": "- hosts: all\n\tpassthrough: {}\n"}, "indent with spaces", "policy.yml:2:1"),
    "not-utf8": ({"policy.yml": b"- hosts: caf\xe9\n"}, "P108]: byte 0xe9 is not UTF-8", "policy.yml:1:13"),
    "utf16": ({"policy.yml": "- hosts: all\n".encode("utf-16")}, "P108]", "policy.yml:1:1"),
    "empty": ({"policy.yml": ""}, "P106]", "policy.yml"),
    "only-comments": ({"policy.yml": "# later\n"}, "P106]", "policy.yml"),
    "a-mapping": ({"policy.yml": "hosts: all\n"}, "P102]: a policy is a list of plays", "policy.yml:1:1"),
    "a-word": ({"policy.yml": "hello\n"}, "P102]", "policy.yml:1:1"),
    "huge": ({"policy.yml": b" " * (50 << 20)}, "P107]: 'policy.yml' is larger than 16 MiB", "policy.yml"),
    "alias-bomb": ({"policy.yml": _BOMB}, "P107]: the aliases expand to", "policy.yml:1:1"),
    "alias-loop": ({"policy.yml": "- &a [*a]\n"}, "P107]: an alias refers to something that contains it", "policy.yml:1:3"),
    "deep": ({"policy.yml": "[" * 100_000}, "P107]: nested deeper", "policy.yml:1:101"),
    "many-documents": ({"policy.yml": "- hosts: all\n---\n- hosts: b\n"}, "P101]", "policy.yml:2:1"),
    "control-character": ({"policy.yml": "- hosts: all\n  name: \x1b[31m\n"}, "P101]: character U+001B", "policy.yml:2:9"),
    "unknown-tag": (_entry("pptp: !!python/name:os.system x"), "P101]: unknown tag", "policy.yml:3:11"),
    "undefined-variable": (_entry('pptp: "{{ nothing }}"'), "V301]: 'nothing' is undefined", "policy.yml:3:11"),
    "template-syntax": (_entry('pptp: "{{ nothing"'), "V302]", "policy.yml:3:11"),
    "template-loop": (_entry('pptp: "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"'), "V304]", "policy.yml:3:11"),
    "template-huge": (_entry("pptp: \"{{ 'x' * 999999999 }}\""), "V304]", "policy.yml:3:11"),
    "template-internals": (_entry("pptp: \"{{ ''.__class__.__mro__ }}\""), "V303]", "policy.yml:3:11"),
    "template-variables-loop": (_variable('v: "{{ w }}", w: "{{ v }}"'), "V306]: variables loop: v -> w -> v", "policy.yml:3:11"),
    "empty-to": (_entry("pptp: {action: pass, to: []}"), "P109]: 'to' is empty", "policy.yml:3:30"),
    "empty-to-by-template": (_variable("v: []"), "P109]: 'to' is empty", "policy.yml:3:30"),
    "empty-to-by-text": (_variable("v: ''"), "P109]: 'to' is empty", "policy.yml:3:30"),
    "nothing-as-to": (_entry("pptp: {action: pass, to: }"), "P109]: 'to' is empty", "policy.yml:3:30"),
    "host-bits": (_entry("pptp: {action: pass, to: 10.0.0.1/8}"), "did you mean 10.0.0.0/8?", "policy.yml:3:30"),
    "conflict": (_entry("openvpn: pass\n    wireguard: {action: block, ports: [udp/1194]}"), "P114]", "policy.yml:4:5"),
    "expired": (_entry("pptp: {action: pass, until: 2001-01-01}"), "P116]", "policy.yml:3:33"),
    "unknown-zone": (_entry("pptp: {action: pass, from: dmz}"), "P111]", "policy.yml:3:32"),
    "unknown-host": ({"policy.yml": "- hosts: nobody\n  passthrough: {pptp: block}\n"}, "I203]", "policy.yml:1:10"),
    "no-target": (_host(f"passthru_zones: {ZONES}"), "I204]: host 'r1' has no target", "hosts.yml:1:15"),
    "unknown-target": (_host(f"passthru_target: linx, passthru_zones: {ZONES}"), "T401]: unknown target 'linx'", "hosts.yml:1:37"),
    "target-of-a-wrong-type": (_host("passthru_target: [linux]"), "I206]", "hosts.yml:1:37"),
    "unknown-variable-of-ours": (_host(f"passthru_mod: x, passthru_target: linux, passthru_zones: {ZONES}"), "did you mean 'passthru_mode'?", "hosts.yml:1:20"),
    "inventory-tab": ({"hosts.yml": "all:\n\thosts:\n"}, "indent with spaces", "hosts.yml:2:1"),
    "inventory-duplicate": ({"hosts.yml": "all: {hosts: {a: {x: 1, x: 2}}}"}, "P103]", "hosts.yml:1:25"),
    "inventory-not-utf8": ({"hosts.yml": b"all: {hosts: {\xff: }}"}, "P108]", "hosts.yml:1:15"),
    "inventory-empty": ({"hosts.yml": ""}, "error[I205]: the inventory holds no hosts", ""),
    "protocols-empty": ({"protocols.yml": ""}, "P106]", "protocols.yml:1:1"),
    "protocols-hostile-id": ({"protocols.yml": 'protocols:\n  "$(id)": {title: x, flows: {a: {layer4: gre}}}\n'}, "P102]", "protocols.yml:2:3"),
    "protocols-id-with-newline": ({"protocols.yml": 'protocols:\n  "mine\\n": {title: x, flows: {a: {layer4: gre}}}\n'}, "P102]", "protocols.yml:2:3"),
    "protocols-built-in": ({"protocols.yml": "protocols:\n  pptp: {title: x, flows: {a: {layer4: gre}}}\n"}, "P117]", "protocols.yml:2:3"),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("command", ["validate", "compile"])
def test_a_clear_message_exit_3_and_nothing_written(site: Site, name: str, command: str) -> None:
    files, message, place = CASES[name]
    site.write(files)
    before = site.names()
    result = site.run(command)
    assert result.code == 3
    assert message in result.err
    assert f"--> {place}\n" in result.err or not place
    assert result.out == ""
    assert site.names() == before
    assert all(char.isprintable() or char == "\n" for char in result.err)


@pytest.mark.parametrize("option", ["--policy", "--inventory"])
def test_folders_and_missing_files(site: Site, option: str) -> None:
    site.write(
        {"empty/readme.txt": "nothing", "policy.yml": "- hosts: all\n  passthrough: {l2tp: keep}\n"}
    )
    before = site.names()
    for path in ("missing.yml", "empty" if option == "--policy" else "no/such"):
        result = site.run("compile", option, path)
        assert result.code == 3
        assert path in result.err
    assert site.names() == before


def test_all_problems_of_all_files_in_one_run(site: Site) -> None:
    site.write(
        {
            "hosts.yml": "all: {hosts: {a: {x: 1, x: 2}}}",
            "policy.yml": "- hosts: all\n  passthrough: {pptp: blok, l2tp: {action: pass, to: []}}\n  zzz: 1\n",
            "protocols.yml": "protocols: {pptp: {title: x, flows: {a: {layer4: gre}}}}",
        }
    )
    result = site.run("validate")
    assert result.codes == ["P103", "P102", "P109", "P105", "P117"]
    assert result.err.endswith("5 errors\n")


def test_semantic_problems_of_all_hosts_are_said_once(site: Site) -> None:
    hosts = "\n".join(
        f"    r{n}: {{passthru_target: linux, passthru_zones: {ZONES}}}" for n in range(5)
    )
    site.write({"hosts.yml": f"all:\n  hosts:\n{hosts}\n"} | _entry('pptp: "{{ nothing }}"'))
    result = site.run("validate")
    assert result.codes == ["V301"]
    assert "[r0, r1, r2 and 2 more]" in result.err
