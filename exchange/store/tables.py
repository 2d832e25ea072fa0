"""tables — what the hub and a node keep, as SQLAlchemy Core tables.

Times are aware UTC; the column type refuses naive ones. Digests are lower-hex
SHA-256 text. Rules stand as constraints where the database can keep them.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
)


class Utc(TypeDecorator[datetime]):
    """Aware UTC on both databases; SQLite has no time zones of its own."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("naive datetime")
        moment = value.astimezone(UTC)
        return moment if dialect.name == "postgresql" else moment.replace(tzinfo=None)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        moment: datetime = value
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


SERIAL = BigInteger().with_variant(Integer, "sqlite")

hub = MetaData()

agencies = Table(
    "agencies",
    hub,
    Column("code", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("mode", Text, nullable=False),
    Column("endpoint", Text, nullable=False),
    Column("parent", Text, nullable=False),
    Column("legacy_code", Text, nullable=False, index=True),
    Column("successor", Text, nullable=False),
    Column("strict", Boolean, nullable=False),
    Column("closed_at", Utc),
    Column("aliases", Text, nullable=False, server_default=""),
    Column("valid_from", Text, nullable=False, server_default=""),
    Column("valid_until", Text, nullable=False, server_default=""),
    Column("gateway", Text, nullable=False, server_default="", index=True),
    Column("hub", Text, nullable=False, server_default=""),
    Column("folded", Text, nullable=False, server_default=""),
    Column("source", Text, nullable=False, server_default=""),
    CheckConstraint("status IN ('open','locked','closed')", name="agencies_status"),
    CheckConstraint("mode IN ('pull','push')", name="agencies_mode"),
)

agency_certificates = Table(
    "agency_certificates",
    hub,
    Column("agency", Text, ForeignKey("agencies.code"), primary_key=True),
    Column("purpose", Text, primary_key=True),
    Column("sha256", Text, primary_key=True),
    Column("pem", Text, nullable=False),
    Column("not_before", Utc, nullable=False),
    Column("not_after", Utc, nullable=False),
    Column("ends_at", Utc),
    UniqueConstraint("purpose", "sha256", name="agency_certificates_once"),
    CheckConstraint("purpose IN ('seal','tls')", name="agency_certificates_purpose"),
)

envelopes = Table(
    "envelopes",
    hub,
    Column("id", Text, primary_key=True),
    Column("sender", Text, nullable=False),
    Column("document_id", Text, nullable=False, index=True),
    Column("kind", SmallInteger, nullable=False),
    Column("package_sha256", Text, nullable=False, index=True),
    Column("seal_sha256", Text, nullable=False, index=True),
    Column("size", BigInteger, nullable=False),
    Column("subject", Text, nullable=False),
    Column("code", Text, nullable=False, index=True),
    Column("promulgation_date", Text, nullable=False),
    Column("priority", SmallInteger, nullable=False),
    Column("accepted_at", Utc, nullable=False, index=True),
    Column("verdict", Text, nullable=False),
    Column("mark", Text, nullable=False, index=True),
    Column("header_sha256", Text, nullable=False, index=True),
    UniqueConstraint("sender", "document_id", "kind", name="envelopes_once"),
    Index("envelopes_number", "sender", "code", "promulgation_date"),
)

attachments = Table(
    "attachments",
    hub,
    Column("envelope", Text, ForeignKey("envelopes.id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("name", Text, nullable=False),
    Column("sha256", Text, nullable=False, index=True),
    Column("size", BigInteger, nullable=False),
    Column("media_type", Text, nullable=False),
    Column("verdict", Text, nullable=False),
)

deliveries = Table(
    "deliveries",
    hub,
    Column("id", Text, primary_key=True),
    Column("envelope", Text, ForeignKey("envelopes.id"), nullable=False),
    Column("recipient", Text, ForeignKey("agencies.code"), nullable=False),
    Column("state", Text, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("priority", SmallInteger, nullable=False),
    Column("next_at", Utc, nullable=False),
    Column("lease_until", Utc),
    Column("worker", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("last_error", Text, nullable=False),
    Column("created_at", Utc, nullable=False),
    Column("updated_at", Utc, nullable=False),
    UniqueConstraint("envelope", "recipient", name="deliveries_once"),
    CheckConstraint("state IN ('queued','claimed','delivered','acknowledged','failed','expired','held','recalled')", name="deliveries_state"),
    Index("deliveries_due", "state", "next_at"),
    Index("deliveries_recipient", "recipient", "state"),
)

statuses = Table(
    "statuses",
    hub,
    Column("id", Text, primary_key=True),
    Column("envelope", Text, ForeignKey("envelopes.id"), nullable=False, index=True),
    Column("delivery", Text, ForeignKey("deliveries.id"), nullable=False),
    Column("agency", Text, nullable=False),
    Column("to_agency", Text, nullable=False),
    Column("code", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("at", Utc, nullable=False),
    Column("received_at", Utc, nullable=False),
    Column("sha256", Text, nullable=False, index=True),
    Column("seal_sha256", Text, nullable=False, index=True),
    UniqueConstraint("envelope", "agency", "sha256", name="statuses_once"),
)

parked_statuses = Table(
    "parked_statuses",
    hub,
    Column("agency", Text, primary_key=True),
    Column("sha256", Text, primary_key=True),
    Column("seal_sha256", Text, nullable=False),
    Column("document_id", Text, nullable=False, index=True),
    Column("at", Utc, nullable=False),
    Column("id", Text, nullable=False, server_default=""),
)

mailbox = Table(
    "mailbox",
    hub,
    Column("cursor", SERIAL, primary_key=True, autoincrement=True),
    Column("agency", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("ref", Text, nullable=False),
    Column("at", Utc, nullable=False),
    Index("mailbox_agency", "agency", "cursor"),
    CheckConstraint("kind IN ('document','status')", name="mailbox_kind"),
    sqlite_autoincrement=True,
)

receipts = Table(
    "receipts",
    hub,
    Column("subject", Text, primary_key=True),
    Column("data", LargeBinary, nullable=False),
)

refusals = Table(
    "refusals",
    hub,
    Column("id", Text, primary_key=True),
    Column("at", Utc, nullable=False, index=True),
    Column("caller", Text, nullable=False),
    Column("document_id", Text, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("code", Text, nullable=False),
    Column("place", Text, nullable=False),
    Column("detail", Text, nullable=False),
)

custody_epoch = Table(
    "custody_epoch",
    hub,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("origin", Text, nullable=False),
    Column("first", BigInteger, nullable=False),
    Column("vkey", Text, nullable=False),
    Column("at", Utc, nullable=False),
    UniqueConstraint("origin", name="custody_epoch_origin"),
    UniqueConstraint("first", name="custody_epoch_first"),
)

_CHAINED = text("envelope <> ''")
_UNCHAINED = text("envelope = ''")

evidence_clock = Table(
    "evidence_clock",
    hub,
    Column("delivery", Text, ForeignKey("deliveries.id"), primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("at", Utc, nullable=False),
)

custody_entry = Table(
    "custody_entry",
    hub,
    Column("seq", SERIAL, primary_key=True, autoincrement=False),
    Column("leaf", LargeBinary, nullable=False),
    Column("leaf_hash", LargeBinary, nullable=False),
    Column("envelope", Text, nullable=False),
    Column("recipient", Text, nullable=False),
    Column("n", Integer, nullable=False),
    Column("event", Text, nullable=False),
    Column("sender", Text, nullable=False),
    Column("at", Utc, nullable=False),
    CheckConstraint("length(leaf_hash) = 32", name="custody_entry_hash"),
    # Also the second guard of the chain: two entries can never claim the same place in it.
    Index("custody_entry_chain", "envelope", "recipient", "n", unique=True, sqlite_where=_CHAINED, postgresql_where=_CHAINED),
    Index("custody_entry_event", "event", "seq"),
    Index("custody_entry_sender", "sender", "seq", sqlite_where=_UNCHAINED, postgresql_where=_UNCHAINED),
    Index("custody_entry_recipient", "recipient", "seq", sqlite_where=_UNCHAINED, postgresql_where=_UNCHAINED),
)

custody_tile = Table(
    "custody_tile",
    hub,
    Column("epoch", Integer, primary_key=True, autoincrement=False),
    Column("level", SmallInteger, primary_key=True, autoincrement=False),
    Column("idx", BigInteger, primary_key=True, autoincrement=False),
    Column("hashes", LargeBinary, nullable=False),
    CheckConstraint("length(hashes) = 8192", name="custody_tile_full"),
)

custody_edge = Table(
    "custody_edge",
    hub,
    Column("epoch", Integer, primary_key=True, autoincrement=False),
    Column("level", SmallInteger, primary_key=True, autoincrement=False),
    Column("hashes", LargeBinary, nullable=False),
)

custody_checkpoint = Table(
    "custody_checkpoint",
    hub,
    Column("epoch", Integer, primary_key=True, autoincrement=False),
    Column("size", BigInteger, primary_key=True, autoincrement=False),
    Column("root", LargeBinary, nullable=False),
    Column("note", Text, nullable=False),
    Column("at", Utc, nullable=False),
)

node = MetaData()

outbox = Table(
    "outbox",
    node,
    Column("document_id", Text, primary_key=True),
    Column("kind", SmallInteger, primary_key=True, autoincrement=False),
    Column("package_sha256", Text, nullable=False),
    Column("seal_sha256", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_at", Utc, nullable=False),
    Column("last_error", Text, nullable=False),
    Column("envelope", Text, nullable=False),
    Column("receipt", LargeBinary),
    Column("created_at", Utc, nullable=False),
    Column("target", Text, nullable=False, server_default=""),
    Column("frozen_by", Text, nullable=False, server_default=""),
    CheckConstraint("state IN ('waiting','sent','refused')", name="outbox_state"),
)

inbox = Table(
    "inbox",
    node,
    Column("delivery", Text, primary_key=True),
    Column("envelope", Text, nullable=False),
    Column("sender", Text, nullable=False),
    Column("document_id", Text, nullable=False),
    Column("code", Text, nullable=False),
    Column("promulgation_date", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("package_sha256", Text, nullable=False),
    Column("seal_sha256", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("mark", Text, nullable=False),
    Column("verdict", Text, nullable=False),
    Column("received_at", Utc, nullable=False),
    Column("arrival_year", Integer, nullable=False),
    Column("arrival_number", Integer, nullable=False),
    Column("status", Text, nullable=False),
    Column("kind", SmallInteger, nullable=False, server_default="0"),
    Column("superseded_by", Text, nullable=False, server_default=""),
    UniqueConstraint("arrival_year", "arrival_number", name="inbox_arrival"),
)

outgoing_statuses = Table(
    "outgoing_statuses",
    node,
    Column("id", Text, primary_key=True),
    Column("delivery", Text, ForeignKey("inbox.delivery"), nullable=False),
    Column("code", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("seal_sha256", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_at", Utc, nullable=False),
    Column("last_error", Text, nullable=False),
    Column("receipt", LargeBinary),
    Column("created_at", Utc, nullable=False),
    CheckConstraint("state IN ('waiting','sent','refused')", name="outgoing_statuses_state"),
)

incoming_statuses = Table(
    "incoming_statuses",
    node,
    Column("status_id", Text, primary_key=True),
    Column("envelope", Text, nullable=False),
    Column("agency", Text, nullable=False),
    Column("document_id", Text, nullable=False),
    Column("code", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("seal_sha256", Text, nullable=False),
    Column("received_at", Utc, nullable=False),
)

cursors = Table(
    "cursors",
    node,
    Column("name", Text, primary_key=True),
    Column("value", BigInteger, nullable=False),
)
