"""custody_life — đời văn bản: every event of a document with its proof checked, ready to be shown or drawn."""

from __future__ import annotations

import json
from typing import Any

from exchange import publishing
from exchange.errors import NotFound
from exchange.hub import Hub
from exchange.store import agencies, custody_log, custody_search, envelopes, queue
from exchange.store.custody_search import Query
from signing.checkpoint import build_proof, parse_note, split_note, verify_proof
from signing.errors import SigningError
from signing.merkle import leaf_hash
from signing.timeline_html import Life, LifeEvent


def lives(hub: Hub, document: str) -> list[Life]:
    """The lives of every envelope of a document (its id or number, or the envelope's id), oldest first.

    Raises:
        NotFound: there is none.
    """
    with hub.store.read() as connection:
        found = custody_search.search(connection, Query(document_id=document, limit=100_000))
    names = dict.fromkeys(row.envelope for row in found if row.envelope)
    if not names:
        raise NotFound(document[:80], place="document")
    return [life_of(hub, envelope) for envelope in names]


def life_of(hub: Hub, envelope: str) -> Life:
    """The life of one envelope, against the newest published head.

    Raises:
        NotFound: no such envelope.
    """
    with hub.store.read() as connection:
        row = envelopes.get(connection, envelope)
        leaves = custody_log.leaves_of(connection, envelope)
        if row is None or not leaves:
            raise NotFound(envelope[:80], place="envelope")
        codes = dict.fromkeys([row.sender, *(d.recipient for d in queue.of_envelope(connection, envelope))])
        known = {code: agencies.get(connection, code) for code in codes}
    note = publishing.checkpoint(hub.office)
    if parse_note(note).size <= leaves[-1][0]:
        note = hub.office.head(covering=leaves[-1][0] + 1)
    before: dict[str, str] = {}
    events = [_event(hub, number, leaf, note, before) for number, leaf in leaves]
    head = parse_note(note)
    return Life(
        envelope=row.id,
        document_id=row.document_id,
        subject=row.subject,
        sha256=row.package_sha256,
        size=row.size,
        agencies=tuple((code, agency.name if agency else code) for code, agency in known.items()),
        events=tuple(events),
        origin=head.origin,
        head_size=head.size,
        head_root=head.root.hex(),
        signers=tuple(dict.fromkeys(name for name, _ in split_note(note)[1])),
        made_at=hub.office.clock(),
    )


def _event(hub: Hub, number: int, leaf: bytes, note: str, before: dict[str, str]) -> LifeEvent:
    value: dict[str, Any] = json.loads(leaf)
    recipient = str(value.get("to", ""))
    chained = recipient not in before or value.get("prev") == before[recipient]
    before[recipient] = leaf_hash(leaf).hex()
    index, proof, problem = number, "", ""
    try:
        index, proof = _prove(hub, number, note)
        verify_proof(proof, leaf, hub.office.vkeys())
    except SigningError as error:
        problem = f"{error.code}: {error.detail}"
    acted = value.get("by", "")
    return LifeEvent(
        number=number,
        index=index,
        at=str(value.get("at", "")),
        event=str(value.get("ev", "")),
        by=str(acted.get("id", "")) if isinstance(acted, dict) else str(acted),
        sender=str(value.get("from", "")),
        recipient=recipient,
        status=str(value.get("st", "")),
        why=str(value.get("why", "")),
        n=int(value.get("n", 0)),
        state=str(publishing.state_of(hub.office, number).value),
        leaf=leaf.decode(),
        leaf_hash=leaf_hash(leaf).hex(),
        proof=proof,
        problem=problem or ("" if chained else "prev"),
        chained=chained,
    )


def _prove(hub: Hub, number: int, note: str) -> tuple[int, str]:
    # One head for the whole life where it covers it; else that of the entry's own epoch.
    head = parse_note(note)
    with hub.store.read() as connection:
        place = custody_log.place(connection, number)
        if (place.epoch.origin or hub.office.origin) == head.origin and place.index < head.size:
            return place.index, build_proof(place.index, custody_log.prove(connection, number, head.size), note)
    return place.index, hub.office.proof(number)
