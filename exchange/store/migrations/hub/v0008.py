"""the directory: aliases, validity, gateways, hub of record, versions, roll-over of certificates, search without diacritics"""

import sqlalchemy as sa
from alembic import op

from exchange.agency import folded
from exchange.store.tables import Utc

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("aliases", "valid_from", "valid_until", "gateway", "hub", "folded", "source"):
        op.add_column("agencies", sa.Column(name, sa.Text(), nullable=False, server_default=""))
    op.create_index(op.f("ix_agencies_gateway"), "agencies", ["gateway"], unique=False)
    op.add_column("agency_certificates", sa.Column("ends_at", Utc(), nullable=True))
    op.create_table(
        "agency_aliases",
        sa.Column("alias", sa.Text(), nullable=False),
        sa.Column("agency", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["agency"], ["agencies.code"]),
        sa.PrimaryKeyConstraint("alias"),
    )
    op.create_index(op.f("ix_agency_aliases_agency"), "agency_aliases", ["agency"], unique=False)
    op.create_table(
        "directory_versions",
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("content_sha256", sa.Text(), nullable=False),
        sa.Column("seal_sha256", sa.Text(), nullable=False),
        sa.Column("signer", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("at", Utc(), nullable=False),
        sa.CheckConstraint("kind IN ('import','export')", name="directory_versions_kind"),
        sa.PrimaryKeyConstraint("issuer", "version", "kind"),
    )
    op.create_table(
        "directory_revision",
        sa.Column("one", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("one"),
    )
    op.execute("INSERT INTO directory_revision (one, revision) VALUES (1, 0)")
    _fold()


def _fold() -> None:
    """What searching needs of the rows that are there."""
    table = sa.table("agencies", sa.column("code", sa.Text), sa.column("name", sa.Text), sa.column("legacy_code", sa.Text), sa.column("folded", sa.Text))
    connection = op.get_bind()
    for code, name, legacy in connection.execute(sa.select(table.c.code, table.c.name, table.c.legacy_code)).all():
        connection.execute(sa.update(table).where(table.c.code == code).values(folded=folded(f"{name} {code} {legacy}")))
