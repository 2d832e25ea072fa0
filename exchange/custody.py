"""custody — chuỗi lưu giữ: what one event of a document's life says.

A leaf is RFC 8785 JSON of strings and integers, at most 2 KiB, without content:
digests, codes and times only. The stored bytes are authoritative and are never
re-serialised. Event names are those of ETSI EN 319 522-1, else hub-local.
"""

from __future__ import annotations

import base64
import hashlib
import json
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from exchange.errors import CustodyError
from exchange.event_reasons import split_why

ETSI = "http://uri.etsi.org/19522/Event/"
LOCAL = "urn:vanthu:event:"
LEAF_LIMIT = 2048
_encode = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False, check_circular=False).encode


class Event(StrEnum):
    """Events, by the name that goes into the leaf (docs/evidence.md says when each is written)."""

    # A–F: ETSI EN 319 522-1, by name; the codes of the standard are not used on the wire.
    ACCEPTED = "SubmissionAcceptance"
    REFUSED_SUBMISSION = "SubmissionRejection"
    RELAY_ACCEPTED = "RelayAcceptance"
    RELAY_REJECTED = "RelayRejection"
    RELAY_FAILED = "RelayFailure"
    NOTIFIED_FOR_ACCEPTANCE = "NotificationForAcceptance"
    NOTIFIED_FOR_ACCEPTANCE_FAILED = "NotificationForAcceptanceFailure"
    REGISTERED = "ConsignmentAcceptance"
    RECIPIENT_REFUSED = "ConsignmentRejection"
    ACCEPTANCE_EXPIRED = "AcceptanceRejectionExpiry"
    CONSIGNED = "ContentConsignment"
    CONSIGNMENT_FAILED = "ContentConsignmentFailure"
    NOTIFIED = "ConsignmentNotification"
    NOTIFY_FAILED = "ConsignmentNotificationFailure"
    CONTENT_ACCESSED = "ContentAccessTracking"
    HANDED_OVER = "ContentHandover"
    HANDOVER_FAILED = "ContentHandoverFailure"
    TO_LEGACY = "RelayToNonERDS"
    TO_LEGACY_FAILED = "RelayToNonERDSFailure"
    FROM_LEGACY = "ReceivedFromNonERDS"
    # Of the exchange: statuses without an ETSI event, warnings, and acts of operators.
    STATUS = "Status"
    ASSIGNED = "Assigned"
    IN_PROCESS = "InProcess"
    FINISHED = "Finished"
    RECALL_REQUESTED = "TakeBackRequested"
    RECALL_AGREED = "TakeBackAgreed"
    RECALL_REFUSED = "TakeBackRefused"
    # What a recall, take-back, update or replacement does to the document that it is about.
    WITHDRAWN = "Withdrawn"
    RECALL_ASKED = "RecallRequested"
    COPY_DESTROYED = "CopyDestroyed"
    RECALL_DECLINED = "RecallDeclined"
    UPDATED = "UpdateRequested"
    UPDATE_AGREED = "UpdateAgreed"
    UPDATE_DECLINED = "UpdateDeclined"
    RECIPIENT_ADDED = "RecipientAdded"
    SUPERSEDED = "Superseded"
    RELAY_DUE = "RelayDueSoon"
    CONSIGNMENT_DUE = "ConsignmentDueSoon"
    HANDOVER_DUE = "HandoverDueSoon"
    OPERATOR = "OperatorAction"
    DIRECTORY = "DirectoryChange"
    RECHECKED = "Recheck"
    # Of the log itself (L.*).
    LOG_EPOCH = "LogEpoch"
    LOG_KEY = "LogKey"
    LOG_TICK = "LogTick"
    LOG_STAMP = "LogTimestamp"
    LOG_WITNESS = "LogWitness"
    LOG_STATEMENT = "LogStatement"
    LOG_PURGE = "LogPurge"
    LOG_RECOVER = "LogRecovery"

    @property
    def local(self) -> bool:
        """Is it an event of this project, not of the standard?"""
        return self in _LOCAL

    @property
    def negative(self) -> bool:
        """Does it say that something did not come about? Then it must give a reason."""
        return self in NEGATIVE

    @property
    def uri(self) -> str:
        """The name in its namespace."""
        return (LOCAL if self.local else ETSI) + self.value


_LOCAL = frozenset(list(Event)[list(Event).index(Event.STATUS) :])
NEGATIVE = frozenset(
    {
        Event.REFUSED_SUBMISSION,
        Event.RELAY_REJECTED,
        Event.RELAY_FAILED,
        Event.NOTIFIED_FOR_ACCEPTANCE_FAILED,
        Event.RECIPIENT_REFUSED,
        Event.ACCEPTANCE_EXPIRED,
        Event.CONSIGNMENT_FAILED,
        Event.NOTIFY_FAILED,
        Event.HANDOVER_FAILED,
        Event.TO_LEGACY_FAILED,
        Event.RECALL_REFUSED,
    }
)


