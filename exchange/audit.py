"""audit — kiểm tra: where a document is, who must act, and the file that proves it.

Everything here reads; nothing decides. The evidence file carries originals,
agencies' own seals, receipts, log leaves and their proofs, so that a stranger
can check it without the hub.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import Connection

from exchange.agency import Purpose
from exchange.delivery import State
from exchange.edxml.read import read_package
from exchange.errors import NotFound
from exchange.lifecycle import LABELS, Status
from exchange.office import Office
from exchange.origin import METHOD_TEXTS, Method
from exchange.store import agencies, connectors, custody_log, envelopes, queue
from exchange.store.envelopes import EnvelopeRow
from signing.checkpoint import build_proof, parse_note
from signing.errors import TimestampUnavailable
from signing.evidence import Member, build

_WAITING = {
    State.QUEUED: ("hệ thống chuyển hoặc cơ quan nhận đến lấy", "the hub, or the recipient collecting"),
    State.CLAIMED: ("hệ thống đang chuyển", "the hub is carrying it"),
    State.DELIVERED: ("cơ quan nhận xác nhận", "the recipient, to acknowledge"),
    State.ACKNOWLEDGED: ("", ""),
    State.FAILED: ("người vận hành: gửi lại", "the operator, to resend"),
    State.EXPIRED: ("người vận hành: gửi lại", "the operator, to resend"),
    State.HELD: ("người vận hành: bỏ giữ", "the operator, to release"),
    State.RECALLED: ("", ""),
}


def visible(office: Office, caller: str | None, envelope: str) -> EnvelopeRow:
    """The envelope, when `caller` is a party to it (None: the operator).

    Raises:
        NotFound: no such envelope, or not the caller's.
    """
    with office.store.read() as connection:
        row = envelopes.get(connection, envelope)
        if row is None:
            raise NotFound(envelope, place="envelope")
        parties = {row.sender} | {d.recipient for d in queue.of_envelope(connection, envelope)}
    if caller is not None and caller not in parties:
        raise NotFound(envelope, place="envelope")
    return row


def find(office: Office, caller: str | None, *, document_id: str) -> list[dict[str, Any]]:
    """Envelopes with this document id that the caller is a party to."""
    with office.store.read() as connection:
        rows = envelopes.search(connection, document_id=document_id, party=caller, limit=50)
    return [_facts(row) for row in rows]


def timeline(office: Office, caller: str | None, envelope: str) -> dict[str, Any]:
    """The document's life so far: facts, deliveries with who must act, and events."""
    row = visible(office, caller, envelope)
    with office.store.read() as connection:
        deliveries = [_delivery(connection, d) for d in queue.of_envelope(connection, envelope)]
        events = [_event(index, leaf) for index, leaf in custody_log.leaves_of(connection, envelope)]
        files = [
            {"name": a.name, "sha256": a.sha256, "size": a.size, "media_type": a.media_type, "verdict": a.verdict}
            for a in envelopes.attachments_of(connection, envelope)
        ]
        origin = _origin(connection, row.id)
    return {**_facts(row), "origin": origin, "files": files, "deliveries": deliveries, "events": events}


def _origin(connection: Connection, envelope: str) -> dict[str, str]:
    row = connectors.origin_of(connection, envelope)
    method = Method(row.method) if row is not None else Method.SEAL
    vi, en = METHOD_TEXTS[method]
    return {"method": method.value, "system": row.system if row else "", "key": row.key if row else "", "text_vi": vi, "text_en": en}


def proof(office: Office, caller: str | None, envelope: str, index: int | None) -> str:
    """Offline proof (c2sp.org/tlog-proof@v1) of one event, the acceptance by default.

    Raises:
        NotFound: no such event of this envelope.
    """
    visible(office, caller, envelope)
    with office.store.read() as connection:
        indices = [i for i, _ in custody_log.leaves_of(connection, envelope)]
    wanted = indices[0] if index is None else index
    if wanted not in indices:
        raise NotFound(str(index), place="index")
    note = office.head(covering=wanted + 1)
    with office.store.read() as connection:
        return build_proof(wanted, custody_log.prove(connection, wanted, parse_note(note).size), note)


