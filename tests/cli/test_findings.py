"""Findings as text, JSON, SARIF and workflow commands."""

from __future__ import annotations

from compiler.cli.report import _annotation, _data, _sarif, merged
from compiler.model.finding import Code, Finding, Place, Severity
from tests.cli.support import Site

PLACE = Place("a b/p,1:x.yml", 3, 5, 4)
FOUND = Finding(Code.P104, "unknown 100%\r\n\x1bthing: a, b", place=PLACE, hint="try")

BAD = "- hosts: all\n  passthrough:\n    wiregaurd: pass\n    pptp: pass\n"


def test_text_shows_the_line_and_marks_the_spot(site: Site) -> None:
    site.write({"policy.yml": BAD})
    result = site.run("validate")
    assert result.out == ""
    assert result.err == (
        "error[P104]: unknown protocol 'wiregaurd'\n"
        "  --> policy.yml:3:5\n"
        "   |\n"
        " 3 |     wiregaurd: pass\n"
        "   |     ^^^^^^^^^ did you mean 'wireguard'?\n"
        "1 error\n"
    )


def test_json_has_the_same_data(site: Site) -> None:
    site.write({"policy.yml": BAD})
    result = site.run("validate", "--output", "json")
    assert (result.code, result.err) == (3, "")
    assert result.json == {
        "schema": "passthru/findings/v1",
        "findings": [
            {
                "code": "P104",
                "severity": "error",
                "message": "unknown protocol 'wiregaurd'",
                "file": "policy.yml",
                "line": 3,
                "column": 5,
                "hint": "did you mean 'wireguard'?",
            }
        ],
    }


def test_sarif_names_rule_level_and_place(site: Site) -> None:
    site.write({"policy.yml": BAD})
    log = site.run("validate", "--output", "sarif").json
    (run,) = log["runs"]
    (result,) = run["results"]
    assert log["version"] == "2.1.0"
    assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"] == "P104"
    assert result["level"] == "error"
    place = result["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "policy.yml"
    assert place["region"] == {"startLine": 3, "startColumn": 5}


def test_sarif_writes_file_names_as_uris() -> None:
    (result,) = _sarif([(FOUND, ())])["runs"][0]["results"]
    uri = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert uri == "a%20b/p%2C1%3Ax.yml"


def test_a_name_that_is_not_utf8_does_no_harm() -> None:
    found = Finding(Code.P100, "cannot read '\udcff'", place=Place("\udcff.yml"))
    (result,) = _sarif([(found, ())])["runs"][0]["results"]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "%FF.yml"


def test_workflow_commands_escape_what_their_syntax_uses() -> None:
    assert _annotation(FOUND, ("r1",)) == (
        "::error title=P104 unknown protocol,file=a b/p%2C1%3Ax.yml,line=3,col=5::"
        "unknown 100%25%0D%0A\ufffdthing: a, b (try) [r1]"
    )


def test_severities_have_their_words() -> None:
    for severity, word in ((Severity.WARNING, "::warning "), (Severity.INFO, "::notice ")):
        assert _annotation(Finding(Code.L601, "x", severity), ()).startswith(word)


def test_the_same_about_many_hosts_is_said_once_sorted_by_place() -> None:
    def about(host: str, line: int) -> Finding:
        return Finding(Code.D501, "open", place=Place("p.yml", line, 1), host=host)

    rows = merged([about("b", 9), about("a", 9), about("a", 2), about("b", 9)])
    assert [(found.place.line, hosts) for found, hosts in rows if found.place] == [
        (2, ("a",)),
        (9, ("b", "a")),
    ]
    assert _data(*rows[1])["hosts"] == ["b", "a"]


def test_how_much_is_said(site: Site) -> None:
    site.write({"policy.yml": "- hosts: all\n  passthrough: {pptp: pass, wireguard: block}\n"})
    assert site.run("validate").codes == ["L601"]
    assert "1 warning, 1 note (passthru -v shows all)" in site.run("validate").err
    assert site.run("-v", "validate").codes == ["L601", "L605"]
    assert site.run("-q", "validate").err == ""
    assert site.run("-q", "validate", "--strict").code == 3


def test_colour_follows_the_flag_on_errors_too(site: Site) -> None:
    site.write({"policy.yml": BAD})
    for command in ("validate", "compile"):
        assert "\x1b[" in site.run("--color", "always", command).err
        assert "\x1b[" not in site.run("--color", "never", command).err
        assert "\x1b[" not in site.run(command).err
