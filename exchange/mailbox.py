"""mailbox — hộp thư: agencies collect, acknowledge and report back.

An acknowledgement is the recipient's own sealed status 01; later statuses
follow the same way. Both come to rest in one transaction with their custody
entry, and the same message again gives the same receipt.
"""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from exchange.custody import Entry, Event
from exchange.delivery import Delivery, State, may_move
from exchange.edxml.status import read_status
from exchange.envelope import StatusMessage
from exchange.errors import NotFound, NotTheSender, ReasonRequired, StatusError, StatusUnknownDocument
from exchange.event_reasons import ReasonCode, event_reasons, why
from exchange.lifecycle import BY_SENDER, NEEDS_REASON, Status, advance, parse_status
from exchange.office import Office, Subject
from exchange.origin import Origin
from exchange.sealers import check_agency_seal
from exchange.store import custody_log, envelopes, queue
from exchange.store.envelopes import EnvelopeRow, StatusRow
from exchange.vouching import keep, reasons_of, record, vouch

_EVENTS = {
    Status.ARRIVED: Event.HANDED_OVER,
    Status.REFUSED: Event.RECIPIENT_REFUSED,
    Status.REGISTERED: Event.REGISTERED,
    Status.ASSIGNED: Event.ASSIGNED,
    Status.IN_PROCESS: Event.IN_PROCESS,
    Status.FINISHED: Event.FINISHED,
    Status.TAKE_BACK: Event.RECALL_REQUESTED,
    Status.TAKE_BACK_AGREED: Event.RECALL_AGREED,
    Status.TAKE_BACK_REFUSED: Event.RECALL_REFUSED,
}


@dataclass(frozen=True, slots=True)
class PackageFile:
    """A package to hand over: exact bytes in `path`, with the sender's seal."""

    path: Path
    sha256: str
    size: int
    seal: bytes
    envelope: str
    delivery: str


@dataclass(frozen=True, slots=True)
class StatusFile:
    """A sealed status message to hand over."""

    data: bytes
    seal: bytes
    envelope: str
    code: str


def inbox(office: Office, caller: str, *, after: int, limit: int) -> list[dict[str, Any]]:
    """Lines of `caller`'s mailbox with a cursor above `after`, oldest first."""
    items: list[dict[str, Any]] = []
    with office.store.read() as connection:
        for line in queue.inbox_after(connection, caller, after, limit):
            item = _document(connection, line.ref) if line.kind == "document" else _status(connection, line.ref)
            if item is not None:
                items.append({"cursor": line.cursor, "kind": line.kind, "at": line.at.isoformat(), **item})
    return items


def package_of(office: Office, caller: str, delivery_id: str) -> PackageFile:
    """The package of a delivery, for its recipient or its sender.

    Raises:
        NotFound: no such delivery, held back, recalled, or not the caller's.
    """
    with office.store.read() as connection:
        delivery, row = _pair(connection, delivery_id)
        if caller not in (delivery.recipient, row.sender) or delivery.state in (State.HELD, State.RECALLED):
            raise NotFound(delivery_id, place="delivery")
    seal = office.store.blobs.path(row.seal_sha256).read_bytes()
    return PackageFile(
        path=office.store.blobs.path(row.package_sha256), sha256=row.package_sha256, size=row.size, seal=seal, envelope=row.id, delivery=delivery_id
    )


def status_of(office: Office, caller: str, status_id: str) -> StatusFile:
    """A status message addressed to or sent by the caller.

    Raises:
        NotFound: no such message, or not the caller's.
    """
    with office.store.read() as connection:
        row = envelopes.status(connection, status_id)
    if row is None or caller not in (row.agency, row.to_agency):
        raise NotFound(status_id, place="status")
    blobs = office.store.blobs
    return StatusFile(data=blobs.path(row.sha256).read_bytes(), seal=blobs.path(row.seal_sha256).read_bytes(), envelope=row.envelope, code=row.code)


