"""HTTPS as routers and controllers have it: a certificate that they sign for themselves."""

from __future__ import annotations

import datetime as dt
import hashlib
import ssl
import tempfile

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def served(name: str) -> tuple[ssl.SSLContext, str]:
    """Give what serves a certificate of its own, and that certificate's fingerprint."""
    certificate, key = self_signed(name)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile() as file:  # ssl reads files only
        file.write(certificate + key)
        file.flush()
        context.load_cert_chain(file.name)
    written = ssl.PEM_cert_to_DER_cert(certificate.decode())
    return context, f"SHA256:{hashlib.sha256(written).hexdigest()}"


def self_signed(name: str, days: int = 3650) -> tuple[bytes, bytes]:
    """Make a certificate that is good for some days from 2020 on, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])
    begin = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + dt.timedelta(days=days))
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM), key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
