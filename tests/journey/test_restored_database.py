"""The bad day as an operator lives it, on both databases: last night's database is restored, and the hub is started."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from exchange.cli import cli
from tests.house import Pki
from tests.journey.processes import HubProcess
from tests.postgres import Postgres


def verb(*arguments: str, code: int = 0) -> str:
    done = CliRunner().invoke(cli, list(arguments))
    assert done.exit_code == code, done.output
    return done.output


def put_back(hub: HubProcess, backup: str, file: Path) -> None:
    if backup:
        hub.config.write_text(hub.config.read_text().replace(f'database = "{hub.database}"', f'database = "{backup}"'))
        return
    for old in hub.folder.glob("data/hub.sqlite*"):
        old.unlink()
    shutil.copyfile(file, hub.folder / "data" / "hub.sqlite")


@pytest.mark.xdist_group("processes")
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_a_hub_on_a_restored_database_signs_nothing_and_says_what_to_do(pki: Pki, tmp_path: Path, database: str, request: pytest.FixtureRequest) -> None:
    server: Postgres | None = request.getfixturevalue("postgres") if database == "postgresql" else None
    hub = HubProcess(pki, tmp_path / "hub", database=server.database() if server is not None else "")
    operator, mark = ("--config", str(hub.config)), hub.folder / "data" / "high-water"
    verb("doctor", *operator)  # signs a head
    file, backup = tmp_path / "backup.sqlite", server.database(hub.database) if server is not None else ""
    if server is None:
        with sqlite3.connect(hub.folder / "data" / "hub.sqlite") as one, sqlite3.connect(file) as other:
            one.backup(other)
    verb("agency", "add", *operator, "H56.01", "Xã mới (mô phỏng)")
    verb("doctor", *operator)  # and a later one
    put_back(hub, backup, file)
    before = mark.read_bytes()

    command = [sys.executable, "-m", "exchange.cli", "serve", "--config", str(hub.config)]
    refused = subprocess.run(command, capture_output=True, text=True, timeout=60)
    said = " ".join(refused.stderr.split())
    assert refused.returncode == 1 and "custody.high_water" in said and "vanthu custody recover" in said and "3 entries, signed 4" in said
    assert mark.read_bytes() == before
    told = " ".join(verb("custody", "recover", *operator, "--lang", "en", code=1).split())
    assert "the database is behind the last signed head" in told and "recover --from MIRROR" in told and "--close-epoch" in told
    assert mark.read_bytes() == before  # looking changes nothing

    done: dict[str, Any] = json.loads(verb("custody", "recover", *operator, "--close-epoch", "--reason", "mất đĩa (mô phỏng)", "--yes", "--json"))
    assert done["state"] == "ok" and done["vkey"]
    hub.start()  # and goes on in the open, under the new log
    hub.stop()
