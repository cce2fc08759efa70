"""A secret gives its value to who asks for it, and to nobody else."""

from __future__ import annotations

import copy
import json
import pickle
import sys
import traceback
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType

import pytest

from compiler.errors import PassthruError
from compiler.model.finding import Place
from compiler.source.secrets import TAGS, Origin, Secret, Unsafe, conceal, plain
from compiler.source.template import Templar
from compiler.source.vault import VaultKeys, use_keys
from compiler.source.yaml import loads

VAULTS = Path(__file__).parent / "vaults"
VALUE = "tiger-in-the-tank"


@dataclass
class _Holder:
    secret: Secret


@pytest.fixture(autouse=True)
def _keys() -> Iterator[None]:
    use_keys(VaultKeys([("default", b"correct horse")]))
    yield
    use_keys(None)


@pytest.fixture(params=list(Origin))
def secret(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Secret:
    """One secret of every kind, all of the same value."""
    place = Place(str(tmp_path / "hosts.yml"), 4, 9)
    monkeypatch.setenv("BRANCH_PASSWORD", VALUE)
    (tmp_path / "password.txt").write_text(f"{VALUE}\n", encoding="utf-8")
    keyring = ModuleType("keyring")
    keyring.get_password = lambda *_: VALUE  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "keyring", keyring)
    monkeypatch.setattr(VaultKeys, "open", lambda *_: VALUE)
    reference = {
        Origin.VAULT: "$ANSIBLE_VAULT;1.1;AES256\n00",
        Origin.ENVIRONMENT: "BRANCH_PASSWORD",
        Origin.FILE: "password.txt",
        Origin.KEYRING: "passthru/admin",
        Origin.ENCRYPTED_FILE: "group_vars/all.yml:3:1:password",
    }[request.param]
    held = VALUE if request.param is Origin.ENCRYPTED_FILE else None
    return Secret(request.param, reference, place, held)


def test_reveals(secret: Secret) -> None:
    assert secret.reveal() == VALUE
    assert plain({"a": [secret, 1]}) == {"a": [VALUE, 1]}


def test_nothing_shows_the_value(secret: Secret) -> None:
    secret.reveal()
    shown = [
        repr(secret),
        str(secret),
        f"{secret} {secret!r} {secret:>80}",
        "%s %r" % (secret, [secret]),  # noqa: UP031 - one more way to show things
        repr({"a": (secret,)}),
        json.dumps([secret], default=str),
        pickle.dumps(secret).decode("latin-1"),
        repr(asdict(_Holder(secret))),
        str(Templar({"s": secret}).render("x {{ s }} {{ s | string }} {{ [s] }} {{ s ~ '' }}")),
    ]
    assert not [text for text in shown if VALUE in text]
    with pytest.raises(TypeError):
        json.dumps(secret)
    with pytest.raises(TypeError):
        vars(secret)


def test_templates_pass_secrets_on_but_do_not_open_them(secret: Secret) -> None:
    templar = Templar({"s": secret, "t": "{{ s }}"})
    assert templar.render("{{ t }}") is secret
    with pytest.raises(PassthruError) as error:
        templar.render("{{ s.reveal() }}")
    assert VALUE not in str(error.value)
    with pytest.raises(PassthruError):
        templar.render("{{ s._held }}")


def test_copies_and_equality(secret: Secret) -> None:
    assert copy.copy(secret) is secret
    assert copy.deepcopy([secret])[0] is secret
    again = pickle.loads(pickle.dumps(secret))  # noqa: S301 - our own
    assert again == secret
    assert hash(again) == hash(secret)
    assert secret != Secret(secret.origin, "another", secret.place, VALUE)
    assert secret != VALUE
    with pytest.raises(AttributeError):
        secret.place = Place("x")
    with pytest.raises(AttributeError):
        del secret.reference


