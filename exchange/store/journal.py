"""journal — sổ của nút: what an agency's node sent, received and reported, in its own database.

Everything is written here before it is acted on, so that a restart at any point
goes on where it stopped.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, exists, func, insert, or_, select, update

from exchange.errors import ReceiptInvalid
from exchange.store.tables import cursors, inbox, incoming_statuses, outbox, outgoing_statuses


@dataclass(frozen=True, slots=True)
class Outbound:
    """A package on its way to the hub."""

    document_id: str
    kind: int
    package_sha256: str
    seal_sha256: str
    subject: str
    state: str
    attempts: int
    next_at: datetime
    last_error: str
    envelope: str
    created_at: datetime
    target: str = ""  # document id that a recall, update or replacement is about
    frozen_by: str = ""  # document id of our recall of it


@dataclass(frozen=True, slots=True)
class Inbound:
    """A package received. `arrival_number` is số đến, consecutive within `arrival_year`."""

    delivery: str
    envelope: str
    sender: str
    document_id: str
    code: str
    promulgation_date: str
    subject: str
    package_sha256: str
    seal_sha256: str
    size: int
    mark: str
    verdict: str
    received_at: datetime
    arrival_year: int
    arrival_number: int
    status: str
    kind: int = 0
    superseded_by: str = ""


@dataclass(frozen=True, slots=True)
class OutgoingStatus:
    """A status message of ours, sealed once, sent until its receipt is here."""

    id: str
    delivery: str
    code: str
    description: str
    sha256: str
    seal_sha256: str
    state: str
    attempts: int
    next_at: datetime
    last_error: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class IncomingStatus:
    """A status message about a document of ours."""

    status_id: str
    envelope: str
    agency: str
    document_id: str
    code: str
    description: str
    sha256: str
    seal_sha256: str
    received_at: datetime


_OUT = [c for c in outbox.c if c.name != "receipt"]
_STATUS = [c for c in outgoing_statuses.c if c.name != "receipt"]


def put_outbound(connection: Connection, row: Outbound) -> bool:
    """Take a package into the outbox; False when the same is there already."""
    where = (outbox.c.document_id == row.document_id, outbox.c.kind == row.kind)
    if connection.execute(select(outbox.c.kind).where(*where)).first() is not None:
        return False
    connection.execute(insert(outbox).values(asdict(row)))
    return True


def outbound(connection: Connection, document_id: str, kind: int) -> Outbound | None:
    """One line of the outbox."""
    row = connection.execute(select(*_OUT).where(outbox.c.document_id == document_id, outbox.c.kind == kind)).first()
    return Outbound(**row._mapping) if row is not None else None


def due_outbound(connection: Connection, now: datetime, limit: int) -> list[Outbound]:
    """Packages to submit now; a recall or update never before the document that it is about."""
    o = outbox.alias("about")
    first = exists().where(o.c.document_id == outbox.c.target, o.c.kind != outbox.c.kind, o.c.state == "waiting", o.c.target == "")
    due = (outbox.c.state == "waiting", outbox.c.next_at <= now, or_(outbox.c.target == "", ~first))
    statement = select(*_OUT).where(*due).order_by(outbox.c.next_at).limit(limit)
    return [Outbound(**row._mapping) for row in connection.execute(statement)]


def all_outbound(connection: Connection, limit: int) -> list[Outbound]:
    """The outbox, newest first."""
    statement = select(*_OUT).order_by(outbox.c.created_at.desc()).limit(limit)
    return [Outbound(**row._mapping) for row in connection.execute(statement)]


def changes_of(connection: Connection, document_id: str, kind: int) -> list[Outbound]:
    """Our recalls or updates (`kind`) of a document, oldest first."""
    statement = select(*_OUT).where(outbox.c.target == document_id, outbox.c.kind == kind).order_by(outbox.c.created_at, outbox.c.document_id)
    return [Outbound(**row._mapping) for row in connection.execute(statement)]


def settle_outbound(connection: Connection, row: Outbound, *, state: str, **values: Any) -> None:
    """Record what came of a submission (`receipt`, `envelope`, `last_error`, `next_at`, `attempts`)."""
    check_proven(state, values)
    where = (outbox.c.document_id == row.document_id, outbox.c.kind == row.kind)
    connection.execute(update(outbox).where(*where).values(state=state, **values))


def check_proven(state: str, values: dict[str, Any]) -> None:
    """Gate: "sent" is only ever shown beside the receipt that proves it.

    Raises:
        ReceiptInvalid: it is not there.
    """
    if state == "sent" and not values.get("receipt"):
        raise ReceiptInvalid("sent without a receipt", place="journal")


def outbound_receipt(connection: Connection, document_id: str, kind: int) -> bytes | None:
    """The verified receipt of a package that was sent."""
    found: bytes | None = connection.execute(select(outbox.c.receipt).where(outbox.c.document_id == document_id, outbox.c.kind == kind)).scalar()
    return found


def status_receipt(connection: Connection, id: str) -> bytes | None:
    """The verified receipt of a status that was sent."""
    found: bytes | None = connection.execute(select(outgoing_statuses.c.receipt).where(outgoing_statuses.c.id == id)).scalar()
    return found


def put_inbound(connection: Connection, row: Inbound) -> Inbound:
    """Enter a received package, giving it the next arrival number; a repeat gives the first entry."""
    known = inbound(connection, row.delivery)
    if known is not None:
        return known
    highest = connection.execute(select(func.max(inbox.c.arrival_number)).where(inbox.c.arrival_year == row.arrival_year)).scalar()
    values = {**asdict(row), "arrival_number": (highest or 0) + 1}
    connection.execute(insert(inbox).values(values))
    return Inbound(**values)


def _inbound(row: Row[Any] | None) -> Inbound | None:
    return Inbound(**row._mapping) if row is not None else None


def inbound(connection: Connection, delivery: str) -> Inbound | None:
    """One received package."""
    return _inbound(connection.execute(select(*inbox.c).where(inbox.c.delivery == delivery)).first())


def all_inbound(connection: Connection, limit: int) -> list[Inbound]:
    """Received packages, newest first."""
    statement = select(*inbox.c).order_by(inbox.c.arrival_year.desc(), inbox.c.arrival_number.desc()).limit(limit)
    return [Inbound(**row._mapping) for row in connection.execute(statement)]


def set_inbound_status(connection: Connection, delivery: str, status: str) -> None:
    """Record our own newest status of a received package."""
    connection.execute(update(inbox).where(inbox.c.delivery == delivery).values(status=status))


def put_status(connection: Connection, row: OutgoingStatus) -> None:
    """Take a sealed status message to be sent."""
    connection.execute(insert(outgoing_statuses).values(asdict(row)))


def due_statuses(connection: Connection, now: datetime, limit: int) -> list[OutgoingStatus]:
    """Status messages to send now: of each delivery the oldest that waits, so that order is kept."""
    t = outgoing_statuses
    waiting = select(*_STATUS).where(t.c.state == "waiting").order_by(t.c.created_at, t.c.id).limit(limit * 4)
    first: dict[str, OutgoingStatus] = {}
    for row in connection.execute(waiting):
        first.setdefault(row.delivery, OutgoingStatus(**row._mapping))
    return [s for s in first.values() if s.next_at <= now][:limit]


def statuses_of(connection: Connection, delivery: str) -> list[OutgoingStatus]:
    """Our status messages about a received package."""
    t = outgoing_statuses
    rows = connection.execute(select(*_STATUS).where(t.c.delivery == delivery).order_by(t.c.created_at, t.c.id))
    return [OutgoingStatus(**row._mapping) for row in rows]


def settle_status(connection: Connection, id: str, *, state: str, **values: Any) -> None:
    """Record what came of sending a status."""
    check_proven(state, values)
    connection.execute(update(outgoing_statuses).where(outgoing_statuses.c.id == id).values(state=state, **values))


def put_incoming_status(connection: Connection, row: IncomingStatus) -> bool:
    """Enter a status about a document of ours; False for a repeat."""
    t = incoming_statuses
    if connection.execute(select(t.c.status_id).where(t.c.status_id == row.status_id)).first() is not None:
        return False
    connection.execute(insert(t).values(asdict(row)))
    return True


def all_incoming_statuses(connection: Connection, limit: int) -> list[IncomingStatus]:
    """Statuses about our documents, oldest first."""
    t = incoming_statuses
    return [IncomingStatus(**row._mapping) for row in connection.execute(select(*t.c).order_by(t.c.received_at, t.c.status_id).limit(limit))]


def said_since(connection: Connection, document_id: str, codes: Collection[str], since: datetime) -> bool:
    """Did a recipient say one of these statuses about a document of ours since a moment?"""
    t = incoming_statuses
    where = (t.c.document_id == document_id, t.c.code.in_(list(codes)), t.c.received_at >= since)
    return connection.execute(select(t.c.status_id).where(*where).limit(1)).first() is not None


def cursor(connection: Connection, name: str) -> int:
    """A saved cursor, 0 at first."""
    value = connection.execute(select(cursors.c.value).where(cursors.c.name == name)).scalar()
    return int(value or 0)


def save_cursor(connection: Connection, name: str, value: int) -> None:
    """Save a cursor; it only moves forward."""
    if connection.execute(update(cursors).where(cursors.c.name == name).values(value=value)).rowcount == 0:
        connection.execute(insert(cursors).values(name=name, value=value))
