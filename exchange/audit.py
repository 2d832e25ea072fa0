"""audit — kiểm tra: where a document is, who must act, and what happened to it.

Everything here reads; nothing decides. The file that proves it is made by `evidence_file`.
"""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Connection

from exchange.delivery import State
from exchange.errors import NotFound
from exchange.history import changes_of, thread_of
from exchange.lifecycle import LABELS, Status
from exchange.office import Office
from exchange.origin import METHOD_TEXTS, Method
from exchange.store import agencies, connectors, custody_log, envelopes, queue
from exchange.store.envelopes import EnvelopeRow

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
        life = {"changes": changes_of(connection, row), "thread": thread_of(connection, row, caller)}
    if caller is not None and caller != row.sender:
        life["changes"] = [c for c in life["changes"] if c["recipient"] == caller]
    return {**_facts(row), "origin": origin, "files": files, "deliveries": deliveries, "events": events, **life}


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
    return office.proof(wanted)


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
