"""envelope — gói tin: what an edXML package says, as values.

The bytes an agency sent are kept elsewhere, unchanged; these values are only
read from them. Field names are the wire names of QCVN 102:2016/BTTTT in
snake_case. Dates keep their raw text beside the parsed value.
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from dataclasses import asdict, dataclass, field
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
    """One TraceHeader: text of organ and timestamp as sent, and the moment it means (None: not read)."""

    organ: str = ""
    timestamp: str = ""
    at: datetime | None = field(default=None, compare=False)


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
    of every typed value, parsed or not, by wire path.

    `direction`, `traces` and `raw` change from hop to hop; `direction` and `raw`
    do not count when headers are compared. The last four before `business` are
    extensions of some senders (edxml.md 1.2, D6).
    """

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
    direction: bool | None = field(default=None, compare=False)
    appendixes: tuple[str, ...] = ()
    responses_for: tuple[ResponseFor, ...] = ()
    steering_type: int | None = None
    to_places: tuple[str, ...] = ()
    reply_fors: tuple[str, ...] = ()
    reference_codes: tuple[str, ...] = ()
    task_codes: tuple[str, ...] = ()
    application_type: str = ""
    business: Business = Business()
    traces: tuple[Trace, ...] = ()
    secrecy: str = ""
    raw: tuple[tuple[str, str], ...] = field(default=(), compare=False)

    def raw_text(self, place: str) -> str:
        """The text of a typed value as sent, "" when absent, e.g. of ``MessageHeader/DueDate``."""
        return dict(self.raw).get(place, "")


@dataclass(frozen=True, slots=True)
class Attachment:
    """One decoded attachment, its bytes in the file `path`.

    `content_id` has no ``cid:`` prefix. `media_type` is by magic bytes,
    `declared_type` as sent. `sha256` is lower hex of the bytes in `path`. A file
    that the sender's builder wrapped in a ZIP is unwrapped: then `stored_path`,
    `stored_sha256` and `stored_size` are of the ZIP as sent (otherwise the same
    as `path`, `sha256`, `size`).
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
    stored_path: Path | None = None
    stored_sha256: str = ""
    stored_size: int = 0

    @property
    def unwrapped(self) -> bool:
        """Whether `path` came out of the builder's ZIP."""
        return self.stored_sha256 != self.sha256

    @property
    def file_name(self) -> str:
        """`name` made safe for a folder: no path, no control or reserved characters, at most 200 bytes."""
        return safe_name(self.name) or f"attachment-{self.position + 1}"


class Severity(StrEnum):
    """Refuse, or only say."""

    REJECT = "reject"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something the reader noticed. `code` is stable, `place` a wire path, `detail` the value
    or cause; `retry`: the same bytes may pass later."""

    severity: Severity
    code: str
    vi: str
    en: str
    place: str = ""
    detail: str = ""
    retry: bool = False


@dataclass(frozen=True, slots=True)
class Package:
    """A parsed document package.

    `dialect` is D1…D7 (edxml.md 1.10). `extensions` are elements that are not in
    the standard, as (wire path, text). The XML signature is decorative in practice
    (edxml.md 1.5): only its presence is told.
    """

    header: Header
    attachments: tuple[Attachment, ...]
    dialect: str = "D1"
    has_xml_signature: bool = False
    findings: tuple[Finding, ...] = ()
    extensions: tuple[tuple[str, str], ...] = ()

    @property
    def rejects(self) -> tuple[Finding, ...]:
        """The findings for which the package must be refused."""
        return tuple(f for f in self.findings if f.severity is Severity.REJECT)


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
    findings: tuple[Finding, ...] = field(default=(), compare=False)
    extensions: tuple[tuple[str, str], ...] = field(default=(), compare=False)


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
    for extension in ("reply_fors", "reference_codes", "task_codes", "application_type"):
        if not values[extension]:
            values.pop(extension)
    text = json.dumps(values, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=str)
    return hashlib.sha256(unicodedata.normalize("NFC", text).encode()).hexdigest()


def document_code(header: Header) -> str:
    """Số/ký hiệu as one string, e.g. ``125/QĐ-UBND``."""
    return f"{header.code_number}/{header.code_notation}" if header.code_notation else header.code_number


def safe_name(text: str) -> str:
    """The last part of a file name, without what a folder or a terminal could trip over; "" when nothing is left.

    Directory separators, control and direction-changing characters, reserved
    characters and leading dots go; at most 200 bytes of UTF-8 are kept, the extension among them.
    """
    last = unicodedata.normalize("NFC", text).replace("\\", "/").rsplit("/", 1)[-1]
    kept = "".join(c for c in last if unicodedata.category(c)[0] != "C" and c not in '<>:"|?*').strip().lstrip(". ").rstrip(". ")
    stem, dot, extension = kept.rpartition(".")
    tail = dot + extension if len(extension.encode()) <= 20 else ""
    stem = stem if tail else kept
    return stem.encode()[: 200 - len(tail.encode())].decode(errors="ignore") + tail if stem else kept.encode()[:200].decode(errors="ignore")
