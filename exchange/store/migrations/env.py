"""Alembic's entry: runs the numbered scripts of one schema on the engine handed in."""

from alembic import context

from exchange.store import connector_tables, directory_tables, tables

config = context.config
engine = config.attributes["engine"]
assert connector_tables.hub is directory_tables.hub is tables.hub
metadata = tables.hub if config.attributes["schema"] == "hub" else tables.node

with engine.connect() as connection, connection.begin():
    context.configure(connection=connection, target_metadata=metadata, transactional_ddl=True)
    context.run_migrations()
