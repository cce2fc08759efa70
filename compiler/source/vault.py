"""Open what ``ansible-vault encrypt`` closed.

The format is public: https://docs.ansible.com/ansible/latest/vault_guide/vault_using_encrypted_content.html
(section "Format of files encrypted with Ansible Vault"): a header line, then hexadecimal text
of salt, HMAC-SHA256 and AES256-CTR ciphertext; keys come from PBKDF2 with 10,000 rounds.
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from compiler.errors import SecretError
from compiler.model.finding import Code, Place

HEADER = "$ANSIBLE_VAULT;"
DEFAULT_LABEL = "default"

_VERSIONS = ("1.1", "1.2")
_ROUNDS = 10_000
_BLOCK_BYTES = 16
_SCRIPT_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Envelope:
    """The parts of one encrypted text; ``label`` is empty before format 1.2."""

    label: str
    salt: bytes
    digest: bytes
    ciphertext: bytes


@dataclass(frozen=True, slots=True)
class PasswordSource:
    """Where one vault password comes from: a text file, or a program that prints it."""

    label: str
    path: Path

    def read(self) -> bytes:
        """Read the password.

        Raises:
            SecretError: V305, the file cannot be read, the program fails, or nothing comes out.
        """
        if os.access(self.path, os.X_OK) and self.path.is_file():
            password = self._run().strip(b"\r\n")
        else:
            password = self._bytes().strip()
        if not password:
            raise SecretError.of(Code.V305, f"the vault password in '{self.path}' is empty")
        return password

    def _bytes(self) -> bytes:
        try:
            return self.path.read_bytes()
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "not a valid path"
            raise SecretError.of(
                Code.V305, f"cannot read the vault password file '{self.path}': {reason}"
            ) from None

    def _run(self) -> bytes:
        import subprocess  # noqa: PLC0415 - rarely needed

        command = [str(self.path.absolute())]
        if self.path.stem.endswith("-client"):
            command += ["--vault-id", self.label]
        try:
            done = subprocess.run(
                command, stdout=subprocess.PIPE, check=True, timeout=_SCRIPT_SECONDS
            )
        except OSError as error:
            raise SecretError.of(
                Code.V305,
                f"cannot run the vault password program '{self.path}': {error.strerror}",
                hint="if it is a plain file, remove its executable bit",
            ) from None
        except subprocess.SubprocessError:
            raise SecretError.of(
                Code.V305, f"the vault password program '{self.path}' failed"
            ) from None
        return done.stdout


class VaultKeys:
    """The passwords of this run. They are read when the first vault is opened, not before."""

    def __init__(self, passwords: Iterable[tuple[str, bytes | PasswordSource]] = ()) -> None:
        """Keep ``(label, password or its source)`` pairs in the order they are tried."""
        self._passwords = list(passwords)
        self._opened: dict[bytes, str] = {}

    def __repr__(self) -> str:
        labels = ", ".join(label for label, _ in self._passwords)
        return f"<vault keys: {labels or 'none'}>"

    def __reduce__(self) -> tuple[type[VaultKeys], tuple[()]]:
        return (VaultKeys, ())

    @classmethod
    def from_options(
        cls,
        password_files: Iterable[str] = (),
        vault_ids: Iterable[str] = (),
        environment: Mapping[str, str] | None = None,
    ) -> VaultKeys:
        """Take ``--vault-password-file`` and ``--vault-id`` values and Ansible's variables.

        The variables are ``ANSIBLE_VAULT_IDENTITY_LIST`` and ``ANSIBLE_VAULT_PASSWORD_FILE``;
        ``environment`` is ``os.environ`` unless given.

        Raises:
            SecretError: V305, a file that is not there, or a prompt (which nobody answers).
        """
        environment = os.environ if environment is None else environment
        identities = [*environment.get("ANSIBLE_VAULT_IDENTITY_LIST", "").split(","), *vault_ids]
        files = [environment.get("ANSIBLE_VAULT_PASSWORD_FILE", ""), *password_files]
        labelled = [_split_label(text.strip()) for text in identities if text.strip()]
        labelled += [(DEFAULT_LABEL, path) for path in files if path]
        return cls([(label, _password_source(label, path)) for label, path in labelled])

    def open(self, text: str, place: Place | None = None) -> str:
        """Decrypt one vault text. What was opened once is not computed again.

        Raises:
            SecretError: V305, no password, none that fits, or a damaged vault.
        """
        envelope = parse_envelope(text, place)
        known = self._opened.get(envelope.digest)
        if known is not None:
            return known
        if not self._passwords:
            raise SecretError.of(
                Code.V305,
                "no vault password was given",
                place,
                "use --vault-password-file, --vault-id or ANSIBLE_VAULT_PASSWORD_FILE",
            )
        plain = self._try_all(envelope)
        if plain is None:
            vault_id = f" (vault id '{envelope.label}')" if envelope.label else ""
            raise SecretError.of(
                Code.V305, f"no vault password given opens this vault{vault_id}", place
            )
        try:
            opened = plain.decode()
        except UnicodeDecodeError:
            raise SecretError.of(Code.V305, "the vault does not hold UTF-8 text", place) from None
        self._opened[envelope.digest] = opened
        return opened

    def _try_all(self, envelope: Envelope) -> bytes | None:
        order = sorted(
            range(len(self._passwords)),
            key=lambda index: self._passwords[index][0] != envelope.label,
        )
        for index in order:
            label, password = self._passwords[index]
            if isinstance(password, PasswordSource):
                password = password.read()
                self._passwords[index] = (label, password)
            plain = _decrypt(envelope, password)
            if plain is not None:
                return plain
        return None


def is_vault(text: str) -> bool:
    """Tell whether a text begins as an encrypted one does."""
    return text.startswith(HEADER)


def parse_envelope(text: str, place: Place | None = None) -> Envelope:
    """Take an encrypted text apart.

    Raises:
        SecretError: V305, it is not a vault, is of another format, or is damaged.
    """
    lines = text.strip().splitlines() or [""]
    header = [part.strip() for part in lines[0].split(";")]
    if header[0] != HEADER[:-1] or len(header) < 3:
        raise SecretError.of(
            Code.V305, "this is no vault text", place, f"it begins with '{HEADER}1.1;AES256'"
        )
    if header[1] not in _VERSIONS or header[2] != "AES256":
        raise SecretError.of(
            Code.V305,
            f"unknown vault format '{';'.join(header[1:3])}'",
            place,
            "re-encrypt it with a current ansible-vault",
        )
    try:
        inner = binascii.unhexlify("".join(line.strip() for line in lines[1:]))
        salt, digest, ciphertext = (binascii.unhexlify(part) for part in inner.split(b"\n", 2))
    except ValueError:
        raise SecretError.of(Code.V305, "the vault text is damaged", place) from None
    return Envelope(header[3] if len(header) > 3 else "", salt, digest, ciphertext)


def _decrypt(envelope: Envelope, password: bytes) -> bytes | None:
    """Give the plain text, or nothing if the password does not fit."""
    keys = hashlib.pbkdf2_hmac("sha256", password, envelope.salt, _ROUNDS, 80)
    digest = hmac.digest(keys[32:64], envelope.ciphertext, "sha256")
    if not hmac.compare_digest(digest, envelope.digest):
        return None
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes  # noqa: PLC0415

    decryptor = Cipher(algorithms.AES(keys[:32]), modes.CTR(keys[64:80])).decryptor()
    padded = decryptor.update(envelope.ciphertext) + decryptor.finalize()
    padding = padded[-1] if padded else 0
    return padded[:-padding] if 0 < padding <= _BLOCK_BYTES else padded


def _split_label(text: str) -> tuple[str, str]:
    label, at, path = text.partition("@")
    return (label or DEFAULT_LABEL, path) if at else (DEFAULT_LABEL, text)


def _password_source(label: str, path: str) -> PasswordSource:
    if path in ("prompt", "prompt_ask_vault_pass"):
        raise SecretError.of(
            Code.V305, f"vault id '{label}' asks for a prompt", hint="give a password file instead"
        )
    source = PasswordSource(label, Path(path).expanduser())
    if not os.path.lexists(source.path):
        raise SecretError.of(Code.V305, f"there is no vault password file '{source.path}'")
    return source


class _Current:
    """The keys that secrets of this process are opened with."""

    keys: VaultKeys | None = None


def use_keys(keys: VaultKeys | None) -> None:
    """Open the secrets of this process with ``keys`` (``None``: with the environment's)."""
    _Current.keys = keys


def current_keys() -> VaultKeys:
    """Give the keys that :func:`use_keys` set, or the environment's."""
    if _Current.keys is None:
        _Current.keys = VaultKeys.from_options()
    return _Current.keys
