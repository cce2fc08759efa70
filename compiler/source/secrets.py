"""Values that nothing shows: ``!vault``, ``!env``, ``!file``, ``!keyring``, encrypted files.

A :class:`Secret` says where its value is and fetches it only when someone calls
:meth:`Secret.reveal`. No repr, text, format, JSON, pickle or traceback holds the value.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, NoReturn

from compiler.errors import PassthruError, SecretError
from compiler.model.finding import Code, Place
from compiler.source import vault

_MAX_FILE_BYTES = 1024 * 1024


class Origin(StrEnum):
    """The kinds of places a secret can be kept in."""

    VAULT = "vault"
    ENVIRONMENT = "env"
    FILE = "file"
    KEYRING = "keyring"
    ENCRYPTED_FILE = "encrypted file"


class Unsafe(str):
    """Text that Ansible's ``!unsafe`` protects: template marks in it mean themselves."""

    __slots__ = ()


class Secret:
    """A value that is fetched when it is needed and never shown.

    Two secrets are equal when they come from the same source, whatever their values are.
    Copies are the secret itself; a pickle holds the source only.
    """

    __slots__ = ("_held", "origin", "place", "reference")

    origin: Origin
    reference: str
    place: Place
    _held: str | None

    def __init__(
        self, origin: Origin, reference: str, place: Place, held: str | None = None
    ) -> None:
        """Describe a secret.

        ``reference`` is what ``origin`` finds it by (vault text, variable name, path,
        ``SERVICE/USER``); ``held`` is the value itself, for encrypted files.
        """
        object.__setattr__(self, "origin", origin)
        object.__setattr__(self, "reference", reference)
        object.__setattr__(self, "place", place)
        object.__setattr__(self, "_held", held)

    def reveal(self) -> str:
        """Fetch the value.

        Raises:
            SecretError: V305 at the place where the secret is written.
        """
        return _REVEAL[self.origin](self)

    # Jinja2's sandbox refuses to call what is marked so: a template may pass a secret
    # on as it is, it may not take it out of its wrapping.
    reveal.unsafe_callable = True  # type: ignore[attr-defined]

    @property
    def source(self) -> str:
        """Where the value is kept, for people: ``!env NAME``, ``!vault`` ..."""
        if self.origin is Origin.VAULT:
            return "!vault"
        if self.origin is Origin.ENCRYPTED_FILE:
            return f"in {self.place}" if self.place.file else "in an encrypted file"
        return f"!{self.origin} {self.reference}"

    def __repr__(self) -> str:
        return f"<secret {self.source}>"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError("a secret cannot be changed")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError("a secret cannot be changed")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._identity == other._identity

    def __hash__(self) -> int:
        return hash(self._identity)

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: object) -> Secret:
        return self

    def __reduce__(self) -> tuple[type[Secret], tuple[Origin, str, Place]]:
        return (Secret, (self.origin, self.reference, self.place))

    @property
    def _identity(self) -> tuple[str, ...]:
        if self.origin is Origin.FILE:
            return (self.origin, str(_path(self)))
        return (self.origin, self.reference)


def conceal(value: Any, place_of: Callable[[tuple[str | int, ...]], Place]) -> Any:
    """Wrap every text and number in a value that came out of an encrypted file.

    ``place_of`` says where the part at a path stands; keys, booleans and nulls stay as
    they are.
    """
    return _conceal(value, (), place_of)


def _conceal(
    value: Any, path: tuple[str | int, ...], place_of: Callable[[tuple[str | int, ...]], Place]
) -> Any:
    if isinstance(value, dict):
        return {key: _conceal(item, (*path, key), place_of) for key, item in value.items()}
    if isinstance(value, list):
        return [_conceal(item, (*path, index), place_of) for index, item in enumerate(value)]
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return value
    place = place_of(path)
    reference = f"{place}:{'.'.join(map(str, path))}"
    return Secret(Origin.ENCRYPTED_FILE, reference, place, str(value))


def plain(value: Any) -> Any:
    """Reveal every secret in a value. For what is sent to a router, never for what is shown.

    Raises:
        SecretError: V305.
    """
    if isinstance(value, Secret):
        return value.reveal()
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value


