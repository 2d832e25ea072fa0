"""checks — before a signature: the certificate, then whose turn it is.

NĐ 68/2024 Art 29 wants the certificate checked before anything is signed: validity
and status (Art 31), then the path to the root (Art 32). NĐ 30/2020 Art 32.2.d: the
agency's key only on a document that the authorised person signed.
"""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from pathlib import Path
from weakref import WeakKeyDictionary

from cryptography import x509

from signing.errors import CertificateUnusable, OrderRefused
from signing.keys import Holder
from signing.policy import has_valid_person
from signing.report import Role
from signing.sign_pdf.plan import Kind
from signing.trust import Trust
from signing.verify_pdf import verify_pdf
from signing.verify_pdf.roles import role_of

_NO_TRUST = Trust(())
_asked: WeakKeyDictionary[Holder, tuple[Trust, datetime, str]] = WeakKeyDictionary()  # holder -> trust, second, problem


def check_certificate(holder: Holder, trust: Trust | None, now: datetime) -> None:
    """Gate: the certificate may sign at `now`. Without `trust` only validity and key usage are looked at.

    Raises:
        CertificateUnusable: outside its validity, not for signing, revoked, of unknown status, or without a path.
    """
    problem = _problem(holder, trust, now)
    if problem:
        raise CertificateUnusable(problem, place=holder.certificate.subject.rfc4514_string())


def _problem(holder: Holder, trust: Trust | None, now: datetime) -> str:
    certificate = holder.certificate
    first, last = holder.validity
    if not first <= now <= last:
        return "outside its validity"
    if not _may_sign(certificate):
        return "key usage does not allow signing"
    if trust is None:
        return ""
    # Validity and revocation data count whole seconds: who signs a hundred files in one asks once, by the same trust.
    second, kept = now.replace(microsecond=0), _asked.get(holder)
    if kept is None or kept[0] is not trust or kept[1] != second:
        kept = _asked[holder] = (trust, second, _path_problem(holder, trust, now))
    return kept[2]


def _path_problem(holder: Holder, trust: Trust, now: datetime) -> str:
    result = trust.path(holder.certificate, holder.chain, at=now)
    if result.problem:
        return f"{result.problem} {result.detail}".strip()
    return "" if result.revocation.state == "good" else "no current CRL or OCSP answer says that it is not revoked"


@lru_cache(maxsize=256)
def _may_sign(certificate: x509.Certificate) -> bool:
    try:
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return True
    except ValueError:
        return False
    return usage.digital_signature or usage.content_commitment


@lru_cache(maxsize=256)
def _role_of(certificate: x509.Certificate) -> Role:
    return role_of(certificate, _NO_TRUST)


def check_order(source: Path, holder: Holder, role: Role, kind: Kind, trust: Trust | None, now: datetime) -> None:
    """Gate: the certificate fits `role`, and it is the turn of `role`.

    Raises:
        CertificateUnusable: an agency's certificate for a person's signature, or the other way round.
        OrderRefused: the agency's key on a document without a valid person's signature.
    """
    known = Role.AGENCY if trust is not None and holder.sha256 in trust.agency_certificates else _role_of(holder.certificate)
    if known is not role and known is not Role.UNKNOWN:
        raise CertificateUnusable(f"a certificate of the kind {known} does not sign in the role {role}", place=holder.certificate.subject.rfc4514_string())
    if role is not Role.AGENCY or kind != "document":
        return
    if trust is None:
        raise OrderRefused("trust anchors are wanted to judge the person's signature", place=source.name)
    if not has_valid_person(verify_pdf(source, trust, at=now)):
        raise OrderRefused(place=source.name)
