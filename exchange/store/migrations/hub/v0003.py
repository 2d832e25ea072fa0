"""published and sealed heads, and how each witness answers"""

import sqlalchemy as sa
from alembic import op

from exchange.store.tables import Utc

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "published_head",
        sa.Column("epoch", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("size", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("at", Utc(), nullable=False),
        sa.Column("witnessed", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("epoch", "size"),
    )
    op.create_index("published_head_witnessed", "published_head", ["epoch", "witnessed", "size"], unique=False)
    op.create_table(
        "sealed_head",
        sa.Column("epoch", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("size", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("slot", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("seal", sa.LargeBinary(), nullable=False),
        sa.Column("token", sa.LargeBinary(), nullable=True),
        sa.Column("sealed_at", Utc(), nullable=False),
        sa.Column("stamped_at", Utc(), nullable=True),
        sa.PrimaryKeyConstraint("epoch", "size"),
    )
    op.create_table(
        "seal_slot",
        sa.Column("slot", sa.Text(), nullable=False),
        sa.Column("worker", sa.Text(), nullable=False),
        sa.Column("until", Utc(), nullable=False),
        sa.Column("done", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("slot"),
    )
    op.create_table(
        "witness_state",
        sa.Column("epoch", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("cosigned_at", Utc(), nullable=True),
        sa.Column("asked_at", Utc(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("last_error", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("epoch", "name"),
    )
