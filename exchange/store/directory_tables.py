"""directory_tables — what the hub keeps of its directory beside the agencies themselves: further names, versions, revision."""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, Column, ForeignKey, Integer, Table, Text

from exchange.store.tables import Utc, hub

# Every further name of an agency stands here once, so that a code never means two agencies.
agency_aliases = Table(
    "agency_aliases",
    hub,
    Column("alias", Text, primary_key=True),
    Column("agency", Text, ForeignKey("agencies.code"), nullable=False, index=True),
)

directory_versions = Table(
    "directory_versions",
    hub,
    Column("issuer", Text, primary_key=True),
    Column("version", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", Text, primary_key=True),
    Column("sha256", Text, nullable=False),
    Column("content_sha256", Text, nullable=False),
    Column("seal_sha256", Text, nullable=False),
    Column("signer", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("summary", Text, nullable=False),
    Column("at", Utc, nullable=False),
    CheckConstraint("kind IN ('import','export')", name="directory_versions_kind"),
)

# One row: counts every change of the directory, so that a difference is applied only to what it was taken from.
directory_revision = Table(
    "directory_revision",
    hub,
    Column("one", Integer, primary_key=True, autoincrement=False),
    Column("revision", BigInteger, nullable=False),
)

__all__ = ["agency_aliases", "directory_revision", "directory_versions", "hub"]
