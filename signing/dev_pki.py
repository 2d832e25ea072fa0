"""dev_pki — a whole PKI for development and demonstrations. Never for production.

Root → issuing CA → organisation and person certificates (RSA-2048), TLS
certificates (P-256) under a CA of their own, two time-stamp authorities, an OCSP
responder, CRLs.
Keys are written readable by their owner only.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat, load_pem_private_key, pkcs12
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

from signing.checkpoint import LogKey
from signing.cosignature import CosignerKey, Kind, make_keys, save_keys

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
DAY = timedelta(days=1)
HUB_NAME = "Trục liên thông văn bản (mô phỏng)"
P12_PASSWORD = b"vanthu-demo"


@dataclass(frozen=True, slots=True)
class Issuer:
    """A CA that can sign."""

    key: Key
    certificate: x509.Certificate
    crl_url: str = ""
    ocsp_url: str = ""


def make_pki(
    directory: Path,
    *,
    now: datetime,
    agencies: Sequence[tuple[str, str]],
    persons: Sequence[tuple[str, str, str]],
    origin: str = "hub.example.vn/custody/2026",
    hosts: Sequence[str] = (),
    crl_url: str = "",
    ocsp_url: str = "",
) -> None:
    """Write the PKI into `directory`.

    Args:
        agencies: (code, name).
        persons: (slug, full name, agency code).
        origin: name of the custody log.
        hosts: further DNS names for TLS certificates.
        crl_url: where the CRLs are served (``<crl_url>/issuing.crl``), named in certificates; "" names none.
        ocsp_url: of the OCSP responder, named in certificates of the issuing CA; "" names none.
    """
    root = _authority("Root CA công vụ (mô phỏng)", None, now, path_length=1, crl_url=f"{crl_url}/root.crl" if crl_url else "")
    lists = f"{crl_url}/issuing.crl" if crl_url else ""
    issuing = _authority("CA cấp phát (mô phỏng)", root, now, path_length=0, crl_url=lists, ocsp_url=ocsp_url)
    names = dict(agencies)
    trust = directory / "trust"
    _write(trust / "anchors" / "root.pem", _pem(root.certificate))
    _write(trust / "intermediates" / "issuing.pem", _pem(issuing.certificate))
    _save(directory / "ca" / "root.pem", root.key, [root.certificate])
    _save(directory / "ca" / "issuing.pem", issuing.key, [issuing.certificate])
    write_crls(directory, now=now)
    for code, name in agencies:
        key = _rsa()
        certificate = _leaf(issuing, key.public_key(), organisation_name(name, code), now)
        _save(directory / "agencies" / code / "seal.pem", key, [certificate, issuing.certificate], friendly=name)
    for slug, full_name, code in persons:
        key = _rsa()
        certificate = _leaf(issuing, key.public_key(), person_name(full_name, names[code]), now)
        _save(directory / "persons" / f"{slug}.pem", key, [certificate, issuing.certificate], friendly=full_name)
    hub = ec.generate_private_key(ec.SECP256R1())
    certificate = _leaf(issuing, hub.public_key(), organisation_name(HUB_NAME, origin.split("/")[0]), now)
    _save(directory / "hub" / "seal.pem", hub, [certificate, issuing.certificate])
    _write(trust / "hubs", f"{HUB_NAME}\n".encode())
    _log_key(directory, origin)
    for code, _ in agencies:
        _witness_keys(directory / "agencies" / code, code)
    _services(directory, issuing, now)
    _tls(directory, now, [code for code, _ in agencies], hosts)


def write_crls(directory: Path, *, now: datetime, revoked: Sequence[int] = ()) -> None:
    """Issue both CRLs anew (valid 30 days); `revoked` are serial numbers of the issuing CA."""
    for name, serials in (("root", ()), ("issuing", tuple(revoked))):
        path = directory / "ca" / f"{name}.pem"
        data = path.read_bytes()
        issuer = Issuer(_load(data), x509.load_pem_x509_certificate(data))
        builder = x509.CertificateRevocationListBuilder(issuer.certificate.subject, now - timedelta(hours=1), now + 30 * DAY)
        for serial in serials:
            builder = builder.add_revoked_certificate(x509.RevokedCertificateBuilder(serial, now - timedelta(minutes=1)).build())
        builder = builder.add_extension(x509.CRLNumber(int(now.timestamp())), critical=False)
        _write(directory / "trust" / "crls" / f"{name}.crl", builder.sign(issuer.key, hashes.SHA256()).public_bytes(Encoding.DER))


def organisation_name(name: str, code: str) -> x509.Name:
    """Subject of an organisation certificate: the code is its organizationIdentifier."""
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "VN"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, name),
            x509.NameAttribute(NameOID.ORGANIZATION_IDENTIFIER, code),
            x509.NameAttribute(NameOID.COMMON_NAME, name),
        ]
    )


def person_name(full_name: str, organisation: str) -> x509.Name:
    """Subject of a person's certificate: family name first, as Vietnamese names are written."""
    words = full_name.split(" (")[0].split()
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "VN"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation),
            x509.NameAttribute(NameOID.SURNAME, words[0]),
            x509.NameAttribute(NameOID.GIVEN_NAME, " ".join(words[1:]) or words[0]),
            x509.NameAttribute(NameOID.COMMON_NAME, full_name),
        ]
    )


