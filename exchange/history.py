"""history — lịch sử văn bản: what was recalled, updated or replaced and how it was answered; who answers whom. Reads only."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from exchange.lifecycle import LABELS, Status
from exchange.reports import held
from exchange.store import changes, envelopes, queue
from exchange.store.changes import EffectRow, LinkRow
from exchange.store.envelopes import EnvelopeRow
from exchange.succession import CHANGE_TEXTS, EFFECT_TEXTS, RELATION_TEXTS, Change, Effect, Relation


def changes_of(connection: Connection, row: EnvelopeRow) -> list[dict[str, Any]]:
    """Every recall, take-back, update and replacement of a document, or made by it, delivery by delivery. Kept for ever (REC-03)."""
    return [_change(connection, row, effect) for effect in changes.effects_about(connection, row.id)]


def _change(connection: Connection, row: EnvelopeRow, effect: EffectRow) -> dict[str, Any]:
    cause, target = envelopes.get(connection, effect.cause), envelopes.get(connection, effect.target)
    vi, en = CHANGE_TEXTS[Change(effect.change)]
    done_vi, done_en = EFFECT_TEXTS[Effect(effect.effect)]
    answer_vi, answer_en = LABELS[Status(effect.answer)] if effect.answer else ("", "")
    return {
        "change": effect.change,
        "change_vi": vi,
        "change_en": en,
        "effect": effect.effect,
        "effect_vi": done_vi,
        "effect_en": done_en,
        "of": target.document_id if target is not None else "",
        "by": cause.document_id if cause is not None else "",
        "by_envelope": cause.id if cause is not None and cause.id != row.id else "",
        "delivery": effect.delivery,
        "recipient": effect.recipient,
        "reason": effect.reason,
        "at": effect.at.isoformat(),
        "answer": effect.answer,
        "answer_vi": answer_vi,
        "answer_en": answer_en,
        "answered_at": effect.answered_at.isoformat() if effect.answered_at is not None else "",
    }


def thread_of(connection: Connection, row: EnvelopeRow, caller: str | None) -> list[dict[str, Any]]:
    """The documents that this one refers to, and those that refer to it, as far as `caller` is a party to them (None: all).

    Every recipient of a correction or extract sees what it is of; a recipient who has the
    original and is not sent its correction is named in `missed`.
    """
    lines = [_outward(connection, link, caller) for link in changes.links_of(connection, row.id)]
    for link in changes.links_to(connection, row):
        other = envelopes.get(connection, link.envelope)
        if other is not None and _party(connection, other, caller):
            lines.append(_line(link, other, inward=True) | {"missed": _missed(connection, row, other, link)})
    return lines


def _outward(connection: Connection, link: LinkRow, caller: str | None) -> dict[str, Any]:
    other = changes.referred(connection, link)
    shown = other if other is not None and _party(connection, other, caller) else None
    return _line(link, shown, inward=False)


def _line(link: LinkRow, other: EnvelopeRow | None, *, inward: bool) -> dict[str, Any]:
    vi, en = RELATION_TEXTS[Relation(link.relation)]
    return {
        "relation": link.relation,
        "relation_vi": vi,
        "relation_en": en,
        "inward": inward,
        "from": other.sender if other is not None else link.organ,
        "document_id": other.document_id if other is not None else link.document_id,
        "code": other.code if other is not None else link.code,
        "subject": other.subject if other is not None else "",
        "envelope": other.id if other is not None else "",
    }


def _missed(connection: Connection, row: EnvelopeRow, other: EnvelopeRow, link: LinkRow) -> list[str]:
    if link.relation != Relation.CORRECTS.value:
        return []
    told = {d.recipient for d in queue.of_envelope(connection, other.id)}
    return [d.recipient for d in queue.of_envelope(connection, row.id) if held(connection, d).live and d.recipient not in told]


def _party(connection: Connection, row: EnvelopeRow, caller: str | None) -> bool:
    return caller is None or caller == row.sender or queue.for_recipient(connection, row.id, caller) is not None


def withheld(connection: Connection, row: EnvelopeRow, caller: str | None) -> bool:
    """Must the content stay hidden from `caller`? A recipient from whom the document was recalled is not given it by any way."""
    if caller is None or caller == row.sender:
        return False
    delivery = queue.for_recipient(connection, row.id, caller)
    return delivery is not None and not held(connection, delivery).live
