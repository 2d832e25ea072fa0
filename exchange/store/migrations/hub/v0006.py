"""shared secrets, origins and transport states of the connector profiles"""

import sqlalchemy as sa
from alembic import op

from exchange.store.tables import Utc

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "connector_keys",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("profile", sa.Text(), nullable=False),
        sa.Column("system", sa.Text(), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", Utc(), nullable=False),
        sa.Column("ends_at", Utc(), nullable=True),
        sa.CheckConstraint("profile IN ('vxp','lgsp')", name="connector_keys_profile"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("connector_keys_system", "connector_keys", ["profile", "system"], unique=False)
    op.create_table(
        "connector_agencies",
        sa.Column("profile", sa.Text(), nullable=False),
        sa.Column("system", sa.Text(), nullable=False),
        sa.Column("agency", sa.Text(), nullable=False),
        sa.CheckConstraint("profile IN ('vxp','lgsp')", name="connector_agencies_profile"),
        sa.ForeignKeyConstraint(["agency"], ["agencies.code"]),
        sa.PrimaryKeyConstraint("profile", "system", "agency"),
    )
    op.create_table(
        "connector_nonces",
        sa.Column("system", sa.Text(), nullable=False),
        sa.Column("nonce", sa.Text(), nullable=False),
        sa.Column("at", Utc(), nullable=False),
        sa.PrimaryKeyConstraint("system", "nonce"),
    )
    op.create_index(op.f("ix_connector_nonces_at"), "connector_nonces", ["at"], unique=False)
    op.create_table(
        "origins",
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("system", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("proof_sha256", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("subject"),
    )
    op.create_table(
        "transport_states",
        sa.Column("ref", sa.Text(), nullable=False),
        sa.Column("agency", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("at", Utc(), nullable=False),
        sa.CheckConstraint("state IN ('initial','processing','done','fail')", name="transport_states_state"),
        sa.PrimaryKeyConstraint("ref", "agency"),
    )
    op.create_table(
        "connector_cursors",
        sa.Column("agency", sa.Text(), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("agency"),
    )