def public(value: Any, place: Place | None) -> Any:
    """Give a value on if it holds no secret: bundles, manifests and ``explain`` will show it.

    Raises:
        SecretError: V305.
    """
    parts = [value]
    while parts:
        part = parts.pop()
        if isinstance(part, Secret):
            raise SecretError.of(
                Code.V305,
                "a secret cannot be part of a policy or of a router's description: the compiled "
                "files and `explain` would show it",
                place,
                "keep this value in a file that is not encrypted",
            )
        if isinstance(part, dict):
            parts.extend(part.values())
        elif isinstance(part, list):
            parts.extend(part)
    return value


def _from_vault(secret: Secret) -> str:
    return vault.current_keys().open(secret.reference, secret.place)


def _from_environment(secret: Secret) -> str:
    name = secret.reference
    if "\0" in name or "=" in name or not name:
        raise _error(secret, f"'{name}' cannot be the name of an environment variable")
    value = os.environ.get(name)
    if value is None:
        raise _error(secret, f"the environment variable '{name}' is not set")
    return _filled(secret, value)


def _from_file(secret: Secret) -> str:
    path = _path(secret)
    try:
        with path.open("rb") as stream:
            raw = stream.read(_MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a valid path"
        raise _error(secret, f"cannot read '{secret.reference}': {reason}") from None
    if len(raw) > _MAX_FILE_BYTES:
        raise _error(secret, f"'{secret.reference}' is larger than 1 MiB")
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise _error(secret, f"'{secret.reference}' does not hold UTF-8 text") from None
    if vault.is_vault(text):
        text = vault.current_keys().open(text, secret.place)
    return _filled(secret, text.removesuffix("\n").removesuffix("\r"))


def _from_keyring(secret: Secret) -> str:
    try:
        import keyring  # noqa: PLC0415 - optional
    except ImportError:
        raise _error(
            secret, "!keyring needs the package 'keyring'", "pip install 'passthru[keyring]'"
        ) from None
    service, _, user = secret.reference.rpartition("/")
    if not service or not user:
        raise _error(secret, f"'!keyring {secret.reference}' is not SERVICE/USER")
    try:
        value = keyring.get_password(service, user)
    except Exception as error:  # noqa: BLE001 - every backend has exceptions of its own
        raise _error(secret, f"the keyring failed ({type(error).__name__})") from None
    if value is None:
        raise _error(secret, f"the keyring holds nothing for '{secret.reference}'")
    return _filled(secret, str(value))


def _from_encrypted_file(secret: Secret) -> str:
    held = secret._held  # noqa: SLF001 - one class in two halves
    if held is None:
        raise _error(secret, "the value of a secret does not travel between processes")
    return held


def _path(secret: Secret) -> Path:
    """Paths are relative to the file that names them."""
    path = Path(secret.reference)
    if path.parts[:1] and path.parts[0].startswith("~"):
        return path.expanduser()
    return Path(secret.place.file).parent / path


def _filled(secret: Secret, value: str) -> str:
    if not value:
        raise _error(secret, f"{secret.source} is empty")
    return value


def _error(secret: Secret, message: str, hint: str = "") -> PassthruError:
    return SecretError.of(Code.V305, message, secret.place, hint)


_REVEAL: Mapping[Origin, Callable[[Secret], str]] = {
    Origin.VAULT: _from_vault,
    Origin.ENVIRONMENT: _from_environment,
    Origin.FILE: _from_file,
    Origin.KEYRING: _from_keyring,
    Origin.ENCRYPTED_FILE: _from_encrypted_file,
}


def _tag(origin: Origin) -> Callable[[str, Place], object]:
    return lambda text, place: Secret(origin, text, place)


#: What YAML tags make of a scalar: for ``compiler.source.yaml.load(path, TAGS)``.
TAGS: Mapping[str, Callable[[str, Place], object]] = {
    "!vault": _tag(Origin.VAULT),
    "!vault-encrypted": _tag(Origin.VAULT),
    "!env": _tag(Origin.ENVIRONMENT),
    "!file": _tag(Origin.FILE),
    "!keyring": _tag(Origin.KEYRING),
    "!unsafe": lambda text, place: Unsafe(text),  # noqa: ARG005 - the table's signature
}
