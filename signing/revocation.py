"""revocation — thu hồi: was a certificate revoked at a time, by the CRLs and OCSP answers at hand?

No network here. What one source says is prepared once (`Answer`), then judged at
any time. A missing, stale or undecodable source means "unknown", which is said
and never taken for "good". RFC 5280 6.3, RFC 6960, NĐ 68/2024 Art 31.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import CRLEntryExtensionOID, ExtensionOID

from signing.chain import STRONG, Known, weak_key
from signing.der import whole
from signing.errors import NotDer
from signing.report import RevocationFact

FRESH_WITHOUT_END = timedelta(days=1)  # how long an answer without nextUpdate speaks for
ASKED_OFTEN = 8  # look-ups after which a list gets an index
MOST_KEPT = 32 << 20  # bytes of CRLs kept decoded
_EXPIRED_CERTS_ON_CRL = "2.5.29.60"
_UNDERSTOOD = {
    ExtensionOID.CRL_NUMBER.dotted_string,
    ExtensionOID.AUTHORITY_KEY_IDENTIFIER.dotted_string,
    ExtensionOID.ISSUING_DISTRIBUTION_POINT.dotted_string,
    ExtensionOID.DELTA_CRL_INDICATOR.dotted_string,
}
_BROKEN = (ValueError, TypeError, KeyError, OverflowError, UnsupportedAlgorithm, x509.DuplicateExtension, x509.UnsupportedGeneralNameType, UserWarning)


@dataclass(frozen=True, slots=True)
class Revocation:
    """Worst state of a path: `state` is ``good``, ``revoked`` or ``unknown``; `source` names the list; `at` the revocation."""

    state: str
    source: str = ""
    at: datetime | None = None


UNKNOWN = Revocation("unknown")


@dataclass(frozen=True, slots=True)
class Answer:
    """What one source says about one certificate, whatever the time.

    `revoked_at` is when the revocation takes effect (the invalidity date, when that is
    earlier). `complete` sources may also say "good". `kept_after_expiry`: entries stay on
    the list after the certificate expired.
    """

    source: str
    produced_at: datetime
    until: datetime
    revoked_at: datetime | None = None
    reason: str = ""
    complete: bool = True
    kept_after_expiry: bool = False

    @property
    def lifted(self) -> bool:
        """A delta list took the hold off."""
        return self.reason == "removeFromCRL"


def judge(answers: Sequence[Answer], certificate: Known, *, at: datetime) -> RevocationFact:
    """State of `certificate` at the moment `at` by all `answers`.

    A revocation that took effect by then counts from whichever source it comes; only a
    hold can be lifted, by a fresher source. Embedded sources are named first when they
    say "good". A revocation after `at` leaves it good at that time, and is told.
    """
    subject, later = certificate.name, None
    for answer in answers:
        if answer.revoked_at is None or answer.lifted or _was_lifted(answer, answers):
            continue
        if answer.revoked_at <= at:
            return RevocationFact(subject, "revoked", answer.source, answer.produced_at, answer.revoked_at, answer.reason)
        later = answer if later is None or answer.revoked_at < (later.revoked_at or at) else later
    good = [a for a in answers if _says_good(a, certificate, at)]
    if not good:
        return RevocationFact(subject, "unknown", detail=_why_unknown(answers, at))
    best = max(good, key=lambda a: (a.source.startswith("embedded"), a.produced_at))
    if later is not None:
        return RevocationFact(subject, "good", best.source, best.produced_at, later.revoked_at, f"revoked later: {later.reason}")
    return RevocationFact(subject, "good", best.source, best.produced_at)


def _was_lifted(hold: Answer, answers: Sequence[Answer]) -> bool:
    if hold.reason != "certificateHold":
        return False
    return any(a.produced_at > hold.produced_at and (a.lifted or (a.complete and a.revoked_at is None)) for a in answers)


def _says_good(answer: Answer, certificate: Known, at: datetime) -> bool:
    if not answer.complete or answer.until < at:
        # Issued before `at` and out of date by then: it says nothing about `at`.
        return False
    # After expiry a CA may take an entry off its list: not being there means nothing then.
    return answer.revoked_at is not None or answer.produced_at <= certificate.not_after or answer.kept_after_expiry


def _why_unknown(answers: Sequence[Answer], at: datetime) -> str:
    stale = [a for a in answers if a.complete and a.until < at]
    if stale:
        newest = max(stale, key=lambda a: a.until)
        return f"{newest.source} out of date since {newest.until.isoformat()}"
    return "no answer covers this certificate" if answers else "no CRL or OCSP answer"


class CrlUnusable(ValueError):
    """Not a CRL, or one that must not be used (RFC 5280 5.2: critical extension not understood)."""


class Crl:
    """One certificate revocation list, decoded once; looking up is quick however long it is.

    Attributes:
        issuer, this_update, next_update, number: as stated.
        delta: True when it only lists changes.
        unusable: why it may not be used, "".
    """

    def __init__(self, der: bytes) -> None:
        """Raises `CrlUnusable` when `der` is no CRL."""
        try:
            self._crl = x509.load_der_x509_crl(der)
            self.issuer = self._crl.issuer
            self.this_update = self._crl.last_update_utc
            self.next_update = self._crl.next_update_utc
            extensions = list(self._crl.extensions)
        except _BROKEN as error:
            raise CrlUnusable(f"CRL not decodable: {error}"[:200]) from error
        self._asked = 0
        self._serials: frozenset[int] | None = None
        self._signed: dict[str, bool] = {}
        self.number = -1
        self.delta = False
        self.unusable = ""
        self.expired_from: datetime | None = None
        self._scope: x509.IssuingDistributionPoint | None = None
        for extension in extensions:
            self._read(extension)

    def _read(self, extension: x509.Extension[x509.ExtensionType]) -> None:
        value = extension.value
        if isinstance(value, x509.CRLNumber):
            self.number = value.crl_number
        elif isinstance(value, x509.DeltaCRLIndicator):
            self.delta = True
        elif isinstance(value, x509.IssuingDistributionPoint):
            self._scope = value
            if value.indirect_crl:
                self.unusable = "indirect CRL"
        elif extension.oid.dotted_string == _EXPIRED_CERTS_ON_CRL and isinstance(value, x509.UnrecognizedExtension):
            self.expired_from = _time(value.value)
        elif extension.critical and extension.oid.dotted_string not in _UNDERSTOOD:
            self.unusable = f"critical extension {extension.oid.dotted_string}"

    def signed_by(self, issuer: Known) -> bool:
        """Does the signature hold under the key of `issuer`, who may sign CRLs? Remembered."""
        if issuer.sha256 not in self._signed:
            self._signed[issuer.sha256] = self._verify(issuer)
        return self._signed[issuer.sha256]

    def _verify(self, issuer: Known) -> bool:
        key = issuer.key
        if key is None or weak_key(key):
            return False
        if issuer.usage is not None and not issuer.usage.crl_sign:
            return False
        try:
            algorithm = self._crl.signature_hash_algorithm
            return (algorithm is None or algorithm.name in STRONG) and self._crl.is_signature_valid(key)
        except (InvalidSignature, *_BROKEN):
            return False

    def answer(self, certificate: Known, *, embedded: bool) -> Answer | None:
        """What it says about `certificate` (of this issuer); None when that is outside its scope."""
        scope = self._scope
        complete = not self.delta
        if self.unusable:
            return None
        if scope is not None:
            wrong_kind = scope.only_contains_user_certs if certificate.ca else scope.only_contains_ca_certs
            if wrong_kind or scope.only_contains_attribute_certs:
                return None
            names = tuple(scope.full_name or ())
            if (names or scope.relative_name) and not set(names) & set(certificate.crl_points):
                return None
            complete = complete and not scope.only_some_reasons
        revoked_at, reason = self._entry(certificate.certificate.serial_number)
        return Answer(
            source="embedded CRL" if embedded else "CRL",
            produced_at=self.this_update,
            until=self.next_update or self.this_update + FRESH_WITHOUT_END,
            revoked_at=revoked_at,
            reason=reason,
            complete=complete,
            kept_after_expiry=self.expired_from is not None and self.expired_from <= certificate.not_after,
        )

    def _entry(self, serial: int) -> tuple[datetime | None, str]:
        # Walking 200,000 entries takes 12 ms, an index of them 120 ms once: worth it for a list that is asked often.
        self._asked += 1
        if self._serials is None and self._asked > ASKED_OFTEN:
            self._serials = frozenset(entry.serial_number for entry in self._crl)
        if self._serials is not None and serial not in self._serials:
            return None, ""
        entry = self._crl.get_revoked_certificate_by_serial_number(serial)
        if entry is None:
            return None, ""
        when, reason = entry.revocation_date_utc, "unspecified"
        try:
            for extension in entry.extensions:
                if isinstance(extension.value, x509.CRLReason):
                    reason = extension.value.reason.value
                elif extension.oid == CRLEntryExtensionOID.INVALIDITY_DATE and isinstance(extension.value, x509.InvalidityDate):
                    when = min(when, extension.value.invalidity_date_utc)
        except _BROKEN:
            reason = "unspecified"
        return when, reason


def _time(der: bytes) -> datetime | None:
    try:
        return datetime.strptime(whole(der).expect(0x18).body.decode("ascii"), "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
    except (NotDer, ValueError):
        return None


def crl_der(data: bytes) -> bytes:
    """DER of a CRL in PEM or DER.

    Raises:
        ValueError: it is none.
    """
    crl = x509.load_pem_x509_crl(data) if data.lstrip().startswith(b"-----BEGIN") else x509.load_der_x509_crl(data)
    return crl.public_bytes(Encoding.DER)


_kept: OrderedDict[bytes, Crl | None] = OrderedDict()
_kept_size = 0
_lock = threading.Lock()


def crl_of(der: bytes) -> Crl | None:
    """The decoded CRL, kept for the next time (bounded); None when `der` cannot be used."""
    global _kept_size
    with _lock:
        if der in _kept:
            _kept.move_to_end(der)
            return _kept[der]
    try:
        crl: Crl | None = Crl(der)
    except CrlUnusable:
        crl = None
    with _lock:
        if der not in _kept:
            _kept[der] = crl
            _kept_size += len(der)
        while _kept_size > MOST_KEPT and len(_kept) > 1:
            _kept_size -= len(_kept.popitem(last=False)[0])
    return crl


def crl_answers(certificate: Known, signers: Sequence[Known], crls: Sequence[bytes], *, embedded: bool) -> list[Answer]:
    """What `crls` say about `certificate`. `signers` may sign its issuer's CRLs: the issuer
    itself, and certificates of the same CA under the same name (re-keyed)."""
    found = []
    for der in crls:
        crl = crl_of(der)
        if crl is None or crl.issuer != certificate.issuer or not any(crl.signed_by(signer) for signer in signers):
            continue
        answer = crl.answer(certificate, embedded=embedded)
        if answer is not None:
            found.append(answer)
    return found
