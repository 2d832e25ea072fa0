"""recalls, take-backs, updates and replacements at an agency; tombstones of destroyed copies"""

import sqlalchemy as sa
from alembic import op

from exchange.store.tables import Utc

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("outbox", sa.Column("target", sa.Text(), nullable=False, server_default=""))
    op.add_column("outbox", sa.Column("frozen_by", sa.Text(), nullable=False, server_default=""))
    op.add_column("inbox", sa.Column("kind", sa.SmallInteger(), nullable=False, server_default="0"))
    op.add_column("inbox", sa.Column("superseded_by", sa.Text(), nullable=False, server_default=""))
    op.create_table(
        "tombstones",
        sa.Column("delivery", sa.Text(), nullable=False),
        sa.Column("envelope", sa.Text(), nullable=False),
        sa.Column("sender", sa.Text(), nullable=False),
        sa.Column("document_id", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("promulgation_date", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("package_sha256", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("files", sa.Text(), nullable=False),
        sa.Column("change", sa.Text(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("decided_at", Utc(), nullable=False),
        sa.Column("destroyed_at", Utc(), nullable=True),
        sa.PrimaryKeyConstraint("delivery"),
    )
    op.create_table(
        "notices",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("change", sa.Text(), nullable=False),
        sa.Column("sender", sa.Text(), nullable=False),
        sa.Column("document_id", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("promulgation_date", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", Utc(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("carrier", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_notices_document_id"), "notices", ["document_id"], unique=False)
