"""envelope — gói tin: what an edXML package says, as values.

The bytes an agency sent are kept elsewhere, unchanged; these values are only
read from them. Field names are the wire names of QCVN 102:2016/BTTTT in
snake_case. Dates keep their raw text beside the parsed value.
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from dataclasses import asdict, dataclass
from datetime import date, datetime
from enum import IntEnum, StrEnum
from pathlib import Path


class Kind(IntEnum):
    """BussinessDocType: what the sender wants done."""

    NEW = 0
    RECALL = 1
    UPDATE = 2
    REPLACE = 3


class Priority(IntEnum):
    """Độ khẩn (NĐ 30/2020; wire value 4 is hỏa tốc with a time limit)."""

    NORMAL = 0
    URGENT = 1
    VERY_URGENT = 2
    FLASH = 3
    FLASH_TIMED = 4


@dataclass(frozen=True, slots=True)
class Organ:
    """From or To."""

    code: str
    name: str = ""
    in_charge: str = ""
    address: str = ""
    email: str = ""
    telephone: str = ""
    fax: str = ""
    website: str = ""


@dataclass(frozen=True, slots=True)
class ResponseFor:
    """The document this one answers. `code` is "number/notation" in one string."""

    organ: str = ""
    code: str = ""
    document_id: str = ""
    promulgation_date: str = ""


@dataclass(frozen=True, slots=True)
class Staff:
    """StaffInfo: who to ask."""

    department: str = ""
    staff: str = ""
    email: str = ""
    mobile: str = ""


@dataclass(frozen=True, slots=True)
class Trace:
    """One TraceHeader: raw text of organ and timestamp as sent."""

    organ: str = ""
    timestamp: str = ""


@dataclass(frozen=True, slots=True)
class ReceiverChange:
    """One Receiver of an update: `added` False means removed."""

    organ: str
    added: bool


@dataclass(frozen=True, slots=True)
class Replacement:
    """One ReplacementInfo: the document replaced, and for whom."""

    document_id: str
    organs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Business:
    """The Bussiness element (the misspelling is the wire name)."""

    kind: Kind = Kind.NEW
    document_id: str = ""
    reason: str = ""
    paper: bool = False
    content_changed: bool | None = None
    receivers_changed: bool | None = None
    receivers: tuple[ReceiverChange, ...] = ()
    replacements: tuple[Replacement, ...] = ()
    staff: Staff | None = None


@dataclass(frozen=True, slots=True)
class Header:
    """MessageHeader of a document. Dates are dates or None; `raw` keeps the text
    of every value that did not parse, by wire path."""

    sender: Organ
    recipients: tuple[Organ, ...]
    document_id: str
    subject: str = ""
    code_number: str = ""
    code_notation: str = ""
    place: str = ""
    promulgation_date: date | None = None
    type_group: int | None = None
    type_detail: int | None = None
    type_name: str = ""
    content: str = ""
    competence: str = ""
    position: str = ""
    full_name: str = ""
    due_date: date | None = None
    priority: Priority = Priority.NORMAL
    sphere: str = ""
    typer_notation: str = ""
    amount: int | None = None
    pages: int | None = None
    direction: bool | None = None
    appendixes: tuple[str, ...] = ()
    responses_for: tuple[ResponseFor, ...] = ()
    steering_type: int | None = None
    to_places: tuple[str, ...] = ()
    business: Business = Business()
    traces: tuple[Trace, ...] = ()
    secrecy: str = ""
    raw: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Attachment:
    """One decoded attachment, its bytes in the file `path`.

    `content_id` has no ``cid:`` prefix. `media_type` is by magic bytes,
    `declared_type` as sent. `sha256` is lower hex of the decoded bytes.
    The first attachment is the main document, the rest are its enclosures.
    """

    position: int
    content_id: str
    name: str
    description: str
    declared_type: str
    media_type: str
    size: int
    sha256: str
    path: Path | None = None


class Severity(StrEnum):
    """Refuse, or only say."""

    REJECT = "reject"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something the reader noticed. `code` is stable, `place` a wire path."""

    severity: Severity
    code: str
    vi: str
    en: str
    place: str = ""


@dataclass(frozen=True, slots=True)
class Package:
    """A parsed document package. `dialect` is D1…D7 of the reader."""

    header: Header
    attachments: tuple[Attachment, ...]
    dialect: str = "D1"
    has_xml_signature: bool = False
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class StatusMessage:
    """A parsed status message: who reports, about whose document, which state."""

    sender: Organ
    response_for: ResponseFor
    code: str
    description: str = ""
    timestamp: datetime | None = None
    timestamp_raw: str = ""
    staff: Staff | None = None
    dialect: str = "D1"


@dataclass(frozen=True, slots=True)
class Outgoing:
    """An attachment to be written: `path` holds the bytes."""

    name: str
    description: str
    media_type: str
    path: Path
    content_id: str = ""


def header_digest(header: Header) -> str:
    """Lower-hex SHA-256 over the canonical header values.

    Other hubs re-serialise packages, so custody binds to values as well as to
    bytes: NFC strings, ISO dates, sorted keys, no trace (hops append to it).
    """
    values = asdict(header)
    for hop_dependent in ("traces", "direction", "raw"):
        values.pop(hop_dependent)
    text = json.dumps(values, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=str)
    return hashlib.sha256(unicodedata.normalize("NFC", text).encode()).hexdigest()


def document_code(header: Header) -> str:
    """Số/ký hiệu as one string, e.g. ``125/QĐ-UBND``."""
    return f"{header.code_number}/{header.code_notation}" if header.code_notation else header.code_number
