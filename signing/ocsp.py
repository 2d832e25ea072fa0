"""ocsp — RFC 6960: answers of a CA about single certificates, checked and turned into `Answer`.

An answer counts when the CA signed it itself, or a responder the CA certified for
that (id-kp-OCSPSigning) whose own state is settled (ocsp-nocheck, or good by CRL).
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from asn1crypto import algos
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from signing.chain import Known, Undecodable, issued, known, weak_key
from signing.der import whole
from signing.errors import NotDer
from signing.revocation import FRESH_WITHOUT_END, Answer

_HASHES: dict[str, hashes.HashAlgorithm] = {"sha256": hashes.SHA256(), "sha384": hashes.SHA384(), "sha512": hashes.SHA512()}
_ARCHIVE_CUTOFF = "1.3.6.1.5.5.7.48.1.6"
_UNDERSTOOD = {"1.3.6.1.5.5.7.48.1.2", _ARCHIVE_CUTOFF}
_BROKEN = (ValueError, TypeError, KeyError, AttributeError, OverflowError, UnsupportedAlgorithm, NotDer, Undecodable, UserWarning)
LARGEST = 1 << 20

StateOf = Callable[[Known, datetime], str]
"""State (``good`` …) of a responder's certificate at a time, asked when it carries no ocsp-nocheck."""


class OcspUnusable(ValueError):
    """Not a successful OCSP response, or not signed by who may answer."""


@functools.lru_cache(maxsize=1024)
def _loaded(der: bytes) -> ocsp.OCSPResponse:
    if len(der) > LARGEST:
        raise OcspUnusable("too large")
    try:
        answer = ocsp.load_der_ocsp_response(der)
        if answer.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
            raise OcspUnusable(f"status {answer.response_status.name}")
        if any(e.critical and e.oid.dotted_string not in _UNDERSTOOD for e in answer.extensions):
            raise OcspUnusable("critical extension")
        return answer
    except _BROKEN as error:
        raise OcspUnusable(f"OCSP not decodable: {error}"[:200]) from error


def nonce_fits(der: bytes, nonce: bytes) -> bool:
    """Does the response carry `nonce`, or none at all (RFC 6960 4.4.1: a responder may leave it out)?

    Raises:
        OcspUnusable: not a successful response.
    """
    return all(e.value.nonce == nonce for e in _loaded(der).extensions if isinstance(e.value, x509.OCSPNonce))


