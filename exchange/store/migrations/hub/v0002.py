"""epochs of the custody log; its tables refuse every change but growth"""

import sqlalchemy as sa
from alembic import op

from exchange.store.tables import Utc

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

KEPT_DAYS = 90
ENTRY = "seq, leaf, leaf_hash, envelope, recipient, n, event, sender, at"


def upgrade() -> None:
    postgresql = op.get_bind().dialect.name == "postgresql"
    before = fingerprint()
    op.drop_index("custody_entry_envelope", "custody_entry")
    op.drop_index("custody_entry_chain", "custody_entry")
    op.create_table(
        "custody_epoch",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("first", sa.BigInteger(), nullable=False),
        sa.Column("vkey", sa.Text(), nullable=False),
        sa.Column("at", Utc(), nullable=False),
        sa.PrimaryKeyConstraint("number"),
        sa.UniqueConstraint("origin", name="custody_epoch_origin"),
        sa.UniqueConstraint("first", name="custody_epoch_first"),
    )
    if postgresql:
        alter()
    else:
        rebuild()
    chained, unchained = sa.text("envelope <> ''"), sa.text("envelope = ''")
    chain = ["envelope", "recipient", "n"]
    op.create_index("custody_entry_chain", "custody_entry", chain, unique=True, sqlite_where=chained, postgresql_where=chained)
    op.create_index("custody_entry_control", "custody_entry", ["event", "seq"], unique=False, sqlite_where=unchained, postgresql_where=unchained)
    # A migration that loses one entry ends a log for good: count before and after.
    if fingerprint() != before:
        raise RuntimeError("custody entries or tiles were lost in the migration")
    (guard_postgresql if postgresql else guard_sqlite)()


def fingerprint() -> tuple[object, ...]:
    """What must be the same before and after."""
    parts = [
        "SELECT count(*), coalesce(max(seq), -1), coalesce(sum(length(leaf) + length(leaf_hash)), 0) FROM custody_entry",
        "SELECT count(*), coalesce(sum(length(hashes)), 0) FROM custody_tile",
        "SELECT count(*), coalesce(sum(length(note)), 0) FROM custody_checkpoint",
    ]
    return tuple(tuple(op.get_bind().execute(sa.text(part)).one()) for part in parts)


def alter() -> None:
    """PostgreSQL changes its tables in place."""
    for table, key in (("custody_tile", "epoch, level, idx"), ("custody_edge", "epoch, level"), ("custody_checkpoint", "epoch, size")):
        op.execute(f"ALTER TABLE {table} ADD COLUMN epoch integer NOT NULL DEFAULT 0")
        op.execute(f"ALTER TABLE {table} ALTER COLUMN epoch DROP DEFAULT")
        op.execute(f"ALTER TABLE {table} DROP CONSTRAINT {table}_pkey")
        op.execute(f"ALTER TABLE {table} ADD PRIMARY KEY ({key})")
    op.execute("ALTER TABLE custody_entry ADD CONSTRAINT custody_entry_hash CHECK (length(leaf_hash) = 32)")
    op.execute("ALTER TABLE custody_tile ADD CONSTRAINT custody_tile_full CHECK (length(hashes) = 8192)")
    # Digests do not compress; trying costs time on every append.
    op.execute("ALTER TABLE custody_entry ALTER COLUMN leaf SET STORAGE PLAIN")
    op.execute("ALTER TABLE custody_entry ALTER COLUMN leaf_hash SET STORAGE PLAIN")
    op.execute("ALTER TABLE custody_tile ALTER COLUMN hashes SET STORAGE EXTERNAL")