def acknowledge(office: Office, caller: str, delivery_id: str, data: bytes, seal: bytes) -> bytes:
    """Take the recipient's sealed status 01; the sealed receipt of it.

    Raises:
        StatusError, AccessError, SealRefused, NotFound: refused.
    """
    message = read_status(data)
    if parse_status(message.code) is not Status.ARRIVED:
        raise StatusError(message.code, place="MessageHeader/StatusCode")
    with office.store.read() as connection:
        delivery, row = _pair(connection, delivery_id)
    if delivery.recipient != caller:
        raise NotFound(delivery_id, place="delivery")
    if message.response_for.document_id != row.document_id or message.response_for.organ != row.sender:
        raise StatusError(message.response_for.document_id[:200], place="MessageHeader/ResponseFor")
    return _take(office, caller, message, data, seal, delivery=delivery, row=row)


def report_status(office: Office, caller: str, data: bytes, seal: bytes, origin: Origin | None = None) -> bytes:
    """Take a sealed status message; the sealed receipt of it. With `origin` a
    shared secret stands in the seal's place.

    A status that overtakes its document is parked, never lost.

    Raises:
        StatusError, AccessError, SealRefused: refused.
    """
    message = read_status(data)
    status = parse_status(message.code)
    by_sender = status in BY_SENDER
    owner = caller if by_sender else message.response_for.organ
    recipient = message.response_for.organ if by_sender else caller
    with office.store.read() as connection:
        row = envelopes.find_document(connection, owner, message.response_for.document_id)
        delivery = queue.for_recipient(connection, row.id, recipient) if row is not None else None
    if row is None or delivery is None:
        seal, _ = _check_sealed(office, caller, message, data, seal, origin)
        _park(office, caller, message, data, seal)
        raise StatusUnknownDocument(message.response_for.document_id[:200], place="MessageHeader/ResponseFor/DocumentId")
    return _take(office, caller, message, data, seal, delivery=delivery, row=row, origin=origin)


def _take(
    office: Office, caller: str, message: StatusMessage, data: bytes, seal: bytes, *, delivery: Delivery, row: EnvelopeRow, origin: Origin | None = None
) -> bytes:
    status = parse_status(message.code)
    if status in NEEDS_REASON and not message.description.strip():
        raise ReasonRequired(status.value, place="MessageHeader/Description")
    seal, origin = _check_sealed(office, caller, message, data, seal, origin)
    # Durable: the message and its seal. A crash here costs two orphan blobs.
    blobs = office.store.blobs
    sha256, seal_sha256 = blobs.put_bytes(data), blobs.put_bytes(seal)
    now = office.clock()
    new = StatusRow(
        id=str(uuid.uuid4()),
        envelope=row.id,
        delivery=delivery.id,
        agency=caller,
        to_agency=delivery.recipient if status in BY_SENDER else row.sender,
        code=status.value,
        description=message.description,
        at=message.timestamp or now,
        received_at=now,
        sha256=sha256,
        seal_sha256=seal_sha256,
    )
    kept = keep(office, new.id, origin)

    def job(connection: Connection) -> tuple[StatusRow, int]:
        known = envelopes.status_by_digest(connection, row.id, caller, sha256)
        if known is not None:
            return known, _index_of(connection, row.id, sha256)
        envelopes.insert_status(connection, new)
        current = queue.get(connection, delivery.id)
        before = current if current is not None else delivery
        queue.set_status(connection, delivery.id, advance(before.status, status), now=now)
        if status not in BY_SENDER and may_move(before.state, State.ACKNOWLEDGED):
            queue.set_state(connection, delivery.id, frozenset({before.state}), State.ACKNOWLEDGED, now=now)
        queue.inbox_put(connection, new.to_agency, "status", new.id, now)
        return new, office.append(connection, [record(connection, kept, _entry(row, new), kind="edxml-status+")])[0]

    # Durable after this: state, message and custody entry together. A crash
    # after it costs the answer; the same message again gives the receipt.
    stored, index = office.store.write(job)
    subject = Subject(
        subject=stored.id,
        envelope=row.id,
        event=_EVENTS[status],
        at=stored.received_at,
        index=index,
        sender=row.sender,
        recipient=delivery.recipient,
        document_id=row.document_id,
        object_sha256=sha256,
        size=len(data),
        reasons=event_reasons(_why(status, stored.description)) + reasons_of(office, stored.id),
    )
    return office.receipt(subject)


