"""Keys for one run: made in memory, handed to the guest in memory, never used again."""

from __future__ import annotations

import base64
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, x25519
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_ENDS = ("server", "client1", "client2")
_DAY = timedelta(days=1)


def make() -> dict[str, Any]:
    """Make what all kinds of tunnel need."""
    return {
        "password": secrets.token_hex(16),
        "wireguard": {end: _wireguard() for end in _ENDS},
        "openvpn": _openvpn(),
    }


def _wireguard() -> dict[str, str]:
    key = x25519.X25519PrivateKey.generate()
    public = key.public_key().public_bytes_raw()
    return {
        "private": base64.b64encode(key.private_bytes_raw()).decode(),
        "public": base64.b64encode(public).decode(),
    }


def _openvpn() -> dict[str, Any]:
    """Make an authority, and a certificate for each end. The names select fixed addresses."""
    authority = ec.generate_private_key(ec.SECP256R1())
    root = _certificate("passthru", authority, "passthru", authority)
    found: dict[str, Any] = {"ca": _pem(root)}
    for end in _ENDS:
        key = ec.generate_private_key(ec.SECP256R1())
        private = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        certificate = _certificate(end, key, "passthru", authority)
        found[end] = {"certificate": _pem(certificate), "key": private.decode()}
    return found


def _certificate(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: str,
    authority: ec.EllipticCurvePrivateKey,
) -> x509.Certificate:
    now = datetime.now(UTC)
    usage = ExtendedKeyUsageOID.SERVER_AUTH if name == "server" else ExtendedKeyUsageOID.CLIENT_AUTH
    signing = name == issuer
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(_name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _DAY)
        .not_valid_after(now + _DAY)
        .add_extension(x509.BasicConstraints(ca=signing, path_length=None), critical=True)
        .add_extension(_usage(signing=signing), critical=True)
    )
    if not signing:
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    return builder.sign(authority, hashes.SHA256())


def _usage(*, signing: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signing,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=not signing,
        key_cert_sign=signing,
        crl_sign=signing,
        encipher_only=False,
        decipher_only=False,
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
