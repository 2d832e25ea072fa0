"""custody_search — tìm trong sổ: entries by what an auditor knows, and what the rest of the database says about the log."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, CompoundSelect, Connection, Select, and_, exists, func, literal_column, or_, select, union

from exchange.custody import Event
from exchange.delivery import State
from exchange.store import directory
from exchange.store.tables import attachments as a
from exchange.store.tables import custody_entry as e
from exchange.store.tables import deliveries as d
from exchange.store.tables import envelopes as v
from exchange.store.tables import statuses as s

STREAM = 500


@dataclass(frozen=True, slots=True)
class Found:
    """One entry. `number` counts over the whole log; `event` is its name without the namespace."""

    number: int
    at: datetime
    event: str
    envelope: str
    document_id: str
    sender: str
    recipient: str
    leaf_hash: str


@dataclass(frozen=True, slots=True)
class Query:
    """What is looked for; "" and None leave a condition out. `agency` is sender or recipient.
    `digest` is the lower-hex SHA-256 of a package, file, seal or status message, or an entry's leaf hash."""

    document_id: str = ""
    agency: str = ""
    event: str = ""
    since: datetime | None = None
    until: datetime | None = None
    digest: str = ""
    after: int = -1
    limit: int = 200


def search(connection: Connection, query: Query) -> list[Found]:
    """Entries in log order that meet every condition of `query`."""
    rows = connection.execute(statement_of(query))
    return [Found(r.seq, r.at, r.event, r.envelope, r.document_id, r.sender, r.recipient, r.leaf_hash.hex()) for r in rows]


def statement_of(query: Query) -> Select[Any]:
    """What is asked of the database; a test looks how it is answered."""
    columns = (e.c.seq, e.c.at, e.c.event, e.c.envelope, e.c.sender, e.c.recipient, e.c.leaf_hash)
    statement = select(*columns, func.coalesce(v.c.document_id, "").label("document_id")).outerjoin(v, v.c.id == e.c.envelope)
    statement = statement.where(e.c.seq > query.after).order_by(e.c.seq).limit(query.limit)
    if query.document_id:
        named = select(v.c.id).where(or_(v.c.document_id == query.document_id, v.c.code == query.document_id, v.c.id == query.document_id))
        statement = statement.where(e.c.envelope.in_(named))
    if query.agency:
        statement = statement.where(e.c.seq.in_(_of_agency(query.agency)))
    if query.event:
        statement = statement.where(func.lower(e.c.event) == query.event.rsplit("/", 1)[-1].rsplit(":", 1)[-1].lower())
    if query.since is not None:
        statement = statement.where(e.c.at >= query.since)
    if query.until is not None:
        statement = statement.where(e.c.at < query.until)
    if query.digest:
        statement = statement.where(_bears(query.digest))
    return statement


def _of_agency(code: str) -> CompoundSelect[Any]:
    """Numbers of the entries that name an agency, found through its documents: an index by agency over
    every entry would cost each append more than the entry itself. Entries of no document have one."""
    nobody: ColumnElement[str] = literal_column("''")  # as it stands in the partial indexes
    sent = select(e.c.seq).join(v, v.c.id == e.c.envelope).where(v.c.sender == code, e.c.envelope != nobody, e.c.sender == code)
    received = select(e.c.seq).join(d, and_(d.c.envelope == e.c.envelope, d.c.recipient == e.c.recipient))
    received = received.where(d.c.recipient == code, e.c.recipient == code, e.c.envelope != nobody)
    alone = [select(e.c.seq).where(e.c.envelope == nobody, column == code) for column in (e.c.sender, e.c.recipient)]
    return union(sent, received, *alone)


def _bears(digest: str) -> ColumnElement[bool]:
    packages = select(v.c.id).where(or_(v.c.package_sha256 == digest, v.c.seal_sha256 == digest, v.c.header_sha256 == digest))
    files = select(a.c.envelope).where(a.c.sha256 == digest)
    told = select(s.c.envelope).where(or_(s.c.sha256 == digest, s.c.seal_sha256 == digest))
    return or_(e.c.leaf_hash == bytes.fromhex(digest), e.c.envelope.in_(packages), e.c.envelope.in_(files), e.c.envelope.in_(told))


