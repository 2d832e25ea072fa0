"""take-backs that the agency asked for through its node"""

import sqlalchemy as sa
from alembic import op

from exchange.store.tables import Utc

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "take_backs",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("document_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.SmallInteger(), nullable=False),
        sa.Column("recipient", sa.Text(), nullable=False),
        sa.Column("agency", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("seal_sha256", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_at", Utc(), nullable=False),
        sa.Column("last_error", sa.Text(), nullable=False),
        sa.Column("receipt", sa.LargeBinary()),
        sa.Column("created_at", Utc(), nullable=False),
        sa.CheckConstraint("state IN ('waiting','sent','refused')", name="take_backs_state"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_take_backs_document_id"), "take_backs", ["document_id"], unique=False)
