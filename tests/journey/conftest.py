"""What the journeys share: a hub process for each file of tests, and a house that only makes packages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.house import House, Pki
from tests.journey.processes import HubProcess


@pytest.fixture(scope="module")
def hub(pki: Pki, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubProcess]:
    """A running hub as it comes; files that want another one define their own."""
    process = HubProcess(pki, tmp_path_factory.mktemp("hub"))
    process.start()
    yield process
    process.stop()


@pytest.fixture
def maker(pki: Pki, tmp_path: Path) -> Iterator[House]:
    """A house that only makes packages: its own hub is asked nothing."""
    here = House(pki, tmp_path / "maker")
    yield here
    here.close()
