"""What tests of the directory share: agencies, sealed files, and certificates that roll over."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from exchange.agency import Agency
from exchange.agency_file import Listing, ordered, write_csv, write_json
from signing.dev_pki import organisation_name
from signing.keys import SigningKey, open_key
from signing.seal import sign_seal
from tests.house import Pki

ISSUER = "danh-ba.mo-phong.vn"


def unit(code: str, name: str = "", **facts: object) -> Agency:
    return Agency(code, name or f"Cơ quan {code} (mô phỏng)", **facts)  # type: ignore[arg-type]


def by_code(*agencies: Agency) -> dict[str, Agency]:
    return {agency.code: agency for agency in agencies}


def sealed(data: bytes, key: SigningKey) -> bytes:
    return sign_seal(hashlib.sha256(data).digest(), key)


def file_of(agencies: Sequence[Agency], *, version: int = 1, issuer: str = ISSUER, form: str = "json") -> bytes:
    listing = Listing(issuer, version, ordered(agencies))
    return write_csv(listing) if form == "csv" else write_json(listing)


def sealing_key(pki: Pki, code: str, target: Path, *, begins: datetime, ends: datetime) -> SigningKey:
    """A further seal key of an agency, certified by the PKI's own issuing CA for this time only."""
    data = (pki.folder / "ca" / "issuing.pem").read_bytes()
    authority, key = x509.load_pem_x509_certificate(data), load_pem_private_key(data, None)
    own = rsa.generate_private_key(65537, 2048)
    name = organisation_name(f"Cơ quan {code} (mô phỏng)", code)
    usage = dict.fromkeys(("key_encipherment", "data_encipherment", "key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"), False)
    certificate = (
        x509.CertificateBuilder(authority.subject, name, own.public_key(), x509.random_serial_number(), begins, ends)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(digital_signature=True, content_commitment=True, **usage), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key()), critical=False)  # type: ignore[arg-type]
        .sign(key, hashes.SHA256())  # type: ignore[arg-type]
    )
    private = own.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    target.write_bytes(private + certificate.public_bytes(Encoding.PEM) + authority.public_bytes(Encoding.PEM))
    return open_key(target)
