"""reading — what a path read of a file's signatures, before anything is concluded."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509

from signing.report import Change, Check, MarkFact, Reason, Role
from signing.signed_data import SignedData

PADES = "ETSI.CAdES.detached"
TIMESTAMP = "ETSI.RFC3161"


@dataclass(slots=True)
class Signature:
    """What a path read of one signature; `digest` is computed from the file.

    `changes` are those after its revision; `checks` those the path made itself; `show` reads what the
    widget shows, given whose signature it is; `opinion` whether another verifier found the CMS value intact and valid, None when none was asked.
    """

    field: str
    subfilter: str
    is_timestamp: bool
    revision: int
    revisions: int
    byte_range: tuple[int, ...]
    covers_whole_file: bool
    signed: SignedData
    digest: bytes
    claimed_time: datetime | None = None
    changes: Sequence[Change] = ()
    changes_after: str = ""
    checks: list[Check] = dataclasses.field(default_factory=list)
    reasons: list[Reason] = dataclasses.field(default_factory=list)
    show: Callable[[Role], MarkFact | None] | None = None
    opinion: bool | None = None


@dataclass(frozen=True, slots=True)
class Material:
    """Certificates and revocation data that the file itself brings, DER."""

    certificates: tuple[bytes, ...] = ()
    crls: tuple[bytes, ...] = ()
    ocsps: tuple[bytes, ...] = ()


def subject_text(certificate: x509.Certificate, oid: x509.ObjectIdentifier) -> str:
    """First value of an attribute of the subject, "" when it has none."""
    found = certificate.subject.get_attributes_for_oid(oid)
    return str(found[0].value) if found else ""
