"""Run RouterOS scripts on menus. What is run up to an error stays, as on the router."""

from __future__ import annotations

import re
import time
from collections import ChainMap
from collections.abc import Callable
from dataclasses import dataclass, field

from compiler.embedded.ros.menus import REQUIRED, Entry, Menus, addressed
from compiler.embedded.ros.values import COMPUTED, SIGNS, Value, joined, listed, operated
from compiler.embedded.ros.words import ScriptError, statements, unescaped, words

#: Variables, the innermost block's first.
Scope = ChainMap[str, Value]
_MOST_DEPTH = 20
#: What an entry that never had a property says of it.
_UNSET = {"run-count": "0"}
_CONDITION = re.compile(r"([a-z0-9-]+)(!=|=|~|!~)(.*)", re.DOTALL)


@dataclass(slots=True)
class Machine:
    """A router that runs scripts; ``system`` does what is no entry of a menu.

    ``before`` and ``after`` are told of every command; what ``before`` forbids is not done.
    """

    menus: Menus
    system: Callable[[str, list[str], dict[str, str]], str | None]
    read: Callable[[str], str]
    before: Callable[[str, str], bool] = lambda _menu, _rest: True
    after: Callable[[str, str], None] = lambda _menu, _rest: None
    output: list[str] = field(default_factory=list)
    depth: int = 0
    here: str = "/"

    def run(self, text: str, variables: Scope | None = None) -> str:
        """Run a script; give the value of the last command in it.

        Raises:
            ScriptError: it failed; what was before that has been done.
        """
        self.depth += 1
        if self.depth > _MOST_DEPTH:
            raise ScriptError("failure: scripts nest too deep")
        value, before = "", self.here
        variables = ChainMap() if variables is None else variables
        try:
            for statement in statements(text):
                value = self._statement(statement, variables)
        finally:
            self.depth -= 1
            self.here = before
        return value

    def _statement(self, text: str, variables: Scope) -> str:
        found = words(text)
        if found[0].startswith("{"):
            self._block(found[0], variables)
            return ""
        if found[0].startswith(":"):
            return joined(self._colon(found, variables))
        menu, rest = addressed(self.here, found)
        if not rest:
            self.here = menu
            return ""
        return joined(self._command(menu, rest, variables))

    def _colon(self, found: list[str], variables: Scope) -> Value:
        word, *rest = found
        if word in COMPUTED:
            return COMPUTED[word](*(self.value(part, variables) for part in rest))
        named = dict(part.split("=", 1) for part in rest if re.match(r"[a-z-]+=", part))
        match word:
            case ":put":
                self.output.append(joined(self.value(rest[0], variables)))
            case ":error":
                raise ScriptError(joined(self.value(rest[0], variables)))
            case ":if":
                held = self._holds(rest[0], variables)
                self._block(named.get("do" if held else "else", ""), variables)
            case ":foreach":
                for each in listed(self.value(named["in"], variables)):
                    self._block(named["do"], variables.new_child({rest[0]: each}))
            case ":do":
                self._attempt(rest[0], named, variables)
            case ":local" | ":global" | ":set":
                where = _where(word, rest[0], variables)
                where[rest[0]] = self.value(rest[1], variables) if rest[1:] else ""
            case _ if word not in _QUIET:
                raise ScriptError(f"bad command name {word[1:]}")
        return ""

    def _attempt(self, block: str, named: dict[str, str], variables: Scope) -> None:
        try:
            self._block(block, variables)
        except ScriptError:
            if "on-error" not in named:
                raise
            self._block(named["on-error"], variables)

    def _block(self, text: str, variables: Scope) -> None:
        inside = text.strip()[1:-1] if text.strip().startswith("{") else text
        self.run(inside, variables.new_child())

    def value(self, text: str, variables: Scope) -> Value:
        """Evaluate a word."""
        text = text.strip()
        if text.startswith("[") and text.endswith("]"):
            inside = words(text[1:-1])
            if inside[0].startswith(":"):
                return self._colon(inside, variables)
            menu, rest = addressed(self.here, inside)
            return self._command(menu, rest, variables)
        if text.startswith("(") and text.endswith(")"):
            return self._expression(words(text[1:-1]), variables)
        if text.startswith('"'):
            known = {name: joined(value) for name, value in variables.items()}
            return unescaped(text[1:-1], known)
        if text.startswith("$"):
            return variables.get(text[1:], "")
        return text

    def _holds(self, text: str, variables: Scope) -> bool:
        return joined(self.value(text, variables)) in ("true", "yes")

    def _expression(self, parts: list[str], variables: Scope) -> Value:
        """Evaluate what stands in parentheses; the sign that binds least is split at first."""
        for signs in SIGNS:
            at = next((n for n in reversed(range(len(parts))) if parts[n] in signs), -1)
            if at > 0:
                left = self._expression(parts[:at], variables)
                right = self._expression(parts[at + 1 :], variables)
                return operated(joined(left), parts[at], joined(right))
        if len(parts) != 1:
            raise ScriptError("syntax error: expected an operator")
        return self.value(parts[0], variables)

    def _command(self, menu: str, rest: list[str], variables: Scope) -> Value:
        """Run a command; what stands in brackets in it is about the same menu."""
        outer, self.here = self.here, menu
        try:
            if not self.before(menu, " ".join(rest)):
                return ""
            value = self._perform(menu, rest, variables)
            self.after(menu, " ".join(rest))
            return value
        finally:
            self.here = outer

    def _perform(self, menu: str, rest: list[str], variables: Scope) -> Value:
        verb, *arguments = rest
        if menu not in REQUIRED:
            return self._system(menu, rest, variables)
        match verb:
            case "find":
                return self._find(menu, arguments, variables)
            case "add":
                return self.menus.add(menu, self._properties(arguments, variables))
            case "export":
                self.output += [_header(), *self.menus.export(menu)]
                return ""
            case "print":
                entries = self.menus.of(menu).values()
                self.output += [" ".join(f"{k}={v}" for k, v in e.items()) for e in entries]
                return ""
        return self._on_entries(menu, verb, arguments, variables)

    def _on_entries(self, menu: str, verb: str, arguments: list[str], variables: Scope) -> Value:
        if not arguments:
            raise ScriptError("syntax error: expected item")
        ids = self._ids(menu, arguments[0], variables)
        entries = self.menus.of(menu)
        properties = self._properties(arguments[1:], variables)
        if verb == "get":
            if len(ids) != 1:
                raise ScriptError("no such item")
            return entries[ids[0]].get(arguments[1], _UNSET.get(arguments[1], ""))
        if verb == "move":
            before = properties.get("destination") or (arguments[1:] or [""])[0]
            wanted = self._ids(menu, before, variables) if before else []
            self.menus.move(menu, ids, wanted[0] if wanted else "")
            return ""
        for number in ids:
            self._change(entries, number, verb, properties)
        return ""

    def _change(self, entries: dict[str, Entry], number: str, verb: str, properties: Entry) -> None:
        match verb:
            case "set":
                entries[number].update(properties)
            case "enable" | "disable":
                entries[number]["disabled"] = "yes" if verb == "disable" else "no"
            case "remove":
                del entries[number]
            case "run":
                self.run(entries[number].get("source", ""))
            case _:
                raise ScriptError(f"bad command name {verb}")

    def _properties(self, arguments: list[str], variables: Scope) -> dict[str, str]:
        pairs = (part.partition("=") for part in arguments)
        found = {key: (self.value(text, variables) if e else "") for key, e, text in pairs}
        return {key: joined(value) for key, value in found.items() if key}

    def _ids(self, menu: str, word: str, variables: Scope) -> list[str]:
        """Give the ids that a word means: a list, a place, or a name.

        Raises:
            ScriptError: there is no such entry.
        """
        entries = self.menus.of(menu)
        value = self.value(word, variables)
        found = []
        for each in listed(value):
            named = [n for n, entry in entries.items() if entry.get("name") == each]
            if each in entries:
                found.append(each)
            elif each.isdecimal() and int(each) < len(entries):
                found.append(list(entries)[int(each)])
            elif named:
                found += named
            else:
                raise ScriptError("no such item")
        return found

    def _find(self, menu: str, arguments: list[str], variables: Scope) -> list[str]:
        stated = [word for word in arguments if word != "where"]
        wanted = [group for group in _groups(stated) if group]
        entries = self.menus.of(menu).items()
        return [
            number
            for number, entry in entries
            if not wanted
            or any(all(self._matches(entry, c, variables) for c in group) for group in wanted)
        ]

    def _matches(self, entry: dict[str, str], condition: str, variables: Scope) -> bool:
        match = _CONDITION.fullmatch(condition.strip("()"))
        if match is None:
            name = condition.lstrip("!")
            return (entry.get(name) == "yes") != condition.startswith("!")
        name, sign, text = match.groups()
        value, wanted = entry.get(name, ""), joined(self.value(text, variables))
        if sign in ("~", "!~"):
            return bool(re.search(wanted, value)) == (sign == "~")
        return (value == wanted) == (sign == "=")

    def _system(self, menu: str, rest: list[str], variables: Scope) -> Value:
        plain = [word for word in rest if "=" not in word]
        named = self._properties([word for word in rest if "=" in word], variables)
        if (menu, plain[:1]) == ("/", ["import"]):
            name = named.get("file-name") or joined(self.value((plain[1:] or [""])[0], variables))
            self.run(self.read(name))
            self.output.append("\nScript file loaded and executed successfully")
            return ""
        if plain[:1] == ["export"]:
            self.output += [_header(), *self.menus.export(menu if menu != "/" else "")]
            return ""
        answer = self.system(menu, [joined(self.value(p, variables)) for p in plain], named)
        if answer is None:
            raise ScriptError(f"bad command name {menu.rpartition(' ')[2].lstrip('/') or rest[0]}")
        return answer


def _header() -> str:
    return time.strftime("# %Y-%m-%d %H:%M:%S by RouterOS")


def _where(word: str, name: str, variables: Scope) -> dict[str, Value]:
    """Give the block that a variable is of.

    Raises:
        ScriptError: it was declared in none.
    """
    maps = [dict_ for dict_ in variables.maps if isinstance(dict_, dict)]
    if word == ":local":
        return maps[0]
    found = next((block for block in maps if name in block), None)
    if found is None and word == ":set":
        raise ScriptError("syntax error: no such variable")
    return maps[-1] if found is None else found


#: Commands that do nothing here.
_QUIET = (":delay", ":log")


def _groups(stated: list[str]) -> list[list[str]]:
    """Split conditions at ``or``; what stands between is held together by ``and``."""
    found: list[list[str]] = [[]]
    for word in stated:
        if word == "or":
            found.append([])
        elif word != "and":
            found[-1].append(word)
    return found