def _rsa() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _authority(name: str, parent: Issuer | None, now: datetime, *, path_length: int, crl_url: str = "", ocsp_url: str = "") -> Issuer:
    key = _rsa()
    subject = x509.Name([x509.NameAttribute(NameOID.COUNTRY_NAME, "VN"), x509.NameAttribute(NameOID.COMMON_NAME, name)])
    if parent is None:
        return Issuer(key, _self_named(subject, key, now, path_length), crl_url, ocsp_url)
    builder = _with_places(_builder(subject, parent.certificate.subject, key.public_key(), now, years=10), parent)
    return Issuer(key, _as_authority(builder, key, parent.key, path_length), crl_url, ocsp_url)


def _with_places(builder: x509.CertificateBuilder, issuer: Issuer) -> x509.CertificateBuilder:
    """Name the places where the issuer's revocation data is to be had."""
    if issuer.crl_url:
        point = x509.DistributionPoint([x509.UniformResourceIdentifier(issuer.crl_url)], None, None, None)
        builder = builder.add_extension(x509.CRLDistributionPoints([point]), critical=False)
    if issuer.ocsp_url:
        access = x509.AccessDescription(AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(issuer.ocsp_url))
        builder = builder.add_extension(x509.AuthorityInformationAccess([access]), critical=False)
    return builder


def _self_named(subject: x509.Name, key: Key, now: datetime, path_length: int) -> x509.Certificate:
    return _as_authority(_builder(subject, subject, key.public_key(), now, years=20), key, key, path_length)


def _as_authority(builder: x509.CertificateBuilder, key: Key, signer: Key, path_length: int) -> x509.Certificate:
    return (
        builder.add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
        .add_extension(_usage(ca=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(_authority_id(signer), critical=False)
        .sign(signer, hashes.SHA256())
    )


def _leaf(
    issuer: Issuer,
    public: rsa.RSAPublicKey | ec.EllipticCurvePublicKey,
    subject: x509.Name,
    now: datetime,
    *,
    extended: x509.ObjectIdentifier | None = None,
    hosts: Sequence[str] = (),
) -> x509.Certificate:
    builder = _with_places(_builder(subject, issuer.certificate.subject, public, now, years=3), issuer)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_usage(ca=False), critical=True)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    builder = builder.add_extension(_authority_id(issuer.key), critical=False)
    if extended is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage([extended]), critical=True)
    if extended == ExtendedKeyUsageOID.OCSP_SIGNING:
        builder = builder.add_extension(x509.OCSPNoCheck(), critical=False)
    if hosts:
        names: list[x509.GeneralName] = [x509.DNSName(host) for host in hosts]
        names += [x509.IPAddress(ipaddress.ip_address(ip)) for ip in ("127.0.0.1", "::1")]
        both = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        builder = builder.add_extension(x509.ExtendedKeyUsage(both), critical=False)
    return builder.sign(issuer.key, hashes.SHA256())