def rebuild() -> None:
    """SQLite copies the rows into new tables: a running number that is the row's own
    key, tiles in their key's order."""
    tables = {
        "custody_entry": (
            "seq INTEGER NOT NULL PRIMARY KEY, leaf BLOB NOT NULL, leaf_hash BLOB NOT NULL, envelope TEXT NOT NULL, recipient TEXT NOT NULL, "
            "n INTEGER NOT NULL, event TEXT NOT NULL, sender TEXT NOT NULL, at DATETIME NOT NULL, "
            "CONSTRAINT custody_entry_hash CHECK (length(leaf_hash) = 32)",
            ENTRY,
            ENTRY,
        ),
        "custody_tile": (
            "epoch INTEGER NOT NULL, level SMALLINT NOT NULL, idx BIGINT NOT NULL, hashes BLOB NOT NULL, "
            "CONSTRAINT custody_tile_full CHECK (length(hashes) = 8192), PRIMARY KEY (epoch, level, idx)",
            "epoch, level, idx, hashes",
            "0, level, idx, hashes",
        ),
        "custody_edge": (
            "epoch INTEGER NOT NULL, level SMALLINT NOT NULL, hashes BLOB NOT NULL, PRIMARY KEY (epoch, level)",
            "epoch, level, hashes",
            "0, level, hashes",
        ),
        "custody_checkpoint": (
            "epoch INTEGER NOT NULL, size BIGINT NOT NULL, root BLOB NOT NULL, note TEXT NOT NULL, at DATETIME NOT NULL, PRIMARY KEY (epoch, size)",
            "epoch, size, root, note, at",
            "0, size, root, note, at",
        ),
    }
    for table, (columns, target, source) in tables.items():
        op.execute(f"ALTER TABLE {table} RENAME TO {table}_old")
        op.execute(f"CREATE TABLE {table} ({columns})")
        op.execute(f"INSERT INTO {table} ({target}) SELECT {source} FROM {table}_old")
        op.execute(f"DROP TABLE {table}_old")


def guard_sqlite() -> None:
    """Refuse UPDATE and DELETE, and REPLACE, which deletes without asking the DELETE
    guard. A guard rail, not evidence: who owns the file can drop it."""
    keys = {
        "custody_entry": "NEW.seq <> coalesce((SELECT max(seq) FROM custody_entry), -1) + 1",
        "custody_tile": "EXISTS (SELECT 1 FROM custody_tile WHERE epoch = NEW.epoch AND level = NEW.level AND idx = NEW.idx)",
        "custody_epoch": "NEW.number <> coalesce((SELECT max(number) FROM custody_epoch), -1) + 1",
        "custody_checkpoint": "EXISTS (SELECT 1 FROM custody_checkpoint WHERE epoch = NEW.epoch AND size = NEW.size)",
    }
    for table, taken in keys.items():
        refuse = f"BEGIN SELECT RAISE(ABORT, '{table} only grows'); END"
        kept = f"WHEN OLD.at > datetime('now', '-{KEPT_DAYS} days') " if table == "custody_checkpoint" else ""
        op.execute(f"CREATE TRIGGER {table}_no_update BEFORE UPDATE ON {table} {refuse}")
        op.execute(f"CREATE TRIGGER {table}_no_delete BEFORE DELETE ON {table} {kept}{refuse}")
        op.execute(f"CREATE TRIGGER {table}_no_replace BEFORE INSERT ON {table} WHEN {taken} {refuse}")


def guard_postgresql() -> None:
    """Refuse UPDATE, DELETE and TRUNCATE, in replica sessions too. A guard rail, not
    evidence: give the hub a role that only inserts (docs/adr/0002)."""
    for table in ("custody_epoch", "custody_checkpoint"):
        op.execute(f"CREATE FUNCTION {table}_grows() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION '{table} only grows'; END $$")
    op.execute(
        "CREATE TRIGGER custody_epoch_guard BEFORE UPDATE OR DELETE OR TRUNCATE ON custody_epoch FOR EACH STATEMENT EXECUTE FUNCTION custody_epoch_grows()"
    )
    op.execute(
        "CREATE TRIGGER custody_checkpoint_guard BEFORE UPDATE OR TRUNCATE ON custody_checkpoint FOR EACH STATEMENT EXECUTE FUNCTION custody_checkpoint_grows()"
    )
    op.execute(
        f"CREATE TRIGGER custody_checkpoint_kept BEFORE DELETE ON custody_checkpoint FOR EACH ROW "
        f"WHEN (OLD.at > now() - interval '{KEPT_DAYS} days') EXECUTE FUNCTION custody_checkpoint_grows()"
    )
    guards = {
        "custody_entry": ("guard",),
        "custody_tile": ("guard",),
        "custody_epoch": ("guard",),
        "custody_checkpoint": ("guard", "kept"),
    }
    for table, names in guards.items():
        for name in names:
            op.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {table}_{name}")
