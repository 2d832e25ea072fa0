"""envelopes — gói tin đã tiếp nhận: packages, their files, status messages, receipts and refusals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, insert, or_, select, update

from exchange.delivery import Delivery
from exchange.store import tables
from exchange.store.tables import attachments as a
from exchange.store.tables import deliveries as d
from exchange.store.tables import envelopes as e
from exchange.store.tables import statuses as s


@dataclass(frozen=True, slots=True)
class EnvelopeRow:
    """One accepted package. `verdict` is JSON of the PDF verdicts by position."""

    id: str
    sender: str
    document_id: str
    kind: int
    package_sha256: str
    seal_sha256: str
    size: int
    subject: str
    code: str
    promulgation_date: str
    priority: int
    accepted_at: datetime
    verdict: str
    mark: str
    header_sha256: str


@dataclass(frozen=True, slots=True)
class AttachmentRow:
    """One file of an accepted package."""

    envelope: str
    position: int
    name: str
    sha256: str
    size: int
    media_type: str
    verdict: str


@dataclass(frozen=True, slots=True)
class StatusRow:
    """One status message. `agency` reports to `to_agency`."""

    id: str
    envelope: str
    delivery: str
    agency: str
    to_agency: str
    code: str
    description: str
    at: datetime
    received_at: datetime
    sha256: str
    seal_sha256: str


@dataclass(frozen=True, slots=True)
class RefusalRow:
    """One refused submission."""

    id: str
    at: datetime
    caller: str
    document_id: str
    sha256: str
    code: str
    place: str
    detail: str


def _envelope(row: Row[Any] | None) -> EnvelopeRow | None:
    return EnvelopeRow(**row._mapping) if row is not None else None


def find(connection: Connection, sender: str, document_id: str, kind: int) -> EnvelopeRow | None:
    """The envelope under its idempotency key."""
    where = (e.c.sender == sender, e.c.document_id == document_id, e.c.kind == kind)
    return _envelope(connection.execute(select(*e.c).where(*where)).first())


def find_document(connection: Connection, sender: str, document_id: str) -> EnvelopeRow | None:
    """The newest envelope of a document, of whatever kind."""
    statement = select(*e.c).where(e.c.sender == sender, e.c.document_id == document_id).order_by(e.c.accepted_at.desc()).limit(1)
    return _envelope(connection.execute(statement).first())


def get(connection: Connection, id: str) -> EnvelopeRow | None:
    """By the hub's id."""
    return _envelope(connection.execute(select(*e.c).where(e.c.id == id)).first())


def insert_envelope(connection: Connection, row: EnvelopeRow, attachments: Sequence[AttachmentRow], deliveries: Sequence[Delivery]) -> None:
    """A package with its files and one delivery per recipient."""
    connection.execute(insert(e).values(asdict(row)))
    if attachments:
        connection.execute(insert(a), [asdict(item) for item in attachments])
    insert_deliveries(connection, deliveries, row.accepted_at)


def insert_deliveries(connection: Connection, deliveries: Sequence[Delivery], at: datetime) -> None:
    """Deliveries of packages that are here already."""
    rows = [
        {
            "id": item.id,
            "envelope": item.envelope,
            "recipient": item.recipient,
            "state": item.state.value,
            "attempt": item.attempt,
            "priority": item.priority,
            "next_at": item.next_at,
            "lease_until": None,
            "worker": "",
            "status": item.status,
            "last_error": item.last_error,
            "created_at": at,
            "updated_at": at,
        }
        for item in deliveries
    ]
    if rows:
        connection.execute(insert(d), rows)


def attachments_of(connection: Connection, envelope: str) -> list[AttachmentRow]:
    """Files of a package in order."""
    rows = connection.execute(select(*a.c).where(a.c.envelope == envelope).order_by(a.c.position))
    return [AttachmentRow(**row._mapping) for row in rows]


def search(connection: Connection, *, document_id: str = "", party: str | None = None, limit: int = 50) -> list[EnvelopeRow]:
    """Envelopes with this document id to which `party` is sender or recipient, newest first."""
    statement = select(*e.c).order_by(e.c.accepted_at.desc()).limit(limit)
    if document_id:
        statement = statement.where(e.c.document_id == document_id)
    if party is not None:
        mine = select(d.c.envelope).where(d.c.recipient == party)
        statement = statement.where(or_(e.c.sender == party, e.c.id.in_(mine)))
    return [EnvelopeRow(**row._mapping) for row in connection.execute(statement)]


def marked(connection: Connection, mark: str, limit: int) -> list[EnvelopeRow]:
    """Envelopes that carry `mark`, oldest first."""
    statement = select(*e.c).where(e.c.mark == mark).order_by(e.c.accepted_at).limit(limit)
    return [EnvelopeRow(**row._mapping) for row in connection.execute(statement)]


def set_verdict(connection: Connection, id: str, *, mark: str, verdict: str) -> None:
    """What a later check found."""
    connection.execute(update(e).where(e.c.id == id).values(mark=mark, verdict=verdict))


def receipt(connection: Connection, subject: str) -> bytes | None:
    """The stored receipt of an envelope or status message."""
    found: bytes | None = connection.execute(select(tables.receipts.c.data).where(tables.receipts.c.subject == subject)).scalar()
    return found


def all_receipts(connection: Connection) -> Iterator[tuple[str, bytes]]:
    """(subject, receipt) of everything given out."""
    rows = connection.execution_options(yield_per=500).execute(select(tables.receipts.c.subject, tables.receipts.c.data))
    return ((row.subject, row.data) for row in rows)


def save_receipt(connection: Connection, subject: str, data: bytes) -> bytes:
    """Store the receipt unless there is one; the stored one."""
    stored = receipt(connection, subject)
    if stored is not None:
        return stored
    connection.execute(insert(tables.receipts).values(subject=subject, data=data))
    return data


def insert_status(connection: Connection, row: StatusRow) -> None:
    """A taken status message."""
    connection.execute(insert(s).values(asdict(row)))


def status(connection: Connection, id: str) -> StatusRow | None:
    """By the hub's id."""
    row = connection.execute(select(*s.c).where(s.c.id == id)).first()
    return StatusRow(**row._mapping) if row is not None else None


def status_by_digest(connection: Connection, envelope: str, agency: str, sha256: str) -> StatusRow | None:
    """The same message taken before."""
    where = (s.c.envelope == envelope, s.c.agency == agency, s.c.sha256 == sha256)
    row = connection.execute(select(*s.c).where(*where)).first()
    return StatusRow(**row._mapping) if row is not None else None


def statuses_of(connection: Connection, envelope: str) -> list[StatusRow]:
    """Status messages about a package in order of arrival."""
    rows = connection.execute(select(*s.c).where(s.c.envelope == envelope).order_by(s.c.received_at, s.c.id))
    return [StatusRow(**row._mapping) for row in rows]


def insert_refusal(connection: Connection, row: RefusalRow) -> None:
    """Log a refused submission."""
    connection.execute(insert(tables.refusals).values(asdict(row)))


def refusals(connection: Connection, *, limit: int) -> list[RefusalRow]:
    """The newest refusals."""
    r = tables.refusals
    return [RefusalRow(**row._mapping) for row in connection.execute(select(*r.c).order_by(r.c.at.desc(), r.c.id).limit(limit))]
