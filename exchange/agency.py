"""agency — cơ quan: who takes part, under which codes, and whether mail may go there.

Rules: both identifier shapes are accepted (QCVN 102:2016 and QĐ 20/2020/QĐ-TTg,
at most 35 characters); a closed agency is answered with its successor, never
silently forwarded.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from exchange.errors import ClosedAgency, InvalidField, LockedAgency, SucceededAgency

_CODE = re.compile(r"[0-9A-Za-z](?:[0-9A-Za-z.\-]{0,33}[0-9A-Za-z])?")


class AgencyStatus(StrEnum):
    """May mail go there?"""

    OPEN = "open"
    LOCKED = "locked"
    CLOSED = "closed"


class Mode(StrEnum):
    """How deliveries reach the agency: `pull` from the mailbox, or `push` to its node."""

    PULL = "pull"
    PUSH = "push"


class Purpose(StrEnum):
    """What a registered certificate is for."""

    SEAL = "seal"
    TLS = "tls"


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate registered for an agency. `sha256` is lower hex of the DER."""

    agency: str
    purpose: Purpose
    sha256: str
    pem: str
    not_before: datetime
    not_after: datetime


@dataclass(frozen=True, slots=True)
class Agency:
    """One row of the directory. `endpoint` is the node's https URL when `mode` is push.
    `strict` refuses half-signed documents to and from this agency (SIG-01)."""

    code: str
    name: str
    status: AgencyStatus = AgencyStatus.OPEN
    mode: Mode = Mode.PULL
    endpoint: str = ""
    parent: str = ""
    legacy_code: str = ""
    successor: str = ""
    strict: bool = False


def check_code(code: str, *, place: str) -> str:
    """Return `code` when it has an acceptable shape.

    Raises:
        InvalidField: not 1 to 35 letters, digits, dots or hyphens.
    """
    if not _CODE.fullmatch(code):
        raise InvalidField(code[:60], place=place)
    return code


def check_open(agency: Agency, *, place: str) -> Agency:
    """Return `agency` when mail may go there.

    Raises:
        SucceededAgency, ClosedAgency, LockedAgency: as the directory says.
    """
    if agency.status is AgencyStatus.CLOSED:
        if agency.successor:
            raise SucceededAgency(f"{agency.code} → {agency.successor}", place=place)
        raise ClosedAgency(agency.code, place=place)
    if agency.status is AgencyStatus.LOCKED:
        raise LockedAgency(agency.code, place=place)
    return agency
