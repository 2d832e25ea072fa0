"""head_tables — tables of published, cosigned and sealed heads (hub), and of what a witness saw (node).

Heads are public and can be made again from the log; that is why, unlike the log
itself, they may be updated: a cosignature or a time-stamp that comes late is added.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, LargeBinary, MetaData, Table, Text, UniqueConstraint

from exchange.store.tables import SERIAL, Utc, hub, node

METADATA: dict[str, MetaData] = {"hub": hub, "node": node}

published_head = Table(
    "published_head",
    hub,
    Column("epoch", Integer, primary_key=True, autoincrement=False),
    Column("size", BigInteger, primary_key=True, autoincrement=False),
    Column("root", LargeBinary, nullable=False),
    Column("note", Text, nullable=False),
    Column("at", Utc, nullable=False),
    Column("witnessed", Boolean, nullable=False),
    Index("published_head_witnessed", "epoch", "witnessed", "size"),
)

sealed_head = Table(
    "sealed_head",
    hub,
    Column("epoch", Integer, primary_key=True, autoincrement=False),
    Column("size", BigInteger, primary_key=True, autoincrement=False),
    Column("slot", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("seal", LargeBinary, nullable=False),
    Column("token", LargeBinary),
    Column("sealed_at", Utc, nullable=False),
    Column("stamped_at", Utc),
)

seal_slot = Table(
    "seal_slot",
    hub,
    Column("slot", Text, primary_key=True),
    Column("worker", Text, nullable=False),
    Column("until", Utc, nullable=False),
    Column("done", Boolean, nullable=False),
)

witness_state = Table(
    "witness_state",
    hub,
    Column("epoch", Integer, primary_key=True, autoincrement=False),
    Column("name", Text, primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("cosigned_at", Utc),
    Column("asked_at", Utc, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("last_error", Text, nullable=False),
)

witness_head = Table(
    "witness_head",
    node,
    Column("origin", Text, primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("root", LargeBinary, nullable=False),
    Column("note", Text, nullable=False),
    Column("seconds", BigInteger, nullable=False),
)

witness_refusal = Table(
    "witness_refusal",
    node,
    Column("id", SERIAL, primary_key=True, autoincrement=True),
    Column("origin", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("root", LargeBinary, nullable=False),
    Column("request", LargeBinary, nullable=False),
    Column("own_note", Text, nullable=False),
    Column("at", Utc, nullable=False),
    UniqueConstraint("origin", "reason", "size", "root", name="witness_refusal_once"),
    sqlite_autoincrement=True,
)

witness_enrolment = Table(
    "witness_enrolment",
    node,
    Column("vkey", Text, primary_key=True),
    Column("at", Utc, nullable=False),
)

witnessed_proof = Table(
    "witnessed_proof",
    node,
    Column("subject", Text, primary_key=True),
    Column("proof", Text, nullable=False),
    Column("at", Utc, nullable=False),
)
