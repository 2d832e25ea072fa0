"""chain — chuỗi chứng thư: decoded certificates and the paths they form up to an anchor (RFC 5280 6).

No time and no revocation here: `paths` says which certificates hang together and
may do so (signature, CA flag, key usage, path length, name constraints). The
search is bounded, whatever certificates a signed file brings along.
"""

from __future__ import annotations

import functools
import ipaddress
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID, NameOID

LONGEST_PATH = 6
LARGEST = 64 * 1024  # bytes of a certificate
MOST_EXTRA = 100  # certificates of a file that are looked at
MOST_STEPS = 200  # signatures tried for one leaf
MOST_PATHS = 16
# RFC 5280 4.2: a critical extension that is not understood refuses the certificate.
_UNDERSTOOD = {
    ExtensionOID.BASIC_CONSTRAINTS.dotted_string,
    ExtensionOID.KEY_USAGE.dotted_string,
    ExtensionOID.EXTENDED_KEY_USAGE.dotted_string,
    ExtensionOID.NAME_CONSTRAINTS.dotted_string,
    ExtensionOID.SUBJECT_ALTERNATIVE_NAME.dotted_string,
    ExtensionOID.CERTIFICATE_POLICIES.dotted_string,
    ExtensionOID.POLICY_MAPPINGS.dotted_string,
    ExtensionOID.POLICY_CONSTRAINTS.dotted_string,
    ExtensionOID.INHIBIT_ANY_POLICY.dotted_string,
    ExtensionOID.CRL_DISTRIBUTION_POINTS.dotted_string,
    ExtensionOID.AUTHORITY_KEY_IDENTIFIER.dotted_string,
    "1.3.6.1.5.5.7.1.3",  # qcStatements
}
# An extended key usage made of these only is not one for signing documents.
_OTHER_USES = {
    ExtendedKeyUsageOID.TIME_STAMPING,
    ExtendedKeyUsageOID.OCSP_SIGNING,
    ExtendedKeyUsageOID.SERVER_AUTH,
    ExtendedKeyUsageOID.CODE_SIGNING,
}
STRONG = ("sha256", "sha384", "sha512", "sha512-224", "sha512-256", "sha3-256", "sha3-384", "sha3-512")
_BROKEN = (ValueError, TypeError, KeyError, OverflowError, UnsupportedAlgorithm, x509.DuplicateExtension, x509.UnsupportedGeneralNameType, UserWarning)
PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | ed448.Ed448PublicKey | ed448.Ed448PublicKey


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """A certificate with everything a path needs, decoded once.

    `name` is the subject as text (RFC 4514); `fault` why it cannot be used, "" when it can.
    """

    certificate: x509.Certificate
    sha256: str
    subject: x509.Name
    issuer: x509.Name
    not_before: datetime
    not_after: datetime
    key: PublicKey | None = None
    ca: bool = False
    path_length: int | None = None
    usage: x509.KeyUsage | None = None
    extended: tuple[x509.ObjectIdentifier, ...] | None = None
    extended_critical: bool = False
    subject_id: bytes = b""
    authority_id: bytes = b""
    limits: x509.NameConstraints | None = None
    other_names: tuple[x509.GeneralName, ...] = ()
    crl_points: tuple[x509.GeneralName, ...] = ()
    no_check: bool = False
    fault: str = ""
    name: str = ""

    @property
    def self_issued(self) -> bool:
        """Subject and issuer are the same name."""
        return self.subject == self.issuer


class Undecodable(ValueError):
    """A certificate of which not even names and validity can be read."""


@functools.lru_cache(maxsize=1024)
def known(certificate: x509.Certificate) -> Known:
    """The decoded form of `certificate`, kept for the next time.

    Raises:
        Undecodable: names or validity cannot be read.
    """
    try:
        plain: dict[str, Any] = {
            "certificate": certificate,
            "sha256": certificate.fingerprint(hashes.SHA256()).hex(),
            "subject": certificate.subject,
            "name": certificate.subject.rfc4514_string(),
            "issuer": certificate.issuer,
            "not_before": certificate.not_valid_before_utc,
            "not_after": certificate.not_valid_after_utc,
        }
    except _BROKEN as error:
        raise Undecodable(f"certificate not decodable: {error}"[:200]) from error
    try:
        return Known(**plain, key=_key(certificate), **_extensions(certificate.extensions))
    except _BROKEN as error:
        return Known(**plain, fault=f"certificate not decodable: {error}"[:200])


