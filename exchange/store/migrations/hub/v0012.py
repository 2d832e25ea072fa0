"""indexes by which an auditor finds entries by event, number or digest without reading the whole log"""

from alembic import op

revision = "0012"
down_revision = "0010"
branch_labels = None
depends_on = None

_COLUMNS = {
    "envelopes": ("package_sha256", "seal_sha256", "header_sha256", "code"),
    "attachments": ("sha256",),
    "statuses": ("sha256", "seal_sha256"),
}


def upgrade() -> None:
    for table, columns in _COLUMNS.items():
        for column in columns:
            op.create_index(f"ix_{table}_{column}", table, [column])
    # One over all events: numbers only grow, so each event's entries are added at one place of it.
    op.create_index("custody_entry_event", "custody_entry", ["event", "seq"])
    op.drop_index("custody_entry_control", table_name="custody_entry")
