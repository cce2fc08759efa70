"""The command line of the probe: where tokens come from, what is refused, and with which code."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from compiler.catalogue import builtin
from compiler.cli.main import main
from compiler.errors import SecretError
from compiler.probe import token
from compiler.probe.advice import advice_of
from compiler.probe.client import judged
from compiler.probe.player import Said
from compiler.probe.result import FlowResult, Result, State, Way

GOOD = "a token that is long enough"


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv(token.VARIABLE, raising=False)
    return iter(())


def nobody() -> str | None:
    return None


def test_a_token_is_made_that_can_be_typed_and_used() -> None:
    made = token.make()
    assert len(made) == 29
    assert made != token.make()
    assert token.find(None, lambda: made) == made


def test_the_file_wins_over_the_environment(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = tmp_path_factory.mktemp("t") / "token"
    file.write_text(f"  {GOOD}\n")
    monkeypatch.setenv(token.VARIABLE, "another one of that kind")
    assert token.find(str(file), nobody) == GOOD
    assert token.find(None, nobody) == "another one of that kind"


def test_no_token_at_all() -> None:
    assert token.find(None, nobody) is None


@pytest.mark.parametrize(
    "content",
    [b"", b"\n\n", b"short", b"two lines of a token\nare one too many", b"\xff" * 20, b"x" * 2000],
)
def test_what_is_no_token_is_refused_and_not_shown(
    content: bytes, tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path_factory.mktemp("t") / "token"
    file.write_bytes(content)
    for command in (["serve"], ["run", "127.0.0.1"]):
        assert main(["probe", *command, "--token-file", str(file)]) == 3
        printed = "".join(capsys.readouterr())
        assert "error[E873]" in printed
        assert "short" not in printed.replace("shorter", "")
        assert "two lines" not in printed


@pytest.mark.parametrize("name", ["/nonexistent/token", "/", "a\0b"])
def test_a_file_that_cannot_be_read(name: str) -> None:
    with pytest.raises(SecretError) as caught:
        token.find(name, nobody)
    assert caught.value.findings[0].code.name == "E873"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["run", "h", "--protocols", "wiregaurd"], 64, "did you mean 'wireguard'?"),
        (["run", "h", "--protocols", ""], 64, "unknown protocol ''"),
        (["serve", "--protocols", "zzz"], 64, "`passthru protocols` lists them"),
        (["run", "h", "--port", "0"], 64, "--port"),
        (["run", "h", "--timeout", "nan"], 64, "--timeout is not a number"),
        (["run", "h", "--timeout", "600"], 64, "--timeout"),
        (["run", ""], 64, "HOST"),
        (["run", "a\x1bb"], 64, "HOST"),
        (["run"], 64, "HOST"),
        (["serve", "--clients", "0"], 64, "--clients"),
        (["serve", "--address", "no.such.address."], 3, "error[E877]"),
        (["serve", "--address", "192.0.2.99"], 3, "error[E877]"),
        (["run", "no-such-host.invalid"], 5, "error[E871]"),
        (["run", "a..b"], 5, "error[E871]"),
        (["run", "x" * 300], 5, "error[E871]"),
        (["run", "127.0.0.1", "--family", "ipv6"], 5, "error[E871]"),
        (["run", "127.0.0.1", "--port", "1"], 5, "error[E871]"),
    ],
)
def test_bad_input(
    arguments: list[str],
    code: int,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv(token.VARIABLE, GOOD)
    assert main(["probe", *arguments]) == code
    captured = capsys.readouterr()
    assert said in captured.err
    assert "internal error" not in captured.err
    assert GOOD not in captured.err + captured.out


def test_without_a_token_and_a_person_there_is_nothing_to_do(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["probe", "run", "127.0.0.1"]) == 64
    assert "there is no token" in capsys.readouterr().err


def test_there_is_no_way_to_put_the_token_on_the_command_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["probe", "run", "h", "--token", GOOD]) == 64


BACK, OUT = "the server's answers do not come back", "no packet reaches the server"
SEEN = Said(said=2, heard=2, asked=2, answers=2)


@pytest.mark.parametrize(
    ("said", "report", "wanted"),
    [
        (SEEN, {"heard": 2}, (State.PASSED, "", "")),
        (SEEN, {"heard": 1}, (State.LOST, "out", "nothing more reaches the server")),
        (Said(1, 0, 2, 2), {"heard": 1}, (State.LOST, "back", BACK)),
        (Said(1, 0, 2, 2), {}, (State.LOST, "out", OUT)),
        (Said(1, 0, 2, 2, trouble="refused"), {}, (State.LOST, "out", "refused")),
        (Said(not_tried="needs root"), {}, (State.NOT_TRIED, "", "needs root")),
        (Said(1, 0, 2, 2), {"heard": "x", "strays": []}, (State.LOST, "out", OUT)),
    ],
)  # fmt: skip
def test_what_both_ends_saw_is_judged(
    said: Said, report: dict[str, object], wanted: tuple[State, str, str]
) -> None:
    assert judged(said, report) == wanted


def flow(name: str, packets: str, state: State, *, lost: str = "", why: str = "") -> FlowResult:
    protocol = name.partition(".")[0]
    return FlowResult(
        protocol,
        name,
        "ipv4",
        packets,
        state,
        why,
        lost,
        name == "pptp.data",
        packets in ("gre", "ah"),
    )


def test_advice_needs_both_nat_and_a_flow_without_ports() -> None:
    lost = flow("ah.ah", "ah", State.LOST, lost="out", why="no packet reaches the server")
    for seen, words in (("203.0.113.2", True), ("10.0.0.1", False)):
        result = Result((Way("ipv4", "10.0.0.1", seen, "192.0.2.1"),), (lost,))
        said = advice_of(result, builtin())["ah", "ipv4"]
        assert ("cannot work through" in said) is words


def test_the_helper_is_not_blamed_when_control_is_lost() -> None:
    control = flow("pptp.control", "tcp/1723", State.LOST, lost="out", why="refused")
    data = flow("pptp.data", "gre", State.NOT_TRIED)
    said = advice_of(Result((), (control, data)), builtin())["pptp", "ipv4"]
    assert said == "tcp/1723: blocked on the way out: refused."


def test_the_helper_is_not_blamed_when_both_are_lost() -> None:
    """The control connection came up, and broke before its end."""
    control = flow("pptp.control", "tcp/1723", State.LOST, lost="back", why="reset")
    data = flow("pptp.data", "gre", State.LOST, lost="out", why="refused")
    said = advice_of(Result((), (control, data)), builtin())["pptp", "ipv4"]
    assert "passthrough is off" not in said
    assert "tcp/1723: goes out, and is lost on the way back: reset." in said
