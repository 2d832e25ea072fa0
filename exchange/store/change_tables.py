"""change_tables — tables of what became of documents: recalls, take-backs, updates, replacements; who had what in hand; who answers whom.

Rows of `change_effects` are never deleted: the metadata of every recall stays (REC-03,
NĐ 30/2020 Annex VI-I-III.8). On the node: the tombstones of destroyed copies, take-backs it asked
for, and what its agency sent beside it.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, Column, Index, Integer, LargeBinary, SmallInteger, Table, Text

from exchange.store.tables import Utc, hub, node

__all__ = ["change_effects", "handouts", "hub", "node", "notices", "sent_beside", "take_backs", "thread_links", "tombstones"]

change_effects = Table(
    "change_effects",
    hub,
    Column("cause", Text, primary_key=True),  # envelope of the change, or status message 13
    Column("delivery", Text, primary_key=True),
    Column("change", Text, nullable=False),
    Column("effect", Text, nullable=False),
    Column("target", Text, nullable=False, index=True),
    Column("recipient", Text, nullable=False),
    Column("carrier", Text, nullable=False, index=True),  # delivery by which the recipient learns of it, "" for none
    Column("reason", Text, nullable=False),
    Column("at", Utc, nullable=False),
    Column("answer", Text, nullable=False),
    Column("answer_status", Text, nullable=False),
    Column("answered_at", Utc),
    Index("change_effects_delivery", "delivery"),
)

handouts = Table(
    "handouts",
    hub,
    Column("delivery", Text, primary_key=True),
    Column("at", Utc, nullable=False),
)

thread_links = Table(
    "thread_links",
    hub,
    Column("envelope", Text, primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("relation", Text, nullable=False),
    Column("organ", Text, nullable=False),
    Column("document_id", Text, nullable=False),
    Column("code", Text, nullable=False),
    Column("promulgation_date", Text, nullable=False),
    Index("thread_links_document", "organ", "document_id"),
    Index("thread_links_code", "organ", "code"),
)

tombstones = Table(
    "tombstones",
    node,
    Column("delivery", Text, primary_key=True),
    Column("envelope", Text, nullable=False),
    Column("sender", Text, nullable=False),
    Column("document_id", Text, nullable=False),
    Column("code", Text, nullable=False),
    Column("promulgation_date", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("package_sha256", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("files", Text, nullable=False),
    Column("change", Text, nullable=False),
    Column("cause", Text, nullable=False),  # delivery of the recall, or status message 13
    Column("reason", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("decided_at", Utc, nullable=False),
    Column("destroyed_at", Utc),
)

notices = Table(
    "notices",
    node,
    Column("id", Text, primary_key=True),  # delivery of the package that asks, or status message 13
    Column("change", Text, nullable=False),
    Column("sender", Text, nullable=False),
    Column("document_id", Text, nullable=False, index=True),
    Column("code", Text, nullable=False),
    Column("promulgation_date", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", Utc, nullable=False),
    Column("answer", Text, nullable=False),
    Column("carrier", Text, nullable=False),  # delivery to which the answer goes
)

sent_beside = Table(
    "sent_beside",
    node,
    Column("sha256", Text, primary_key=True),  # of the package or status, as sealed
    Column("document_id", Text, nullable=False, index=True),
    Column("envelope", Text, nullable=False),
    Column("receipt", LargeBinary, nullable=False),
    Column("created_at", Utc, nullable=False),
)

take_backs = Table(
    "take_backs",
    node,
    Column("id", Text, primary_key=True),
    Column("document_id", Text, nullable=False, index=True),
    Column("kind", SmallInteger, nullable=False),  # with the document id, the line of the outbox that it is about
    Column("recipient", Text, nullable=False),  # as we wrote it
    Column("agency", Text, nullable=False),  # its own code, by the hub's receipt; "" before
    Column("reason", Text, nullable=False),
    Column("sha256", Text, nullable=False),  # of the sealed status 13
    Column("seal_sha256", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_at", Utc, nullable=False),
    Column("last_error", Text, nullable=False),
    Column("receipt", LargeBinary),
    Column("created_at", Utc, nullable=False),
    CheckConstraint("state IN ('waiting','sent','refused')", name="take_backs_state"),
)
