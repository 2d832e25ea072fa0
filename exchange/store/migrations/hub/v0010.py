"""indexes by which an auditor finds the entries of one agency without reading the whole log"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Entries of documents are found through the documents; only those of none need indexes of their own.
    unchained = sa.text("envelope = ''")
    for column in ("sender", "recipient"):
        op.create_index(f"custody_entry_{column}", "custody_entry", [column, "seq"], unique=False, sqlite_where=unchained, postgresql_where=unchained)