@dataclass(frozen=True, slots=True)
class Gap:
    """Something that the log should say and does not, or says too late. `kind`: missing, late."""

    kind: str
    envelope: str
    document_id: str
    agency: str
    event: str
    since: datetime


_NEEDED = (
    ((State.DELIVERED,), (Event.CONSIGNED,)),
    ((State.ACKNOWLEDGED,), (Event.HANDED_OVER, Event.REGISTERED)),
    ((State.FAILED,), (Event.CONSIGNMENT_FAILED,)),
    ((State.EXPIRED,), (Event.HANDOVER_FAILED, Event.CONSIGNMENT_FAILED)),
)


def missing(connection: Connection) -> Iterator[Gap]:
    """States of the database without the entry that must stand behind them."""
    logged = exists().where(e.c.envelope == v.c.id, e.c.event == Event.ACCEPTED.value)
    accepted = select(v.c.id, v.c.document_id, v.c.sender, v.c.accepted_at).where(~logged)
    for row in connection.execution_options(yield_per=STREAM).execute(accepted):
        yield Gap("missing", row.id, row.document_id, row.sender, Event.ACCEPTED.value, row.accepted_at)
    for states, events in _NEEDED:
        logged = exists().where(e.c.envelope == d.c.envelope, e.c.recipient == d.c.recipient, e.c.event.in_([event.value for event in events]))
        rows = _deliveries().where(d.c.state.in_([state.value for state in states]), ~logged)
        yield from _gaps(connection, rows, "missing", events[0])
    # A status message is logged at the moment it was taken.
    logged = exists().where(e.c.envelope == s.c.envelope, e.c.at == s.c.received_at)
    told = select(s.c.envelope, v.c.document_id, s.c.agency, s.c.code, s.c.received_at).join(v, v.c.id == s.c.envelope).where(~logged)
    for taken in connection.execution_options(yield_per=STREAM).execute(told):
        yield Gap("missing", taken.envelope, taken.document_id, taken.agency, f"{Event.STATUS.value} {taken.code}", taken.received_at)


def late(connection: Connection, before: datetime) -> Iterator[Gap]:
    """Deliveries that have been waiting for their next event since before a moment."""
    waiting = ((State.QUEUED, Event.CONSIGNED), (State.CLAIMED, Event.CONSIGNED), (State.HELD, Event.CONSIGNED), (State.DELIVERED, Event.HANDED_OVER))
    for state, event in waiting:
        yield from _gaps(connection, _deliveries().where(and_(d.c.state == state.value, d.c.updated_at < before)), "late", event)


def _deliveries() -> Select[tuple[str, str, str, datetime]]:
    return select(d.c.envelope, v.c.document_id, d.c.recipient, d.c.updated_at).join(v, v.c.id == d.c.envelope).order_by(d.c.updated_at)


def _gaps(connection: Connection, rows: Select[tuple[str, str, str, datetime]], kind: str, event: Event) -> Iterator[Gap]:
    for row in connection.execution_options(yield_per=STREAM).execute(rows):
        yield Gap(kind, row.envelope, row.document_id, row.recipient, event.value, row.updated_at)


def blobs_referenced(connection: Connection) -> Iterator[tuple[str, str]]:
    """(digest, what it is and whose) of every stored file that the database speaks of."""
    stream = connection.execution_options(yield_per=STREAM)
    for row in stream.execute(select(v.c.id, v.c.package_sha256, v.c.seal_sha256)):
        yield row.package_sha256, f"package of {row.id}"
        yield row.seal_sha256, f"seal of {row.id}"
    for row in stream.execute(select(s.c.id, s.c.sha256, s.c.seal_sha256)):
        yield row.sha256, f"status {row.id}"
        yield row.seal_sha256, f"seal of status {row.id}"
    yield from directory.files_referenced(connection)


def files_referenced(connection: Connection) -> int:
    """How many such files there are."""
    count = 2 * (connection.execute(select(func.count()).select_from(v)).scalar() or 0)
    count += len(directory.files_referenced(connection))
    return count + 2 * (connection.execute(select(func.count()).select_from(s)).scalar() or 0)