@functools.lru_cache(maxsize=1024)
def decoded(der: bytes) -> x509.Certificate:
    """The certificate in `der`, kept for the next time.

    Raises:
        Undecodable: it is none.
    """
    if len(der) > LARGEST:
        raise Undecodable(f"certificate of {len(der)} bytes")
    try:
        return x509.load_der_x509_certificate(der)
    except (*_BROKEN, x509.InvalidVersion) as error:
        raise Undecodable(f"certificate not decodable: {error}"[:200]) from error


def _key(certificate: x509.Certificate) -> PublicKey:
    key = certificate.public_key()
    if not isinstance(key, (rsa.RSAPublicKey, ec.EllipticCurvePublicKey, ed25519.Ed25519PublicKey, ed448.Ed448PublicKey)):
        raise ValueError(f"key type {type(key).__name__}")
    return key


def _extensions(extensions: x509.Extensions) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for extension in extensions:
        value = extension.value
        if extension.critical and extension.oid.dotted_string not in _UNDERSTOOD:
            raise ValueError(f"critical extension {extension.oid.dotted_string}")
        if isinstance(value, x509.BasicConstraints):
            found["ca"], found["path_length"] = value.ca, value.path_length
        elif isinstance(value, x509.KeyUsage):
            found["usage"] = value
        elif isinstance(value, x509.ExtendedKeyUsage):
            found["extended"], found["extended_critical"] = tuple(value), extension.critical
        elif isinstance(value, x509.SubjectKeyIdentifier):
            found["subject_id"] = value.digest
        elif isinstance(value, x509.AuthorityKeyIdentifier):
            found["authority_id"] = value.key_identifier or b""
        elif isinstance(value, x509.NameConstraints):
            found["limits"] = value
        elif isinstance(value, x509.SubjectAlternativeName):
            found["other_names"] = tuple(value)
        elif isinstance(value, x509.CRLDistributionPoints):
            found["crl_points"] = tuple(name for point in value for name in (point.full_name or ()))
        elif isinstance(value, x509.OCSPNoCheck):
            found["no_check"] = True
    return found


@dataclass(slots=True)
class Search:
    """State of one search: what was tried, and why paths were dropped."""

    anchors: Sequence[Known]
    pool: Sequence[Known]
    steps: int = 0
    dropped: list[str] = field(default_factory=list)


def paths(leaf: Known, search: Search) -> Iterator[tuple[Known, ...]]:
    """Paths from `leaf` to an anchor, shortest first for each issuer, at most `MOST_PATHS`."""
    found = 0
    for chain in _climb((leaf,), search):
        problem = names_problem(chain)
        if problem:
            search.dropped.append(problem)
            continue
        yield chain
        found += 1
        if found >= MOST_PATHS:
            return


def _climb(chain: tuple[Known, ...], search: Search) -> Iterator[tuple[Known, ...]]:
    for parent in _parents(chain, search.anchors, search):
        yield (*chain, parent)
    if len(chain) >= LONGEST_PATH:
        search.dropped.append("path too long")
        return
    for parent in _parents(chain, search.pool, search):
        yield from _climb((*chain, parent), search)


def _parents(chain: tuple[Known, ...], among: Iterable[Known], search: Search) -> Iterator[Known]:
    child = chain[-1]
    candidates = [p for p in among if p.subject == child.issuer and all(p is not c and p.sha256 != c.sha256 for c in chain)]
    # The key identifier is a hint only: try the one it names first, the others after it.
    candidates.sort(key=lambda p: not (child.authority_id and p.subject_id == child.authority_id))
    for parent in candidates:
        if search.steps >= MOST_STEPS:
            search.dropped.append("too many candidate issuers")
            return
        search.steps += 1
        problem = issued(child, parent) or may_issue(parent, sum(1 for c in chain[1:] if not c.self_issued))
        if problem:
            search.dropped.append(problem)
        else:
            yield parent


_issued: dict[tuple[str, str], str] = {}
_lock = threading.Lock()


def issued(child: Known, parent: Known) -> str:
    """Did `parent`'s key sign `child`, strongly enough? "" or why not. Remembered."""
    identity = (child.sha256, parent.sha256)
    answer = _issued.get(identity)
    if answer is None:
        answer = _verify(child, parent)
        with _lock:
            if len(_issued) > 8192:
                _issued.clear()
            _issued[identity] = answer
    return answer


def _verify(child: Known, parent: Known) -> str:
    key = parent.key
    if parent.fault or key is None:
        return parent.fault or "issuer key"
    weak = weak_key(key)
    if weak:
        return weak
    try:
        algorithm = child.certificate.signature_hash_algorithm
        if algorithm is not None and algorithm.name not in STRONG:
            return f"weak: {algorithm.name}"
        child.certificate.verify_directly_issued_by(parent.certificate)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm) as error:
        return f"signature of {child.name[:80]}: {type(error).__name__}"
    return ""


