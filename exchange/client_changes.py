"""client_changes — what an agency's system calls to recall, take back, update or replace a document it sent.

Each asks the hub what became of the document, writes the package or status in the reference
dialect, submits it under the agency's seal, and returns only what the verified receipt proves.
"""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from exchange.change_errors import NotARecipient
from exchange.client import Client, Proven
from exchange.edxml.status import write_status
from exchange.edxml.write import write_package
from exchange.envelope import Business, Header, Kind, Organ, Outgoing, ReceiverChange, Replacement, ResponseFor, StatusMessage
from exchange.errors import NotFound
from exchange.lifecycle import DECLINES, Status


@dataclass(frozen=True, slots=True)
class Sent:
    """A document of ours as the hub tells it: its timeline, those of its updates, and the kinds of packages that bear its id."""

    told: dict[str, Any]
    kinds: tuple[int, ...]
    updates: tuple[dict[str, Any], ...] = ()

    @property
    def document_id(self) -> str:
        return str(self.told["document_id"])

    @property
    def recipients(self) -> tuple[str, ...]:
        """Those who still count as recipients, whichever version they have."""
        asked = {c["recipient"] for c in self.told["changes"] if c["effect"] == "asked" and c["answer"] not in DECLINES}
        found = [d["recipient"] for version in (self.told, *self.updates) for d in version["deliveries"] if d["state"] != "recalled"]
        return tuple(code for code in dict.fromkeys(found) if code not in asked)


async def look_up(client: Client, document_id: str, *, sender: str) -> Sent:
    """What the hub knows of a document that `sender` sent.

    Raises:
        NotFound: it knows none.
    """
    found = [row for row in await client.find(document_id) if row["from"] == sender]
    first = min((row for row in found if row["kind"] != Kind.RECALL), key=lambda row: row["accepted_at"], default=None)
    if first is None:
        raise NotFound(document_id[:200], place="document_id")
    told = await client.timeline(str(first["envelope"]))
    updates = dict.fromkeys(str(c["by_envelope"]) for c in told["changes"] if c["change"] == "update" and c["by_envelope"])
    versions = tuple([await client.timeline(envelope) for envelope in updates])
    return Sent(told, tuple(int(row["kind"]) for row in found), versions)


async def recall(client: Client, sender: Organ, document_id: str, *, reason: str, only: Sequence[str] = (), now: datetime) -> Proven:
    """Recall a document from all its recipients, or from `only` some (thu hồi).

    Raises:
        Refused, HubUnreachable, ReceiptInvalid: as `Client.submit`. NotFound, NotARecipient: nothing to recall.
    """
    sent = await look_up(client, document_id, sender=sender.code)
    business = Business(kind=Kind.RECALL, document_id=document_id, reason=reason)
    return await _submit(client, _header(sender, sent, business, tuple(only) or sent.recipients, now), [], now)


async def take_back(client: Client, sender: Organ, document_id: str, recipient: str, *, reason: str, now: datetime) -> Proven:
    """Ask one recipient to give a document back before it registers it (lấy lại, status 13).

    Raises:
        Refused, HubUnreachable, ReceiptInvalid: as `Client.send_status`. NotFound, NotARecipient: nothing to take back.
    """
    sent = await look_up(client, document_id, sender=sender.code)
    if recipient not in sent.recipients:
        raise NotARecipient(recipient[:60], place="recipient")
    message = StatusMessage(
        sender=sender,
        response_for=ResponseFor(recipient, str(sent.told["code"]), document_id, str(sent.told["promulgation_date"]).replace("-", "/")),
        code=Status.TAKE_BACK.value,
        description=reason,
        timestamp=now,
    )
    return await client.send_status(write_status(message), now=now)


async def update(
    client: Client,
    sender: Organ,
    document_id: str,
    *,
    reason: str,
    files: Sequence[Outgoing] = (),
    add: Sequence[str] = (),
    remove: Sequence[str] = (),
    now: datetime,
) -> Proven:
    """Send new content to all recipients, add recipients, remove some (cập nhật).

    Raises:
        Refused, HubUnreachable, ReceiptInvalid: as `Client.submit`. NotFound: no such document.
    """
    sent = await look_up(client, document_id, sender=sender.code)
    moved = tuple([ReceiverChange(code, True) for code in add] + [ReceiverChange(code, False) for code in remove])
    business = Business(kind=Kind.UPDATE, document_id=document_id, reason=reason, content_changed=bool(files), receivers_changed=bool(moved), receivers=moved)
    to = tuple(dict.fromkeys([code for code in sent.recipients if code not in remove] + list(add))) or tuple(remove)
    return await _submit(client, _header(sender, sent, business, to, now), files, now)


async def replace(
    client: Client, header: Header, files: Sequence[Outgoing], *, replaced: Sequence[tuple[str, Sequence[str]]], reason: str, now: datetime
) -> Proven:
    """Send a new document in the place of earlier ones (thay thế).

    Args:
        replaced: (document id, agencies for whom; none: all its recipients).

    Raises:
        Refused, HubUnreachable, ReceiptInvalid: as `Client.submit`.
    """
    business = Business(kind=Kind.REPLACE, reason=reason, replacements=tuple(Replacement(document, tuple(organs)) for document, organs in replaced))
    return await _submit(client, dataclasses.replace(header, business=business), files, now)


def _header(sender: Organ, sent: Sent, business: Business, to: Sequence[str], now: datetime) -> Header:
    """The recalled document's own id where it is free: receivers in the wild look there (edxml.md 1.4). A second one gets an id of its own."""
    number, _, notation = str(sent.told["code"]).partition("/")
    day = str(sent.told["promulgation_date"])
    own = sent.document_id if int(business.kind) not in sent.kinds else f"{sent.document_id};{business.kind.name.lower()}-{now:%Y%m%dT%H%M%S}"
    return Header(
        sender=sender,
        recipients=tuple(Organ(code=code) for code in to),
        document_id=own,
        subject=str(sent.told["subject"]),
        code_number=number,
        code_notation=notation,
        promulgation_date=date.fromisoformat(day) if day else None,
        business=business,
    )


async def _submit(client: Client, header: Header, files: Sequence[Outgoing], now: datetime) -> Proven:
    with tempfile.TemporaryDirectory(prefix="vanthu-") as folder:
        package = Path(folder) / "package.edxml"
        write_package(package, header, files)
        return await client.submit(package, now=now)
