"""A real PostgreSQL from a wheel, started without root rights: for tests and benchmarks."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import uuid
from pathlib import Path

from sqlalchemy import create_engine, text


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

    def database(self, template: str = "") -> str:
        """URL of a fresh database, or of a copy of the one at the URL `template`, to which nobody may be connected."""
        name, like = f"t{uuid.uuid4().hex}", template.rpartition("/")[2]
        engine = create_engine(f"postgresql+psycopg://vanthu@127.0.0.1:{self.port}/postgres", isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}" + (f" TEMPLATE {like}" if like else "")))
        engine.dispose()
        return f"postgresql+psycopg://vanthu@127.0.0.1:{self.port}/{name}"

    def stop(self) -> None:
        """Stop the server and remove its files."""
        self._run("pg_ctl", "-D", str(self.folder / "data"), "-m", "immediate", "stop")
        shutil.rmtree(self.folder, ignore_errors=True)