def ocsp_answers(certificate: Known, issuer: Known, answers: Sequence[bytes], *, embedded: bool, state_of: StateOf) -> list[Answer]:
    """What OCSP responses (DER) say about `certificate`, issued by `issuer`; others are passed over."""
    found = []
    number = certificate.certificate.serial_number
    octets = number.to_bytes(number.bit_length() // 8 + 1, "big", signed=True)
    for der in answers:
        if octets not in der:
            continue  # about others: of many kept answers only the right ones are decoded
        try:
            response = _loaded(der)
            # Look whether it is about this certificate before any signature is checked.
            mine = _about(response, certificate, issuer, embedded=embedded)
            if mine:
                check_signer(der, issuer, state_of)
                found += mine
        except OcspUnusable:
            continue
    return found


def _about(response: ocsp.OCSPResponse, certificate: Known, issuer: Known, *, embedded: bool) -> list[Answer]:
    found, cutoff = [], None
    try:
        for single in response.responses:
            if single.serial_number != certificate.certificate.serial_number or not _names_issuer(single, issuer):
                continue
            if single.certificate_status is ocsp.OCSPCertStatus.UNKNOWN:
                continue
            for extension in response.single_extensions if len(list(response.responses)) == 1 else ():
                if extension.oid.dotted_string == _ARCHIVE_CUTOFF and isinstance(extension.value, x509.UnrecognizedExtension):
                    cutoff = whole(extension.value.value).expect(0x18).body
            revoked = single.certificate_status is ocsp.OCSPCertStatus.REVOKED
            found.append(
                Answer(
                    source="embedded OCSP" if embedded else "OCSP",
                    produced_at=single.this_update_utc,
                    until=single.next_update_utc or single.this_update_utc + FRESH_WITHOUT_END,
                    revoked_at=single.revocation_time_utc if revoked else None,
                    reason=(single.revocation_reason.value if single.revocation_reason else "unspecified") if revoked else "",
                    kept_after_expiry=cutoff is not None and cutoff <= certificate.not_after.strftime("%Y%m%d%H%M%SZ").encode(),
                )
            )
    except _BROKEN as error:
        raise OcspUnusable(f"OCSP not decodable: {error}"[:200]) from error
    return found


def _names_issuer(single: ocsp.OCSPSingleResponse, issuer: Known) -> bool:
    name, key = issuer_hashes(issuer, single.hash_algorithm.name)
    return single.issuer_name_hash == name and single.issuer_key_hash == key


@functools.lru_cache(maxsize=512)
def issuer_hashes(issuer: Known, algorithm: str) -> tuple[bytes, bytes]:
    """issuerNameHash and issuerKeyHash of a CertID (RFC 6960 4.1.1).

    Raises:
        ValueError: an algorithm that is not used for this.
    """
    if algorithm not in ("sha1", "sha256", "sha384", "sha512"):
        raise ValueError(f"CertID by {algorithm}")
    return hashlib.new(algorithm, issuer.subject.public_bytes()).digest(), hashlib.new(algorithm, _key_bits(issuer)).digest()


def _key_bits(certificate: Known) -> bytes:
    if certificate.key is None:
        raise ValueError("issuer key")
    # RFC 6960 4.1.1: the subjectPublicKey bits, without the count of unused bits.
    return whole(certificate.key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).children()[1].body[1:]


def check_signer(der: bytes, issuer: Known, state_of: StateOf) -> Known:
    """Gate: the response is signed by `issuer` or by a responder it certified; who signed.

    Raises:
        OcspUnusable: neither.
    """
    try:
        response = _loaded(der)
        signer = _signer(response, issuer)
        if signer is not issuer:
            _check_responder(signer, issuer, response, state_of)
        _check_signature(der, response, signer)
        return signer
    except _BROKEN as error:
        raise OcspUnusable(f"OCSP responder: {error}"[:200]) from error


def _signer(response: ocsp.OCSPResponse, issuer: Known) -> Known:
    for candidate in (issuer, *(known(c) for c in response.certificates)):
        if candidate.fault:
            continue
        by_name = response.responder_name is not None and response.responder_name == candidate.subject
        by_key = response.responder_key_hash is not None and response.responder_key_hash == hashlib.sha1(_key_bits(candidate)).digest()
        if by_name or by_key:
            return candidate
    raise OcspUnusable("no certificate of the responder")


def _check_responder(responder: Known, issuer: Known, response: ocsp.OCSPResponse, state_of: StateOf) -> None:
    problem = issued(responder, issuer)
    if problem:
        raise OcspUnusable(f"responder not certified by the CA: {problem}")
    if responder.extended is None or ExtendedKeyUsageOID.OCSP_SIGNING not in responder.extended:
        raise OcspUnusable("responder without id-kp-OCSPSigning")
    if responder.usage is not None and not responder.usage.digital_signature:
        raise OcspUnusable("key usage of the responder")
    slack = timedelta(minutes=5)
    if not responder.not_before - slack <= response.produced_at_utc <= responder.not_after + slack:
        raise OcspUnusable("responder outside its validity")
    if not responder.no_check and state_of(responder, response.produced_at_utc) != "good":
        raise OcspUnusable("state of the responder's certificate is not known to be good")


def _check_signature(der: bytes, response: ocsp.OCSPResponse, signer: Known) -> None:
    key = signer.key
    if key is None or weak_key(key):
        raise OcspUnusable("responder key")
    data, signature = response.tbs_response_bytes, response.signature
    basic = whole(whole(der).children()[1].children()[0].children()[1].body)
    algorithm = algos.SignedDigestAlgorithm.load(basic.children()[1].raw)
    try:
        if isinstance(key, (ed25519.Ed25519PublicKey, ed448.Ed448PublicKey)):
            key.verify(signature, data)
            return
        digest = _HASHES[algorithm.hash_algo]
        if isinstance(key, ec.EllipticCurvePublicKey) and algorithm.signature_algo == "ecdsa":
            key.verify(signature, data, ec.ECDSA(digest))
        elif isinstance(key, rsa.RSAPublicKey) and algorithm.signature_algo == "rsassa_pkcs1v15":
            key.verify(signature, data, padding.PKCS1v15(), digest)
        elif isinstance(key, rsa.RSAPublicKey) and algorithm.signature_algo == "rsassa_pss":
            salt = algorithm["parameters"]["salt_length"].native
            key.verify(signature, data, padding.PSS(mgf=padding.MGF1(digest), salt_length=salt), digest)
        else:
            raise OcspUnusable("signature algorithm")
    except InvalidSignature as error:
        raise OcspUnusable("signature") from error