def evidence(office: Office, caller: str | None, envelope: str, target: Path, *, content: bool = True) -> None:
    """Write the evidence file (ASiC-E) of one document to `target`.

    Args:
        content: False leaves the documents out; their digests remain.
    """
    row = visible(office, caller, envelope)
    with office.store.read() as connection:
        leaves = custody_log.leaves_of(connection, envelope)
        statuses = envelopes.statuses_of(connection, envelope)
        receipts = [r for r in (envelopes.receipt(connection, i) for i in [row.id, *(s.id for s in statuses)]) if r is not None]
    note = office.head(covering=leaves[-1][0] + 1)
    blobs = office.store.blobs
    with tempfile.TemporaryDirectory(dir=blobs.temporary().parent) as folder:
        members = _documents(office, row, Path(folder)) if content else []
        for number, data in enumerate(receipts, 1):
            event = str(json.loads(data)["event"]).rsplit("/", 1)[-1].rsplit(":", 1)[-1]
            members.append(Member(f"evidence/{number:02d}-{event}.json", data, "application/json"))
        for number, status in enumerate(statuses, 1):
            stem = f"evidence/{number:02d}-status-{status.code}"
            members.append(Member(f"{stem}.edxml", blobs.path(status.sha256).read_bytes(), "application/xml"))
            members.append(Member(f"{stem}.edxml.p7s", blobs.path(status.seal_sha256).read_bytes(), "application/pkcs7-signature"))
        members += _log_members(office, leaves, note)
        members += _certificates(office, envelope)
        report = json.dumps(timeline(office, caller, envelope), ensure_ascii=False, indent=1, sort_keys=True)
        members.append(Member("report/timeline.json", report.encode(), "application/json"))
        try:
            build(target, members, office.seal_key, now=office.clock(), timestamp=office.timestamp)
        except TimestampUnavailable:
            # Evidence without a stamp now is better than none; the check says which it is.
            build(target, members, office.seal_key, now=office.clock())


def _documents(office: Office, row: EnvelopeRow, folder: Path) -> list[Member]:
    blobs = office.store.blobs
    package = blobs.path(row.package_sha256)
    members = [
        Member("documents/package.edxml", package, "application/xml"),
        Member("documents/package.edxml.p7s", blobs.path(row.seal_sha256).read_bytes(), "application/pkcs7-signature"),
    ]
    for attachment in read_package(package, workdir=folder).attachments:
        if attachment.path is not None:
            name = "".join(c if c.isalnum() or c in "._- " else "_" for c in attachment.name)[-80:] or "file"
            members.append(Member(f"documents/files/{attachment.position:02d}-{name}", attachment.path, attachment.media_type))
    return members


def _log_members(office: Office, leaves: list[tuple[int, bytes]], note: str) -> list[Member]:
    members = []
    size = parse_note(note).size
    with office.store.read() as connection:
        for index, leaf in leaves:
            path = custody_log.prove(connection, index, size)
            members.append(Member(f"log/leaves/{index:08d}.json", leaf, "application/json"))
            members.append(Member(f"log/proofs/{index:08d}.tlog-proof", build_proof(index, path, note).encode(), "text/plain"))
    members.append(Member("log/checkpoint", note.encode(), "text/plain"))
    members.append(Member("trust/log.vkey", (office.log_key.vkey() + "\n").encode(), "text/plain"))
    return members


def _certificates(office: Office, envelope: str) -> list[Member]:
    hub = office.seal_key.certificate.public_bytes(Encoding.PEM)
    members = [Member("trust/certs/hub.pem", hub, "application/x-pem-file")]
    with office.store.read() as connection:
        row = envelopes.get(connection, envelope)
        parties = ([row.sender] if row else []) + [d.recipient for d in queue.of_envelope(connection, envelope)]
        for code in dict.fromkeys(parties):
            for number, certificate in enumerate(agencies.certificates_of(connection, code, Purpose.SEAL), 1):
                members.append(Member(f"trust/certs/{code}-{number}.pem", certificate.pem.encode(), "application/x-pem-file"))
    return members


def _facts(row: EnvelopeRow) -> dict[str, Any]:
    return {
        "envelope": row.id,
        "document_id": row.document_id,
        "kind": row.kind,
        "from": row.sender,
        "code": row.code,
        "subject": row.subject,
        "promulgation_date": row.promulgation_date,
        "priority": row.priority,
        "sha256": row.package_sha256,
        "size": row.size,
        "mark": row.mark,
        "accepted_at": row.accepted_at.isoformat(),
    }


def _delivery(connection: Connection, delivery: Any) -> dict[str, Any]:
    agency = agencies.get(connection, delivery.recipient)
    label = LABELS[Status(delivery.status)] if delivery.status else ("", "")
    waiting = _WAITING[delivery.state]
    return {
        "delivery": delivery.id,
        "recipient": delivery.recipient,
        "recipient_name": agency.name if agency else "",
        "state": delivery.state.value,
        "status": delivery.status,
        "status_vi": label[0],
        "status_en": label[1],
        "attempt": delivery.attempt,
        "last_error": delivery.last_error,
        "waiting_for_vi": waiting[0],
        "waiting_for_en": waiting[1],
        "next_at": delivery.next_at.isoformat(),
    }


def _event(index: int, leaf: bytes) -> dict[str, Any]:
    value = json.loads(leaf)
    return {
        "index": index,
        "event": value["ev"],
        "at": value["at"],
        "by": value["by"],
        "recipient": value.get("to", ""),
        "status": value.get("st", ""),
        "why": value.get("why", ""),
        "object_sha256": value.get("obj", {}).get("sha256", ""),
        "object_type": value.get("obj", {}).get("type", ""),
    }
