"""Vaults that the real ansible-vault wrote open here, and nothing else does."""

from __future__ import annotations

import os
import pickle
import shutil
import subprocess
from pathlib import Path

import pytest

from compiler.errors import PassthruError
from compiler.model.finding import Place
from compiler.source.vault import VaultKeys, is_vault, parse_envelope

VAULTS = Path(__file__).parent / "vaults"
PASSWORD = str(VAULTS / "password")
OTHER = str(VAULTS / "other-password")
PLAIN = {
    "plain": "tiger",
    "labelled": "zwölf Löwen\nin zwei Zeilen\n",
    "block": "exactly16bytes!!",
}


def _vault(name: str) -> str:
    return (VAULTS / f"{name}.vault").read_text(encoding="ascii")


def _keys(*files: str, ids: tuple[str, ...] = (), **environment: str) -> VaultKeys:
    return VaultKeys.from_options(files, ids, environment)


def _message(error: pytest.ExceptionInfo[PassthruError]) -> str:
    (finding,) = error.value.findings
    assert finding.code.name == "V305"
    return finding.message


@pytest.mark.parametrize("name", PLAIN)
def test_opens_what_ansible_vault_wrote(name: str) -> None:
    keys = _keys(PASSWORD, OTHER)
    assert keys.open(_vault(name)) == PLAIN[name]
    assert keys.open(_vault(name)) == PLAIN[name]


def test_indented_text_opens() -> None:
    indented = "\n".join(f"          {line}" for line in _vault("plain").splitlines())
    assert _keys(PASSWORD).open(indented) == "tiger"


def test_labels_say_which_password_is_tried_first(tmp_path: Path) -> None:
    absent = tmp_path / "soon-gone"
    absent.write_text("x", encoding="utf-8")
    keys = _keys(str(absent), ids=(f"prod@{OTHER}",))
    absent.unlink()
    assert keys.open(_vault("labelled")) == PLAIN["labelled"]


def test_environment_names_password_files() -> None:
    assert _keys(ANSIBLE_VAULT_PASSWORD_FILE=PASSWORD).open(_vault("plain")) == "tiger"
    listed = f"a@{OTHER}, b@{PASSWORD}"
    assert _keys(ANSIBLE_VAULT_IDENTITY_LIST=listed).open(_vault("plain")) == "tiger"


def test_programs_may_print_the_password(tmp_path: Path) -> None:
    program = tmp_path / "ask-client.sh"
    program.write_text('#!/bin/sh\n[ "$*" = "--vault-id prod" ] && echo "battery staple"\n')
    program.chmod(0o755)
    assert _keys(ids=(f"prod@{program}",)).open(_vault("labelled")) == PLAIN["labelled"]


@pytest.mark.parametrize("body", ["exit 3", "true"])
def test_programs_that_fail(tmp_path: Path, body: str) -> None:
    program = tmp_path / "ask"
    program.write_text(f"#!/bin/sh\n{body}\n")
    program.chmod(0o755)
    with pytest.raises(PassthruError) as error:
        _keys(str(program)).open(_vault("plain"))
    assert str(program) in _message(error)


def test_no_password() -> None:
    with pytest.raises(PassthruError) as error:
        _keys().open(_vault("plain"), Place("hosts.yml", 3, 7))
    assert _message(error) == "no vault password was given"
    assert str(error.value.findings[0].place) == "hosts.yml:3:7"


def test_wrong_password_says_nothing_of_it() -> None:
    with pytest.raises(PassthruError) as error:
        _keys(OTHER).open(_vault("plain"))
    assert "battery" not in _message(error)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tiger",
        "$ANSIBLE_VAULT;1.1;AES256",
        "$ANSIBLE_VAULT;1.1;AES256\nzz",
        "$ANSIBLE_VAULT;1.1;AES256\n616263",
        "$ANSIBLE_VAULT;1.0;AES\n616263",
        "$ANSIBLE_VAULT;1.1;AES256\nüü",
    ],
)
def test_damaged(text: str) -> None:
    with pytest.raises(PassthruError) as error:
        parse_envelope(text, Place("f", 1, 1))
    assert _message(error)


def test_changed_bytes_are_noticed() -> None:
    text = _vault("plain")
    changed = text[:-3] + ("0" if text[-3] != "0" else "1") + text[-2:]
    with pytest.raises(PassthruError):
        _keys(PASSWORD).open(changed)


def test_missing_password_file_is_told_at_once() -> None:
    for ids in (("prod@/no/such/file",), ("prompt",), ("prod@prompt",)):
        with pytest.raises(PassthruError) as error:
            _keys(ids=ids)
        assert _message(error)


def test_keys_show_no_password() -> None:
    keys = VaultKeys([("default", b"correct horse")])
    assert keys.open(_vault("plain")) == "tiger"
    for shown in (repr(keys), str(keys), pickle.dumps(keys).decode("latin-1")):
        assert "horse" not in shown
        assert "tiger" not in shown


def test_is_vault() -> None:
    assert is_vault(_vault("labelled"))
    assert not is_vault("all: {}")


@pytest.mark.skipif(not shutil.which("ansible-vault"), reason="ansible-vault is not installed")
@pytest.mark.parametrize("text", ["x", "ü" * 700, "trailing\n\n"])
def test_opens_what_ansible_vault_writes_today(tmp_path: Path, text: str) -> None:
    done = subprocess.run(
        ["ansible-vault", "encrypt", "--vault-password-file", PASSWORD, "--output", "-", "-"],
        input=text.encode(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=True,
        cwd=tmp_path,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
    )
    assert _keys(PASSWORD).open(done.stdout.decode()) == text
