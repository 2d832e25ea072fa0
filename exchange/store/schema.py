"""schema — the versions of the database and how to reach the newest.

Forward only, by Alembic; the same scripts on SQLite and PostgreSQL. A database
newer than the software is refused, never guessed at.
"""

from __future__ import annotations

from importlib.resources import files

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine

from exchange.errors import SchemaNewer


def _config(engine: Engine, schema: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(files("exchange.store") / "migrations"))
    config.set_main_option("version_locations", str(files("exchange.store") / "migrations" / schema))
    config.set_main_option("path_separator", "os")
    config.attributes["engine"] = engine
    config.attributes["schema"] = schema
    return config


def upgrade(engine: Engine, schema: str) -> None:
    """Bring the database to the newest version."""
    command.upgrade(_config(engine, schema), "head")


def current(engine: Engine) -> str | None:
    """Version of the database, None when it is empty."""
    with engine.connect() as connection, connection.begin():
        return MigrationContext.configure(connection).get_current_revision()


def newest(engine: Engine, schema: str) -> str | None:
    """Version this software brings."""
    return ScriptDirectory.from_config(_config(engine, schema)).get_current_head()


def check_schema(engine: Engine, schema: str) -> bool:
    """Is the database at the newest version? False when older.

    Raises:
        SchemaNewer: at a version this software does not know.
    """
    here, head = current(engine), newest(engine, schema)
    if here == head:
        return True
    if here is not None:
        known = {s.revision for s in ScriptDirectory.from_config(_config(engine, schema)).walk_revisions()}
        if here not in known:
            raise SchemaNewer(here, place="database")
    return False
