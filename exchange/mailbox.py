"""mailbox — hộp thư: agencies collect, acknowledge and report back.

An acknowledgement is the recipient's own sealed status 01; later statuses
follow the same way. Both come to rest in one transaction with their custody
entry, and the same message again gives the same receipt.
"""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from exchange import reports
from exchange.delivery import Delivery, State
from exchange.edxml.status import read_status
from exchange.envelope import StatusMessage
from exchange.errors import NotFound, NotTheSender, ReasonRequired, StatusError, StatusUnknownDocument
from exchange.event_reasons import event_reasons
from exchange.lifecycle import BY_SENDER, NEEDS_REASON, Status, parse_status
from exchange.office import Office, Subject
from exchange.origin import Origin
from exchange.sealers import check_agency_seal
from exchange.store import agencies, changes, envelopes, queue
from exchange.store.changes import ParkedRow
from exchange.store.envelopes import EnvelopeRow, StatusRow
from exchange.vouching import keep, put_aside, reasons_of, vouch


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
        delivery, row = _may_have(connection, caller, delivery_id)
        known = changes.handed_out(connection, delivery_id)
    if caller == delivery.recipient and not known:
        # Durable before the first byte: a recall must know who may have the document. Asked again in
        # the same transaction, so that a recall comes either before this, or finds it.
        office.store.write(lambda c: _hand_out(c, caller, delivery_id, office.clock()))
    seal = office.store.blobs.path(row.seal_sha256).read_bytes()
    return PackageFile(
        path=office.store.blobs.path(row.package_sha256), sha256=row.package_sha256, size=row.size, seal=seal, envelope=row.id, delivery=delivery_id
    )


def _may_have(connection: Connection, caller: str, delivery_id: str) -> tuple[Delivery, EnvelopeRow]:
    delivery, row = _pair(connection, delivery_id)
    taken = delivery.state in (State.HELD, State.RECALLED) or reports.held(connection, delivery).over
    if caller not in (delivery.recipient, row.sender) or taken:
        raise NotFound(delivery_id, place="delivery")
    return delivery, row


def _hand_out(connection: Connection, caller: str, delivery_id: str, now: datetime) -> None:
    _may_have(connection, caller, delivery_id)
    changes.hand_out(connection, delivery_id, now)


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
        owner = agencies.own_code(connection, message.response_for.organ)
    about = message.response_for
    if delivery.recipient != caller:
        raise NotFound(delivery_id, place="delivery")
    same = about.document_id == row.document_id if about.document_id else (about.code, reports.day_of(about)) == (row.code, row.promulgation_date)
    if not same or owner != row.sender:
        raise StatusError(about.document_id[:200], place="MessageHeader/ResponseFor")
    return _take(office, caller, message, data, seal, delivery=delivery.id)


def report_status(office: Office, caller: str, data: bytes, seal: bytes, origin: Origin | None = None) -> bytes:
    """Take a sealed status message; the sealed receipt of it. With `origin` a
    shared secret stands in the seal's place.

    A status that overtakes its document is parked, and entered with it.

    Raises:
        StatusError, AccessError, SealRefused: refused.
        StatusUnknownDocument: parked; the same message again gives the receipt once the document is here.
    """
    return _take(office, caller, read_status(data), data, seal, origin=origin)


def _take(office: Office, caller: str, message: StatusMessage, data: bytes, seal: bytes, *, delivery: str = "", origin: Origin | None = None) -> bytes:
    status = parse_status(message.code)
    if status in NEEDS_REASON and not message.description.strip():
        raise ReasonRequired(status.value, place="MessageHeader/Description")
    _check_sender(office, caller, message)
    sha256 = hashlib.sha256(data).hexdigest()
    again = _again(office, caller, message, sha256, seal if origin is None else None, delivery)
    if again is not None:
        return _receipt(office, *again, len(data))
    seal, origin = _check_sealed(office, caller, sha256, seal, origin)
    # Durable: the message and its seal. A crash here costs two orphan blobs.
    blobs = office.store.blobs
    _, seal_sha256 = blobs.put_bytes(data), blobs.put_bytes(seal)
    now = office.clock()
    new = StatusRow(
        id=str(uuid.uuid4()),
        envelope="",
        delivery="",
        agency=caller,
        to_agency="",
        code=status.value,
        description=message.description,
        at=message.timestamp or now,
        received_at=now,
        sha256=sha256,
        seal_sha256=seal_sha256,
    )
    kept = keep(office, new.id, origin)

    def job(connection: Connection) -> tuple[StatusRow, int, EnvelopeRow] | None:
        # Looked for in the same transaction: a document accepted a moment ago is not missed.
        found = reports.find(connection, caller, message) if not delivery else _pair(connection, delivery)
        if found is None:
            name = reports.waits_for(connection, caller, message)
            if changes.park(connection, ParkedRow(new.id, caller, sha256, seal_sha256, name, now)) == new.id:
                put_aside(connection, kept)
            return None
        about, row = found
        return *reports.enter(office, connection, new, message, row, about, kept), row

    # Durable after this: state, message and custody entry together, or the parked message. A crash
    # after it costs the answer; the same message again gives the receipt, or finds itself parked.
    entered = office.store.write(job)
    if entered is None:
        missing = message.response_for.document_id or message.response_for.code
        raise StatusUnknownDocument(missing[:200], place="MessageHeader/ResponseFor/DocumentId")
    return _receipt(office, *entered, len(data))


def _again(office: Office, caller: str, message: StatusMessage, sha256: str, seal: bytes | None, delivery: str) -> tuple[StatusRow, int, EnvelopeRow] | None:
    """What a message that was entered before gave, under the same seal (None: by shared secret). It is not judged anew: the
    certificate may have ended since, and the document may have been recalled."""
    with office.store.read() as connection:
        envelope = _pair(connection, delivery)[1].id if delivery else ""
        found = reports.taken_before(connection, caller, message, sha256, envelope)
        if found is None or (seal is not None and found[0].seal_sha256 != hashlib.sha256(seal).hexdigest()):
            return None
        return found[0], reports.index_of(connection, found[1].id, sha256), found[1]


def _receipt(office: Office, stored: StatusRow, index: int, row: EnvelopeRow, size: int) -> bytes:
    """The sealed receipt of a status that is entered; the same bytes each time."""
    status = parse_status(stored.code)
    subject = Subject(
        subject=stored.id,
        envelope=row.id,
        event=reports.EVENTS[status],
        at=stored.received_at,
        index=index,
        sender=row.sender,
        recipient=stored.to_agency if status in BY_SENDER else stored.agency,
        document_id=row.document_id,
        object_sha256=stored.sha256,
        size=size,
        reasons=event_reasons(reports.why_of(status, stored.description)) + reasons_of(office, stored.id),
    )
    return office.receipt(subject)


def _check_sender(office: Office, caller: str, message: StatusMessage) -> None:
    with office.store.read() as connection:
        sender = agencies.own_code(connection, message.sender.code)
    if sender != caller:
        raise NotTheSender(f"{message.sender.code[:40]} ≠ {caller}", place="MessageHeader/From/OrganId")


def _check_sealed(office: Office, caller: str, sha256: str, seal: bytes, origin: Origin | None) -> tuple[bytes, Origin | None]:
    """The seal that stands over the message (the agency's or its gateway's, or with `origin` the hub's in its place), and who is behind it."""
    if origin is not None:
        return vouch(office, sha256), origin
    return seal, check_agency_seal(office, caller, sha256, seal, verb="status")


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
        "package_kind": row.kind,
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
