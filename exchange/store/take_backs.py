"""take_backs — yêu cầu lấy lại: status 13 of ours, sealed once, sent after its document until its receipt is here."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, insert, select, update

from exchange.lifecycle import Status
from exchange.store.change_tables import take_backs as t
from exchange.store.journal import check_proven
from exchange.store.tables import incoming_statuses as said
from exchange.store.tables import outbox as o


@dataclass(frozen=True, slots=True)
class TakeBack:
    """A recipient asked to give a document back. `kind` with `document_id` is the line of the outbox; `recipient` as we
    wrote it, `agency` its own code by the hub's receipt, "" before."""

    id: str
    document_id: str
    kind: int
    recipient: str
    agency: str
    reason: str
    sha256: str
    seal_sha256: str
    state: str
    attempts: int
    next_at: datetime
    last_error: str
    created_at: datetime


_COLUMNS = [c for c in t.c if c.name != "receipt"]
_ANSWERS = (Status.TAKE_BACK_AGREED.value, Status.TAKE_BACK_REFUSED.value)


def put(connection: Connection, row: TakeBack) -> None:
    """Take a sealed take-back to be sent."""
    connection.execute(insert(t).values(asdict(row)))


def due(connection: Connection, now: datetime, limit: int) -> list[tuple[TakeBack, bool]]:
    """Take-backs that can be settled now, oldest first, with whether their document was sent; if not, it was refused.
    What is asked back never overtakes its document."""
    line = and_(o.c.document_id == t.c.document_id, o.c.kind == t.c.kind)
    where = (t.c.state == "waiting", t.c.next_at <= now, o.c.state != "waiting")
    rows = connection.execute(select(*_COLUMNS, o.c.state.label("about")).join(o, line).where(*where).order_by(t.c.created_at, t.c.id).limit(limit))
    return [(TakeBack(**{k: v for k, v in row._mapping.items() if k != "about"}), row.about == "sent") for row in rows]


def settle(connection: Connection, id: str, *, state: str, **values: Any) -> None:
    """Record what came of sending one (`receipt`, `agency`, `last_error`, `next_at`, `attempts`).

    Raises:
        ReceiptInvalid: sent without a receipt.
    """
    check_proven(state, values)
    connection.execute(update(t).where(t.c.id == id).values(state=state, **values))


def of_document(connection: Connection, document_id: str, recipient: str) -> list[TakeBack]:
    """What was asked of one recipient about a document, newest first."""
    where = (t.c.document_id == document_id, t.c.recipient == recipient)
    rows = connection.execute(select(*_COLUMNS).where(*where).order_by(t.c.created_at.desc(), t.c.id))
    return [TakeBack(**row._mapping) for row in rows]


def answer(connection: Connection, row: TakeBack) -> tuple[str, str]:
    """What the recipient said to it, 15 or 16 with its reason; empty while it has said nothing."""
    where = (said.c.document_id == row.document_id, said.c.agency == (row.agency or row.recipient), said.c.code.in_(_ANSWERS))
    statement = select(said.c.code, said.c.description).where(*where, said.c.received_at >= row.created_at)
    found = connection.execute(statement.order_by(said.c.received_at, said.c.status_id).limit(1)).first()
    return (found.code, found.description) if found is not None else ("", "")


def all(connection: Connection, limit: int) -> list[TakeBack]:
    """Take-backs, newest first."""
    return [TakeBack(**row._mapping) for row in connection.execute(select(*_COLUMNS).order_by(t.c.created_at.desc(), t.c.id).limit(limit))]


def receipt(connection: Connection, id: str) -> bytes | None:
    """The verified receipt of one that was sent."""
    found: bytes | None = connection.execute(select(t.c.receipt).where(t.c.id == id)).scalar()
    return found
