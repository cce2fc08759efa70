"""Tokens of nft text, with their lines, and a cursor."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from compiler.errors import NativeError
from compiler.model.finding import Code, Place
from targets.linux.canonical import canonical_value

_TOKEN = re.compile(r'"[^"\n]*"|[{};,]|[^\s{};,"]+')
_Item = TypeVar("_Item")


@dataclass(slots=True)
class Reader:
    """Reads one token after another; every complaint names the line."""

    tokens: list[tuple[str, int]]
    at: int = 0

    @classmethod
    def of(cls, text: str) -> Reader:
        """Cut text into tokens; the end of a line is one, a comment is none."""
        return cls(list(_tokens(text)))

    @property
    def next(self) -> str:
        """The token under the cursor; empty at the end."""
        return self.ahead(0)

    def ahead(self, distance: int) -> str:
        """Look at a later token; empty beyond the end."""
        at = self.at + distance
        return self.tokens[at][0] if at < len(self.tokens) else ""

    def take(self) -> str:
        """Read a token.

        Raises:
            NativeError: T407, there is none.
        """
        token = self.next
        if not token:
            raise self.error("the text ends too early")
        self.at += 1
        return token

    def takes(self, word: str) -> bool:
        """Read a token if it is this word."""
        if self.next != word:
            return False
        self.at += 1
        return True

    def expect(self, *words: str) -> None:
        """Read these words.

        Raises:
            NativeError: T407, there is something else.
        """
        for word in words:
            if not self.takes(word):
                raise self.error(f"expected '{word}', found {self.next!r}")

    def skip_ends(self) -> None:
        """Go to the next token that does not end a line or a statement."""
        while self.next in ("\n", ";"):
            self.at += 1

    def number(self, word: str) -> int:
        """Read a word as a number.

        Raises:
            NativeError: T407, it is none.
        """
        try:
            return int(word, 0)
        except ValueError:
            raise self.error(f"'{word}' is not a number") from None

    def value(self, key: str) -> str:
        """Read a value of an expression, or of several that are joined by dots.

        Raises:
            NativeError: T407, it is no such value.
        """
        parts: list[str] = []
        for expression in key.split(" . "):
            if parts:
                self.skip_ends()
                self.expect(".")
            try:
                parts.append(canonical_value(expression, self.take()))
            except ValueError as error:
                raise self.error(str(error)) from None
        return " . ".join(parts)

    def braced(self, item: Callable[[], _Item]) -> Iterator[_Item]:
        """Read the items of a list whose opening brace has been read."""
        while True:
            self.skip_ends()
            if self.takes("}"):
                return
            if not self.takes(","):
                yield item()

    def error(self, message: str) -> NativeError:
        """Give the error to raise, with the line."""
        line = self.tokens[min(self.at, len(self.tokens) - 1)][1] if self.tokens else 1
        found = NativeError.of(Code.T407, f"nft text: {message}", Place("nft", line))
        return NativeError(found.findings)


def _tokens(text: str) -> Iterator[tuple[str, int]]:
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), 1):
        if line.lstrip().startswith("#"):
            continue
        for found in _TOKEN.finditer(line):
            yield found.group(), number
        yield "\n", number
