"""Where the shared token comes from: a file, the environment, a prompt; never the command line."""

from __future__ import annotations

import base64
import os
import secrets
from collections.abc import Callable
from pathlib import Path

from compiler.errors import SecretError
from compiler.model.finding import Code, Place

VARIABLE = "PASSTHRU_PROBE_TOKEN"
#: Shorter ones can be guessed by who has recorded a session.
_LEAST, _MOST = 16, 1024


def make() -> str:
    """Make a token of 120 bits that a person can type."""
    text = base64.b32encode(secrets.token_bytes(15)).decode().lower()
    return "-".join(text[at : at + 4] for at in range(0, len(text), 4))


def find(file: str | None, ask: Callable[[], str | None]) -> str | None:
    """Give the token of the file, of the environment or of the person who is asked.

    Raises:
        SecretError: E873, the file cannot be read, or the token is none.
    """
    if file is not None:
        return _checked(_read(file), Place(file))
    if VARIABLE in os.environ:
        return _checked(os.environ[VARIABLE], Place(f"${VARIABLE}"))
    asked = ask()
    return _checked(asked, None) if asked is not None else None


def _read(file: str) -> str:
    try:
        with Path(file).open("rb") as opened:
            data = opened.read(_MOST + 1)
        return data.decode()
    except UnicodeDecodeError:
        raise SecretError.of(Code.E873, "the token's file is not UTF-8", Place(file)) from None
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else "not a file name"
        message = f"the token's file cannot be read: {why}"
        raise SecretError.of(Code.E873, message, Place(file)) from None


def _checked(text: str, place: Place | None) -> str:
    token = text.strip()
    why = ""
    if not token:
        why = "the token is empty"
    elif len(token) < _LEAST:
        why = f"the token is shorter than {_LEAST} characters, and could be guessed"
    elif len(text) > _MOST:
        why = f"the token is longer than {_MOST} characters"
    elif any(not character.isprintable() for character in token):
        why = "the token is not one line of printable characters"
    if why:
        hint = "`passthru probe serve` makes a token where none is given"
        raise SecretError.of(Code.E873, why, place, hint)
    return token