def weak_key(key: PublicKey) -> str:
    """Why `key` is too weak to answer for others (RSA below 2048 bits, curves below 256), or ""."""
    if isinstance(key, rsa.RSAPublicKey) and key.key_size < 2048:
        return f"weak: RSA {key.key_size}"
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.key_size < 256:
        return f"weak: {key.curve.name}"
    return ""


def may_issue(parent: Known, below: int) -> str:
    """May `parent` be a CA with `below` CAs under it? "" or why not (RFC 5280 6.1.4 k–n)."""
    if not parent.ca:
        return f"not a CA: {parent.name[:80]}"
    if parent.path_length is not None and below > parent.path_length:
        return f"path length of {parent.name[:80]}"
    if parent.usage is not None and not parent.usage.key_cert_sign:
        return f"key usage of {parent.name[:80]}"
    return ""


def purpose_problem(leaf: Known, purpose: str) -> str:
    """Why `leaf` may not be used to ``sign`` or to ``timestamp`` (RFC 3161 2.3); ``any`` asks for nothing."""
    if purpose == "any":
        return ""
    if leaf.usage is not None and not (leaf.usage.digital_signature or leaf.usage.content_commitment):
        return "key usage does not allow signing"
    if purpose == "timestamp":
        if leaf.extended != (ExtendedKeyUsageOID.TIME_STAMPING,) or not leaf.extended_critical:
            return "extended key usage is not critical timeStamping alone"
    elif leaf.extended is not None and set(leaf.extended) <= _OTHER_USES:
        return "extended key usage does not allow signing"
    return ""


def names_problem(chain: Sequence[Known]) -> str:
    """Which name of the path breaks a name constraint above it, or "" (RFC 5280 4.2.1.10)."""
    for place, authority in enumerate(chain):
        if authority.limits is None:
            continue
        for below, certificate in enumerate(chain[:place]):
            # A self-issued CA certificate in the middle only carries a new key.
            if below and certificate.self_issued:
                continue
            for name in _names(certificate):
                if not _within(name, authority.limits):
                    return f"name constraints of {authority.name[:80]}"
    return ""


def _names(certificate: Known) -> Iterator[x509.GeneralName]:
    if len(certificate.subject):
        yield x509.DirectoryName(certificate.subject)
    yield from certificate.other_names
    if not any(isinstance(n, x509.RFC822Name) for n in certificate.other_names):
        for attribute in certificate.subject.get_attributes_for_oid(NameOID.EMAIL_ADDRESS):
            # An address that is none matches nothing, so it is not below any permitted one.
            yield x509.RFC822Name(str(attribute.value) if str(attribute.value).isascii() else "")


def _within(name: x509.GeneralName, limits: x509.NameConstraints) -> bool:
    same = [n for n in limits.excluded_subtrees or () if type(n) is type(name)]
    if any(_matches(name, limit, unsure=True) for limit in same):
        return False
    allowed = [n for n in limits.permitted_subtrees or () if type(n) is type(name)]
    return not allowed or any(_matches(name, limit, unsure=False) for limit in allowed)


def _matches(name: x509.GeneralName, limit: x509.GeneralName, *, unsure: bool) -> bool:
    """Is `name` below `limit`? `unsure` is the answer for kinds that are not judged here."""
    if isinstance(name, x509.DirectoryName) and isinstance(limit, x509.DirectoryName):
        mine, theirs = name.value.rdns, limit.value.rdns
        return len(mine) >= len(theirs) and all(a == b for a, b in zip(mine, theirs, strict=False))
    if isinstance(name, x509.DNSName) and isinstance(limit, x509.DNSName):
        return _domain(name.value.lower(), limit.value.lower().lstrip("."))
    if isinstance(name, x509.RFC822Name) and isinstance(limit, x509.RFC822Name):
        address, wanted = name.value.lower(), limit.value.lower()
        host = address.rpartition("@")[2]
        if "@" in wanted:
            return address == wanted
        return host.endswith(wanted) if wanted.startswith(".") else host == wanted
    if isinstance(name, x509.IPAddress) and isinstance(limit, x509.IPAddress):
        network = limit.value
        return isinstance(network, (ipaddress.IPv4Network, ipaddress.IPv6Network)) and name.value in network
    return unsure


def _domain(host: str, limit: str) -> bool:
    return not limit or host == limit or host.endswith("." + limit)
