"""Reading the files of an inventory: JSON or YAML, as they are or encrypted as a whole."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from compiler.errors import PassthruError, SourceError
from compiler.inventory.layers import InDocument, JsonPlaces
from compiler.inventory.listing import RepeatedKeyError, load_json
from compiler.model.finding import Code, Place
from compiler.source import vault
from compiler.source.nodes import MAX_DEPTH
from compiler.source.secrets import TAGS, conceal
from compiler.source.yaml import loads, read_text


@dataclass(frozen=True, slots=True)
class Text:
    """A file's text; ``encrypted`` tells that it came out of a vault."""

    file: str
    text: str
    encrypted: bool


def read(path: Path) -> Text:
    """Read a file and, if it is a vault, open it.

    Raises:
        SourceError: it cannot be read (P100, P107, P108) or opened (V305).
    """
    file = str(path)
    text = read_text(path, file)
    if not vault.is_vault(text):
        return Text(file, text, encrypted=False)
    return Text(file, vault.current_keys().open(text, Place(file, 1, 1)), encrypted=True)


def parse(content: Text) -> tuple[Any, InDocument, bool]:
    """Load a text as JSON, else as YAML; say where its values stand and whether it is JSON.

    Ansible tries JSON first, too. Values of an encrypted file become secrets.

    Raises:
        SourceError: every problem of the text.
    """
    data, where, is_json = _parse(content)
    if content.encrypted:
        data = conceal(data, where.place)
    return data, where, is_json


def _parse(content: Text) -> tuple[Any, InDocument, bool]:
    if content.text.lstrip()[:1] in ("{", "["):
        try:
            data = load_json(content.text, content.file)
        except RepeatedKeyError as error:
            loads(content.text, content.file, TAGS)  # knows the place, and raises
            message = f"'{error}' is written twice"
            raise SourceError.of(Code.P103, message, Place(content.file)) from None
        except RecursionError:
            raise _too_deep(content.file) from None
        except ValueError:
            pass
        else:
            check_json(data, content.file)
            return data, InDocument(JsonPlaces(content.file, content.text)), True
    document = loads(content.text, content.file, TAGS)
    return document.data, InDocument(document), False


def check_json(data: Any, file: str) -> None:
    """Hold JSON to the bounds that YAML has: depth, and text that is Unicode.

    Raises:
        SourceError: P107 or P108.
    """
    level, depth = [data], 0
    while level:
        depth += 1
        if depth > MAX_DEPTH:
            raise _too_deep(file)
        below: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                below += item.values()
            elif isinstance(item, list):
                below += item
        level = below
    try:
        json.dumps(data, ensure_ascii=False, default=repr).encode()
    except UnicodeEncodeError:
        message = "an escape such as \\ud800 stands for no character"
        raise SourceError.of(Code.P108, message, Place(file)) from None


def _too_deep(file: str) -> PassthruError:
    return SourceError.of(Code.P107, f"nested deeper than {MAX_DEPTH} levels", Place(file))
