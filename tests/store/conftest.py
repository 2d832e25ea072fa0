"""The same suite on SQLite and on a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from exchange.store.engine import Store
from tests.postgres import Postgres

__all__ = ["Postgres"]


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'hub.sqlite'}"
    server: Postgres = request.getfixturevalue("postgres")
    return server.database()


@pytest.fixture
def store(url: str, tmp_path: Path) -> Iterator[Store]:
    """An open hub store."""
    opened = Store.open(url, blobs=tmp_path / "blobs", migrate=True)
    yield opened
    opened.close()
