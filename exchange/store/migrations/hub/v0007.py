"""what became of documents: changes and their answers, who has what in hand, threads; parked statuses have their id"""

import sqlalchemy as sa
from alembic import op

from exchange.store.tables import Utc

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "change_effects",
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("delivery", sa.Text(), nullable=False),
        sa.Column("change", sa.Text(), nullable=False),
        sa.Column("effect", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("recipient", sa.Text(), nullable=False),
        sa.Column("carrier", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", Utc(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("answer_status", sa.Text(), nullable=False),
        sa.Column("answered_at", Utc(), nullable=True),
        sa.PrimaryKeyConstraint("cause", "delivery"),
    )
    op.create_index(op.f("ix_change_effects_target"), "change_effects", ["target"], unique=False)
    op.create_index(op.f("ix_change_effects_carrier"), "change_effects", ["carrier"], unique=False)
    op.create_index("change_effects_delivery", "change_effects", ["delivery"], unique=False)
    op.create_table(
        "handouts",
        sa.Column("delivery", sa.Text(), nullable=False),
        sa.Column("at", Utc(), nullable=False),
        sa.PrimaryKeyConstraint("delivery"),
    )
    op.create_table(
        "thread_links",
        sa.Column("envelope", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("relation", sa.Text(), nullable=False),
        sa.Column("organ", sa.Text(), nullable=False),
        sa.Column("document_id", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("promulgation_date", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("envelope", "position"),
    )
    op.create_index("thread_links_document", "thread_links", ["organ", "document_id"], unique=False)
    op.create_index("thread_links_code", "thread_links", ["organ", "code"], unique=False)
    # Statuses parked before this version get their digest as id: it is unique for an agency, and long enough never to meet another.
    op.add_column("parked_statuses", sa.Column("id", sa.Text(), nullable=False, server_default=""))
    op.execute("UPDATE parked_statuses SET id = agency || '/' || sha256 WHERE id = ''")
    op.create_index("envelopes_number", "envelopes", ["sender", "code", "promulgation_date"], unique=False)
    # What was claimed or collected before this version may be in the recipient's hands: deliveries of the mailbox count as handed out.
    op.execute("INSERT INTO handouts (delivery, at) SELECT id, updated_at FROM deliveries")