WRITTEN = "written"  # of `Entry.data`: another code of the agency, as its package or status has it (edxml.md 4.3)
SEALED_AS = "sealed_as"  # of `Entry.data`: another name of the agency, as the certificate of its seal has it
ABOUT = "about"  # of `Entry.data`: how a status names its document where it gives no DocumentId (edxml.md 2.3)


def as_written(written: str, code: str) -> tuple[tuple[str, str | int], ...]:
    """What an entry says beside the agency's own `code`: the code in the bytes that were sealed, when it is another one."""
    return ((WRITTEN, written),) if written != code else ()


def envelope_id(now: datetime, chance: bytes) -> str:
    """A new envelope's id: UUID version 7 (RFC 9562 5.7), so that what is under way
    lies together in the log's index however long the log is.

    Args:
        chance: 10 random bytes.
    """
    milliseconds = int(now.timestamp() * 1000)
    value = milliseconds << 80 | int.from_bytes(chance[:10], "big")
    value = value & ~(0xF << 76) & ~(0x3 << 62) | 7 << 76 | 2 << 62
    return str(UUID(int=value))


def event_of(uri: str) -> Event | None:
    """The event with this URI, None when it is none of ours."""
    name = uri.removeprefix(LOCAL).removeprefix(ETSI)
    found = next((e for e in Event if e.value == name), None)
    return found if found is not None and found.uri == uri else None


def event_named(text: str) -> Event | None:
    """The event that a person means: its URI, or its name in any case; None when it is none of ours."""
    name = text.removeprefix(LOCAL).removeprefix(ETSI).lower()
    return next((e for e in Event if e.value.lower() == name), None)


@dataclass(frozen=True, slots=True)
class Entry:
    """One event before it is a leaf.

    `envelope` is the hub's id of the package; `document_id` and `document_sha256`
    are the sender's. `object_sha256` is the digest of the signed object that
    proves the event (the agency's sealed bytes where an agency acted).
    `seal_sha256` is the digest of that agency's detached signature over the
    object, so that the log fixes both. `by` is the agency code, ``hub`` or
    ``operator:NAME``. `at` is aware. `data` holds what a control event says of
    the log itself: names in ASCII, strings or integers below 2^53.
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
    seal_sha256: str = ""
    data: tuple[tuple[str, str | int], ...] = ()


def leaf_bytes(entry: Entry, *, n: int, previous: str, salt: bytes) -> bytes:
    """Canonical leaf of `entry`.

    Args:
        n: position in the (envelope, recipient) chain, from 0.
        previous: lower-hex leaf hash of position n-1, "" for the first.
        salt: 16 random bytes, so that public leaf hashes cannot be guessed.

    Raises:
        CustodyError: larger than 2 KiB, a negative event without a reason of the closed
            list, or an agency's event without its signed object.
    """
    if entry.event.negative and split_why(entry.why) is None:
        raise CustodyError("negative event without a reason of the list", place=entry.event.value)
    if not entry.object_sha256 and entry.by != "hub" and not entry.by.startswith("operator:"):
        # The hub alone can forge no act of an agency: the leaf must name what that agency signed.
        raise CustodyError("an agency's event without the object it signed", place=entry.event.value)
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
        "obj": _object(entry),
        "st": entry.status,
        "why": entry.why[:400],
        "prev": previous,
        "data": dict(entry.data),
    }
    value |= {key: item for key, item in optional.items() if item}
    try:
        data = _encode(_nfc(value)).encode()
    except UnicodeEncodeError as error:
        raise CustodyError("half a character", place=entry.envelope) from error
    if len(data) > LEAF_LIMIT:
        raise CustodyError(f"leaf of {len(data)} bytes", place=entry.envelope)
    return data


def _object(entry: Entry) -> dict[str, str] | None:
    if not entry.object_sha256:
        return None
    value = {"sha256": entry.object_sha256, "type": entry.object_type}
    return value | {"seal": entry.seal_sha256} if entry.seal_sha256 else value


def control(
    event: Event,
    at: datetime,
    *,
    data: Sequence[tuple[str, str | int]] = (),
    object_sha256: str = "",
    object_type: str = "",
    why: str = "",
    recipient: str = "",
) -> Entry:
    """An event of the log itself (custody.md 10.5, L.*), written by the hub."""
    return Entry(event, at, "hub", recipient=recipient, object_sha256=object_sha256, object_type=object_type, why=why, data=tuple(data))


def leaf_hash(leaf: bytes) -> bytes:
    """RFC 9162 2.1.1 leaf hash, 32 bytes."""
    return hashlib.sha256(b"\x00" + leaf).digest()


def _nfc(value: Any) -> Any:
    # Strings, integers below 2^53 and objects with ASCII names: for these, sorted keys
    # and no spaces is RFC 8785 exactly (the tests compare it with another implementation).
    if isinstance(value, str):
        return value if value.isascii() else unicodedata.normalize("NFC", value)
    if isinstance(value, dict) and all(key.isascii() for key in value):
        return {key: _nfc(item) for key, item in value.items()}
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 53:
        return value
    raise CustodyError("a leaf holds strings, integers below 2^53 and objects with ASCII names", place=type(value).__name__)
