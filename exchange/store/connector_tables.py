"""connector_tables — what the VXP and LGSP profiles keep, beside the hub's own tables.

Secrets stand here only encrypted (`secret_box`); a copy of the database alone
does not give them away.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, Column, ForeignKey, Index, LargeBinary, Table, Text

from exchange.store.tables import Utc, hub

connector_keys = Table(
    "connector_keys",
    hub,
    Column("id", Text, primary_key=True),
    Column("profile", Text, nullable=False),
    Column("system", Text, nullable=False),
    Column("secret", LargeBinary, nullable=False),
    Column("created_at", Utc, nullable=False),
    Column("ends_at", Utc),
    CheckConstraint("profile IN ('vxp','lgsp')", name="connector_keys_profile"),
    Index("connector_keys_system", "profile", "system"),
)

connector_agencies = Table(
    "connector_agencies",
    hub,
    Column("profile", Text, primary_key=True),
    Column("system", Text, primary_key=True),
    Column("agency", Text, ForeignKey("agencies.code"), primary_key=True),
    CheckConstraint("profile IN ('vxp','lgsp')", name="connector_agencies_profile"),
)

connector_nonces = Table(
    "connector_nonces",
    hub,
    Column("system", Text, primary_key=True),
    Column("nonce", Text, primary_key=True),
    Column("at", Utc, nullable=False, index=True),
)

origins = Table(
    "origins",
    hub,
    Column("subject", Text, primary_key=True),
    Column("method", Text, nullable=False),
    Column("system", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("proof_sha256", Text, nullable=False),
)

transport_states = Table(
    "transport_states",
    hub,
    Column("ref", Text, primary_key=True),
    Column("agency", Text, primary_key=True),
    Column("state", Text, nullable=False),
    Column("at", Utc, nullable=False),
    CheckConstraint("state IN ('initial','processing','done','fail')", name="transport_states_state"),
)

# Every status line of the agency's mailbox up to the cursor is done: a poll need not look there again.
connector_cursors = Table(
    "connector_cursors",
    hub,
    Column("agency", Text, primary_key=True),
    Column("value", BigInteger, nullable=False),
)

__all__ = ["connector_agencies", "connector_cursors", "connector_keys", "connector_nonces", "hub", "origins", "transport_states"]