def _check_sealed(office: Office, caller: str, message: StatusMessage, data: bytes, seal: bytes, origin: Origin | None) -> tuple[bytes, Origin | None]:
    """The seal that stands over the message (the agency's or its gateway's, or with `origin` the hub's in its place), and who is behind it."""
    if message.sender.code != caller:
        raise NotTheSender(f"{message.sender.code[:40]} ≠ {caller}", place="MessageHeader/From/OrganId")
    if origin is not None:
        return vouch(office, hashlib.sha256(data).hexdigest()), origin
    return seal, check_agency_seal(office, caller, hashlib.sha256(data).hexdigest(), seal, verb="status")


def _park(office: Office, caller: str, message: StatusMessage, data: bytes, seal: bytes) -> None:
    blobs = office.store.blobs
    sha256, seal_sha256 = blobs.put_bytes(data), blobs.put_bytes(seal)
    now = office.clock()
    office.store.write(
        lambda c: envelopes.park_status(c, agency=caller, document_id=message.response_for.document_id, sha256=sha256, seal_sha256=seal_sha256, at=now)
    )


def _entry(row: EnvelopeRow, status: StatusRow) -> Entry:
    return Entry(
        event=_EVENTS[Status(status.code)],
        at=status.received_at,
        by=status.agency,
        envelope=row.id,
        document_id=row.document_id,
        document_sha256=row.package_sha256,
        sender=row.sender,
        recipient=status.to_agency if Status(status.code) in BY_SENDER else status.agency,
        object_sha256=status.sha256,
        object_type="edxml-status+seal",
        seal_sha256=status.seal_sha256,
        status=status.code,
        why=_why(Status(status.code), status.description),
    )


def _why(status: Status, description: str) -> str:
    if status not in NEEDS_REASON:
        return ""
    return why(ReasonCode.BY_SENDER if status in BY_SENDER else ReasonCode.BY_RECIPIENT, description)


def _index_of(connection: Connection, envelope: str, object_sha256: str) -> int:
    needle = object_sha256.encode()
    return next(index for index, leaf in custody_log.leaves_of(connection, envelope) if needle in leaf)


def _pair(connection: Connection, delivery_id: str) -> tuple[Delivery, EnvelopeRow]:
    delivery = queue.get(connection, delivery_id)
    row = envelopes.get(connection, delivery.envelope) if delivery is not None else None
    if delivery is None or row is None:
        raise NotFound(delivery_id, place="delivery")
    return delivery, row


def _document(connection: Connection, delivery_id: str) -> dict[str, Any] | None:
    delivery, row = _pair(connection, delivery_id)
    if delivery.state in (State.HELD, State.RECALLED, State.EXPIRED):
        return None
    return {
        "delivery": delivery.id,
        "envelope": row.id,
        "from": row.sender,
        "document_id": row.document_id,
        "code": row.code,
        "subject": row.subject,
        "sha256": row.package_sha256,
        "size": row.size,
        "priority": row.priority,
        "mark": row.mark,
        "state": delivery.state.value,
    }


def _status(connection: Connection, status_id: str) -> dict[str, Any] | None:
    row = envelopes.status(connection, status_id)
    envelope = envelopes.get(connection, row.envelope) if row is not None else None
    if row is None or envelope is None:
        return None
    return {
        "status_id": row.id,
        "delivery": row.delivery,
        "envelope": row.envelope,
        "from": row.agency,
        "document_id": envelope.document_id,
        "code": row.code,
        "description": row.description,
        "sha256": row.sha256,
    }