def _builder(
    subject: x509.Name, issuer: x509.Name, public: rsa.RSAPublicKey | ec.EllipticCurvePublicKey, now: datetime, *, years: int
) -> x509.CertificateBuilder:
    return x509.CertificateBuilder(
        subject_name=subject,
        issuer_name=issuer,
        public_key=public,
        serial_number=x509.random_serial_number(),
        not_valid_before=now - DAY,
        not_valid_after=now + years * 365 * DAY,
    )


def _usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not ca,
        content_commitment=not ca,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=ca,
        crl_sign=ca,
        encipher_only=False,
        decipher_only=False,
    )


def _authority_id(key: Key) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())


def _tls(directory: Path, now: datetime, codes: Sequence[str], hosts: Sequence[str]) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "CA kết nối (mô phỏng)")])
    authority = Issuer(key, _self_named(subject, key, now, 0))
    _write(directory / "tls" / "ca.pem", _pem(authority.certificate))
    for stem in ("hub", *codes):
        private = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, stem)])
        own = ["localhost", stem.lower(), *hosts]
        certificate = _leaf(authority, private.public_key(), name, now, hosts=own)
        _save(directory / "tls" / f"{stem}.pem", private, [certificate])


def _services(directory: Path, issuing: Issuer, now: datetime) -> None:
    """Two time-stamp authorities and an OCSP responder."""
    for stem, curve in (("tsa", ec.SECP256R1()), ("tsa2", ec.SECP384R1())):
        tsa = ec.generate_private_key(curve)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{stem.upper()} (mô phỏng)")])
        certificate = _leaf(issuing, tsa.public_key(), subject, now, extended=ExtendedKeyUsageOID.TIME_STAMPING)
        _save(directory / "tsa" / f"{stem}.pem", tsa, [certificate, issuing.certificate])
    responder = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "OCSP (mô phỏng)")])
    certificate = _leaf(issuing, responder.public_key(), subject, now, extended=ExtendedKeyUsageOID.OCSP_SIGNING)
    _save(directory / "ocsp" / "responder.pem", responder, [certificate, issuing.certificate])


def _log_key(directory: Path, origin: str) -> None:
    key = LogKey.generate(origin)
    key.save(directory / "hub" / "log.key")
    for path in (directory / "hub" / "log.vkey", directory / "trust" / "log.vkey"):
        _write(path, (key.vkey() + "\n").encode())
    second = CosignerKey.generate(origin, Kind.ML_DSA_44)
    save_keys(directory / "hub" / "log-second.key", [second])
    _write(directory / "hub" / "log-second.vkey", (second.vkey() + "\n").encode())


def _witness_keys(folder: Path, code: str) -> None:
    """An agency's keys as a witness; both public parts in ``witness.vkey``, Ed25519 first."""
    keys = make_keys(f"{code}.witness.example.vn")
    save_keys(folder / "witness.key", keys)
    _write(folder / "witness.vkey", "".join(key.vkey() + "\n" for key in keys).encode())


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.PEM)


def _load(data: bytes) -> Key:
    key = load_pem_private_key(data, None)
    if not isinstance(key, (rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey)):
        raise TypeError("not a CA key")
    return key


def _save(path: Path, key: Key, certificates: Sequence[x509.Certificate], *, friendly: str = "") -> None:
    data = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + b"".join(_pem(c) for c in certificates)
    _write(path, data, mode=0o600)
    if friendly:
        protected = BestAvailableEncryption(P12_PASSWORD)
        p12 = pkcs12.serialize_key_and_certificates(friendly.encode(), key, certificates[0], certificates[1:], protected)
        _write(path.with_suffix(".p12"), p12, mode=0o600)


def _write(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(data)
