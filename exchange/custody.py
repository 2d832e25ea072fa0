"""custody — chuỗi lưu giữ: what one event of a document's life says.

A leaf is RFC 8785 JSON of strings and integers, at most 2 KiB, without content:
digests, codes and times only. The stored bytes are authoritative and are never
re-serialised. Event names are those of ETSI EN 319 522-1, else hub-local.
"""

from __future__ import annotations

import base64
import hashlib
import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import rfc8785

from exchange.errors import CustodyError

ETSI = "http://uri.etsi.org/19522/Event/"
LOCAL = "urn:vanthu:event:"
LEAF_LIMIT = 2048


class Event(StrEnum):
    """Events, by the name that goes into the leaf."""

    ACCEPTED = "SubmissionAcceptance"
    REFUSED_SUBMISSION = "SubmissionRejection"
    CONSIGNED = "ContentConsignment"
    CONSIGNMENT_FAILED = "ContentConsignmentFailure"
    HANDED_OVER = "ContentHandover"
    HANDOVER_FAILED = "ContentHandoverFailure"
    RECIPIENT_REFUSED = "ConsignmentRejection"
    REGISTERED = "ConsignmentAcceptance"
    STATUS = "Status"
    OPERATOR = "OperatorAction"
    DIRECTORY = "DirectoryChange"
    RECHECKED = "Recheck"

    @property
    def uri(self) -> str:
        local = self in (Event.STATUS, Event.OPERATOR, Event.DIRECTORY, Event.RECHECKED)
        return (LOCAL if local else ETSI) + self.value


@dataclass(frozen=True, slots=True)
class Entry:
    """One event before it is a leaf.

    `envelope` is the hub's id of the package; `document_id` and `document_sha256`
    are the sender's. `object_sha256` is the digest of the signed object that
    proves the event (the agency's sealed bytes where an agency acted).
    `by` is the agency code, ``hub`` or ``operator:NAME``. `at` is aware.
    """

    event: Event
    at: datetime
    by: str
    envelope: str = ""
    document_id: str = ""
    document_sha256: str = ""
    sender: str = ""
    recipient: str = ""
    object_sha256: str = ""
    object_type: str = ""
    status: str = ""
    why: str = ""


def leaf_bytes(entry: Entry, *, n: int, previous: str, salt: bytes) -> bytes:
    """Canonical leaf of `entry`.

    Args:
        n: position in the (envelope, recipient) chain, from 0.
        previous: lower-hex leaf hash of position n-1, "" for the first.
        salt: 16 random bytes, so that public leaf hashes cannot be guessed.

    Raises:
        CustodyError: larger than 2 KiB, or a negative event without its reason.
    """
    if entry.event in (Event.REFUSED_SUBMISSION, Event.CONSIGNMENT_FAILED, Event.HANDOVER_FAILED, Event.RECIPIENT_REFUSED) and not entry.why:
        raise CustodyError("negative event without a reason", place=entry.event.value)
    value: dict[str, Any] = {
        "v": 1,
        "ev": entry.event.uri,
        "at": entry.at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "by": entry.by,
        "n": n,
        "salt": base64.urlsafe_b64encode(salt).rstrip(b"=").decode(),
    }
    optional: dict[str, Any] = {
        "msg": entry.envelope,
        "doc": {"id": entry.document_id, "sha256": entry.document_sha256} if entry.document_id else None,
        "from": entry.sender,
        "to": entry.recipient,
        "obj": {"sha256": entry.object_sha256, "type": entry.object_type} if entry.object_sha256 else None,
        "st": entry.status,
        "why": entry.why[:400],
        "prev": previous,
    }
    value |= {key: item for key, item in optional.items() if item}
    data: bytes = rfc8785.dumps(_nfc(value))
    if len(data) > LEAF_LIMIT:
        raise CustodyError(f"leaf of {len(data)} bytes", place=entry.envelope)
    return data


def leaf_hash(leaf: bytes) -> bytes:
    """RFC 9162 2.1.1 leaf hash, 32 bytes."""
    return hashlib.sha256(b"\x00" + leaf).digest()


def _nfc(value: Any) -> Any:
    if isinstance(value, str):
        return unicodedata.normalize("NFC", value)
    if isinstance(value, dict):
        return {key: _nfc(item) for key, item in value.items()}
    return value