def test_a_held_value_does_not_travel() -> None:
    secret = Secret(Origin.ENCRYPTED_FILE, "f:1:1:a", Place("f", 1, 1), VALUE)
    with pytest.raises(PassthruError) as error:
        pickle.loads(pickle.dumps(secret)).reveal()  # noqa: S301 - our own
    assert error.value.findings[0].code.name == "V305"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("!env NO_SUCH_VARIABLE_HERE", "'NO_SUCH_VARIABLE_HERE' is not set"),
        ("!env EMPTY_ONE", "!env EMPTY_ONE is empty"),
        ("!env 'A=B'", "cannot be the name"),
        ("!env ''", "cannot be the name"),
        ("!file missing.txt", "cannot read 'missing.txt'"),
        ("!file .", "cannot read '.'"),
        ("!file empty.txt", "is empty"),
        ("!file bytes.bin", "does not hold UTF-8"),
        ('!file "a\\0b"', "not a valid path"),
        ("!keyring service", "is not SERVICE/USER"),
        ("!keyring service/", "is not SERVICE/USER"),
        ("!vault nonsense", "no vault text"),
    ],
)
def test_failures_have_a_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, message: str
) -> None:
    monkeypatch.setenv("EMPTY_ONE", "")
    monkeypatch.setitem(sys.modules, "keyring", ModuleType("keyring"))
    (tmp_path / "empty.txt").write_text("\n", encoding="utf-8")
    (tmp_path / "bytes.bin").write_bytes(b"\xff\xfe" + VALUE.encode())
    document = loads(f"a:\n  b: {text}\n", str(tmp_path / "x.yml"), TAGS)
    with pytest.raises(PassthruError) as error:
        document.data["a"]["b"].reveal()
    (finding,) = error.value.findings
    assert finding.code.name == "V305"
    assert message in finding.message
    assert finding.place is not None
    assert (finding.place.line, finding.place.column) == (2, 6)
    trace = "".join(traceback.format_exception(error.value))
    assert VALUE not in trace


def test_missing_keyring_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(PassthruError) as error:
        Secret(Origin.KEYRING, "a/b", Place("f")).reveal()
    assert "keyring" in error.value.findings[0].hint


def test_keyring_failures(monkeypatch: pytest.MonkeyPatch) -> None:
    keyring = ModuleType("keyring")
    monkeypatch.setitem(sys.modules, "keyring", keyring)
    for get_password, message in (
        (lambda *_: None, "holds nothing"),
        (lambda *_: 1 / 0, "ZeroDivisionError"),
    ):
        monkeypatch.setattr(keyring, "get_password", get_password, raising=False)
        with pytest.raises(PassthruError) as error:
            Secret(Origin.KEYRING, "a/b/c", Place("f")).reveal()
        assert message in error.value.findings[0].message


def test_file_may_be_a_vault() -> None:
    place = Place(str(VAULTS / "hosts.yml"), 1, 1)
    assert Secret(Origin.FILE, "plain.vault", place).reveal() == "tiger"


def test_yaml_loads_without_a_password() -> None:
    use_keys(VaultKeys())
    vault = (VAULTS / "plain.vault").read_text(encoding="ascii").replace("\n", "\n    ")
    document = loads(f"a: !vault |\n    {vault}\nb: !unsafe '{{{{ x }}}}'\n", "x.yml", TAGS)
    assert isinstance(document.data["a"], Secret)
    assert document.data["b"] == "{{ x }}"
    assert isinstance(document.data["b"], Unsafe)
    use_keys(VaultKeys([("default", b"correct horse")]))
    assert document.data["a"].reveal() == "tiger"


def test_conceal_wraps_text_and_numbers() -> None:
    data = {"a": ["x", 1, 1.5, True, None], "b": {"c": ""}}
    hidden = conceal(data, lambda path: Place("f", len(path)))
    assert [type(item).__name__ for item in hidden["a"]] == ["Secret"] * 3 + ["bool", "NoneType"]
    assert plain(hidden) == {"a": ["x", "1", "1.5", True, None], "b": {"c": ""}}
    assert hidden["a"][0].place == Place("f", 2)
    assert hidden["a"][0] != hidden["a"][1]
