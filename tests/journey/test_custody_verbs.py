"""The auditor's verbs against a real hub and real nodes, as a person runs them."""

from __future__ import annotations

import json
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from exchange import statements
from exchange.cli import cli
from exchange.cli_custody import custody
from exchange.demo_house import free_ports
from exchange.node.agent import now
from tests.house import PULLER, SENDER, House, Pki
from tests.journey.processes import HubProcess

VERBS = {"search", "timeline", "prove", "verify", "head", "consistency", "monitor"}
VERBS |= {"fsck", "statement", "reconcile", "gaps", "mirror", "recover", "seal", "witness"}


class NodeProcess:
    """One agency's node over `hub`."""

    def __init__(self, hub: HubProcess, code: str, folder: Path) -> None:
        (self.port,) = free_ports(1)
        self.code, self.folder, pki = code, folder, hub.pki
        self.config = folder / f"{code}.toml"
        self.config.write_text(
            f"""[node]
agency = "{code}"
name = "Cơ quan (mô phỏng)"
data = "{code}"
hub_url = "{hub.url}"
trust = "{pki.folder}/trust"
tls_certificate = "{pki.folder}/tls/{code}.pem"
tls_ca = "{pki.folder}/tls/ca.pem"
seal_key = "{pki.folder}/agencies/{code}/seal.pem"
local_port = {self.port}
poll_wait_seconds = 1
"""
        )
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with (self.folder / f"{self.code}.log").open("ab") as log:
            command = [sys.executable, "-m", "exchange.cli", "node", "--config", str(self.config)]
            self.process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def stop(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(20)
            self.process = None

    def ask(self, path: str, data: bytes | None = None) -> list[dict[str, Any]]:
        """Items of the local interface, or none before it answers."""
        token = self.folder / self.code / "token"
        if not token.exists():
            return []
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data, {"Authorization": f"Bearer {token.read_text().strip()}"})
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                value: dict[str, Any] = json.loads(answer.read())
        except OSError:
            return []
        return list(value.get("items", [value]))

    def until(self, path: str, holds: Any) -> list[dict[str, Any]]:
        for _ in range(300):
            items = self.ask(path)
            if holds(items):
                return items
            time.sleep(0.1)
        raise AssertionError((path, items, (self.folder / f"{self.code}.log").read_text()[-2000:]))


@dataclass
class Town:
    hub: HubProcess
    sender: NodeProcess
    recipient: NodeProcess
    folder: Path
    envelope: str = ""

    @property
    def trust(self) -> str:
        return str(self.hub.pki.folder / "trust")

    @property
    def tls(self) -> list[str]:
        tls = self.hub.pki.folder / "tls"
        return ["--tls-ca", str(tls / "ca.pem"), "--tls-certificate", str(tls / f"{SENDER}.pem")]


def run(*arguments: str, code: int = 0) -> Result:
    result = CliRunner().invoke(cli, ["custody", *arguments])
    assert result.exit_code == code, (result.output, result.exception)
    return result


def value(*arguments: str, code: int = 0) -> Any:
    return json.loads(run(*arguments, "--json", code=code).stdout)


@pytest.fixture(scope="module")
def town(pki: Pki, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """A document has gone from one node to the other and was acknowledged, and the day is closed."""
    folder = tmp_path_factory.mktemp("town")
    hub = HubProcess(pki, folder / "hub")
    hub.start()
    made = Town(hub, NodeProcess(hub, SENDER, folder), NodeProcess(hub, PULLER, folder), folder)
    maker = House(pki, folder / "maker")
    try:
        made.sender.start()
        made.recipient.start()
        package = maker.package(recipients=(PULLER,)).read_bytes()
        made.sender.until("/outbox", lambda _: made.sender.ask("/health"))
        made.sender.ask("/outbox", package)
        made.envelope = made.sender.until("/outbox", lambda items: items and items[0]["state"] == "sent")[0]["envelope"]
        made.sender.until("/statuses", lambda items: items)
        run("statement", "--config", str(hub.config), "--close", "--day", today())
        yield made
    finally:
        maker.close()
        for process in (made.sender, made.recipient, hub):
            process.stop()


def today() -> str:
    return statements.day_of(now()).isoformat()


def test_every_verb_is_there_with_its_options() -> None:
    assert set(custody.commands) == VERBS
    for name, command in custody.commands.items():
        commands = command.commands.values() if name == "witness" else [command]  # type: ignore[attr-defined]
        for one in commands:
            options = {option for parameter in one.params for option in parameter.opts}
            assert {"--json", "--lang"} <= options and one.help, (name, one.name)
    for name in VERBS:  # help says what the verb is for in both languages
        told = CliRunner().invoke(cli, ["custody", name, "--help"])
        epilog = custody.commands[name].epilog or ""
        assert told.exit_code == 0 and not epilog.isascii() and " ".join(epilog.split()) in " ".join(told.stdout.split()), name
    assert CliRunner().invoke(cli, ["custody", "timeline"]).exit_code == 2
    assert CliRunner().invoke(cli, ["custody", "monitor", "x"]).exit_code == 2


def test_search(town: Town) -> None:
    config = ("--config", str(town.hub.config))
    found = value("search", *config, "125/QĐ-UBND")
    assert {f["envelope"] for f in found} == {town.envelope} and len(found) >= 3
    assert value("search", *config, found[0]["leaf_hash"]) == found[:1]
    digest = json.loads(run("timeline", *config, town.envelope, "--json").stdout)[0]["sha256"]
    assert value("search", *config, "--digest", digest) == found
    assert {f["recipient"] for f in value("search", *config, "--agency", PULLER, "--event", "ContentHandover")} == {PULLER}
    assert value("search", *config, "--since", today(), "--until", today(), "--limit", "2")[0]["number"] == 0
    assert value("search", *config, "--until", "2026-01-01", code=1) == []
    assert "Sổ lưu giữ" in run("search", *config, town.envelope).stdout
    run("search", *config, "--digest", "xyz", code=2)
    run("search", *config, "--since", "hôm qua", code=2)


def test_timeline_and_its_picture(town: Town, tmp_path: Path) -> None:
    config = ("--config", str(town.hub.config))
    life = value("timeline", *config, town.envelope, "--html", str(tmp_path / "life.html"))[0]
    assert [e["problem"] for e in life["events"]] == [""] * len(life["events"])
    page = (tmp_path / "life.html").read_text()
    assert page.count('<details class="event"') == len(life["events"]) and 'href="http' not in page
    assert "<script" not in page and "src=" not in page and "url(#tip)" in page and "Content-Security-Policy" in page
    # What stands on the page is enough to check an event again, offline.
    event = life["events"][0]
    assert escape(event["proof"]) in page and escape(event["leaf"]) in page
    (tmp_path / "e.json").write_text(event["leaf"])
    (tmp_path / "e.tlog-proof").write_text(event["proof"])
    run("verify", "--proof", str(tmp_path / "e.tlog-proof"), "--leaf", str(tmp_path / "e.json"), "--trust", town.trust)
    (tmp_path / "e.json").write_text(event["leaf"] + " ")
    run("verify", "--proof", str(tmp_path / "e.tlog-proof"), "--leaf", str(tmp_path / "e.json"), "--trust", town.trust, code=1)
    assert "not_found" in str(CliRunner().invoke(cli, ["custody", "timeline", *config, "unknown"]).exception.__class__.code)  # type: ignore[union-attr]


def test_heads_and_their_consistency(town: Town, tmp_path: Path) -> None:
    config = ("--config", str(town.hub.config))
    run("head", *config, "-o", str(tmp_path / "new.note"))
    assert "Ed25519" in run("head", *config, "--all-witnesses").stdout
    assert value("head", *config)["size"] > 0
    trust = ("--trust", town.trust)
    with sqlite3.connect(town.hub.folder / "data" / "hub.sqlite") as database:
        old = database.execute("SELECT note FROM custody_checkpoint ORDER BY size LIMIT 1").fetchone()[0]
    (tmp_path / "old.note").write_text(old)
    heads = (str(tmp_path / "old.note"), str(tmp_path / "new.note"))
    assert value("consistency", *heads, *config, *trust)["proof"]
    assert value("consistency", heads[0], "--live", town.hub.url, *trust, *town.tls)["consistent"]
    run("consistency", *heads, *trust, code=1)
    (tmp_path / "bad.note").write_text(old.replace("\n2\n", "\n3\n") if "\n2\n" in old else "x")
    run("consistency", str(tmp_path / "bad.note"), heads[1], *config, *trust, code=1)


def test_monitor_and_mirror_of_a_live_hub(town: Town, tmp_path: Path) -> None:
    follow = (town.hub.url, "--trust", town.trust, *town.tls)
    look = value("monitor", *follow, "--state", str(tmp_path / "heads"), "--once")
    assert look["ok"] and look["size"] > 0
    copied = value("mirror", town.hub.url, str(tmp_path / "mirror"), "--trust", town.trust, *town.tls)
    assert copied["size"] >= look["size"]
    found = value("verify", str(tmp_path / "mirror"), "--trust", town.trust)
    assert found["ok"] and found["size"] == copied["size"]
    run("monitor", *follow, "--state", str(tmp_path / "heads"), "--once", "--compare", str(tmp_path / "mirror" / "heads"))
    heads = (str(tmp_path / "heads" / "checkpoint"), str(tmp_path / "mirror" / "checkpoint"))
    assert "Nối tiếp" in run("consistency", *heads, "--mirror", str(tmp_path / "mirror"), "--trust", town.trust).stdout
    tile = next((tmp_path / "mirror" / "tile" / "0").rglob("*.p/*"))
    tile.write_bytes(b"\0" * len(tile.read_bytes()))
    run("verify", str(tmp_path / "mirror"), "--trust", town.trust, code=1)
    silent = ("https://127.0.0.1:9", "--trust", town.trust, *town.tls, "--state", str(tmp_path / "none"), "--once")
    never = value("monitor", *silent, code=1)  # nothing was ever seen to hold there
    assert never["answered"] is False and never["alerts"][0]["code"] == "monitor.unanswered"
    assert value("monitor", *silent, "--silence", "0", code=1)["alerts"][0]["code"] == "monitor.silent"
    known = ("https://127.0.0.1:9", "--trust", town.trust, *town.tls, "--state", str(tmp_path / "heads"), "--once")
    assert value("monitor", *known)["ok"]  # silent for a moment only


def test_fsck_gaps_and_recover_of_a_sound_hub(town: Town) -> None:
    config = ("--config", str(town.hub.config))
    result = value("fsck", *config)
    assert result["ok"] and {s["step"] for s in result["steps"]} == {"log", "chains", "high_water", "receipts", "statements", "blobs"}
    assert "Soát toàn bộ" in run("fsck", *config, "--no-content").stdout
    assert value("gaps", *config) == []
    assert value("recover", *config)["state"] == "ok"
    run("recover", *config, "--close-epoch", code=2)
    assert value("witness", "state", *config)["witnesses"] == []
    assert value("witness", "kept", "--config", str(town.recipient.config))["refused"] == []
    assert value("verify", *config)["ok"]


def test_reconcile_online_offline_and_by_the_node(town: Town, tmp_path: Path) -> None:
    config = ("--config", str(town.hub.config))
    rows = value("statement", *config, PULLER)
    assert rows[0]["day"] == today() and rows[0]["count"] > 0
    for node in (town.sender, town.recipient):
        assert value("reconcile", "--config", str(node.config), "--day", today())["ok"]
    run("statement", *config, PULLER, "--day", today(), "-o", str(tmp_path / "s.json"))
    offline = ("reconcile", "--config", str(town.recipient.config), "--statement", str(tmp_path / "s.json"))
    assert "Khớp" in run(*offline).stdout and value(*offline)["proven"] == 0
    damaged = json.loads((tmp_path / "s.json").read_text())
    (tmp_path / "bad.json").write_text(json.dumps({**damaged, "leaves": []}))
    bad = ("reconcile", "--config", str(town.recipient.config), "--statement", str(tmp_path / "bad.json"))
    assert value(*bad, code=1)["code"] == "custody.statement_invalid"
    run("reconcile", "--config", str(town.recipient.config), "--day", "gần đây", code=2)
    # The node does it by itself and shows it to the agency's systems.
    town.recipient.stop()
    town.recipient.start()
    items = town.recipient.until("/reconciliation", lambda found: found)
    assert items[0]["ok"] and items[0]["day"] == today() and items[0]["proven"] == items[0]["count"]
    assert "action=reconciled" in (town.folder / f"{PULLER}.log").read_text()


def test_a_journal_that_says_more_than_the_log(town: Town, tmp_path: Path) -> None:
    """The agency's copy of its journal knows a document that the hub denies."""
    copy = tmp_path / PULLER
    shutil.copytree(town.folder / PULLER, copy)
    (tmp_path / "node.toml").write_text(town.recipient.config.read_text())
    with sqlite3.connect(copy / "node.sqlite") as database:
        database.execute("DELETE FROM outgoing_statuses")
        database.execute("UPDATE inbox SET package_sha256 = ?", ("0" * 64,))
    found = value("reconcile", "--config", str(tmp_path / "node.toml"), "--day", today(), code=1)
    assert sorted({d["kind"] for d in found["differences"]}) == ["altered", "extra"]
    text = run("reconcile", "--config", str(tmp_path / "node.toml"), "--day", today(), "--lang", "en", code=1)
    assert "They do not agree" in text.stdout


def test_a_restored_backup_is_explained_and_given_up_openly(town: Town, tmp_path: Path) -> None:
    copy = tmp_path / "hub"
    shutil.copytree(town.hub.folder, copy)
    (copy / "hub.toml").write_text(town.hub.config.read_text())
    config = ("--config", str(copy / "hub.toml"))
    mark = copy / "data" / "high-water"
    before = value("recover", *config)
    _, root, origin = mark.read_text().splitlines()[-1].split(" ", 2)
    mark.write_text(f"{before['size'] + 7} {root} {origin}\n")  # seven entries more were signed than the database holds
    found = value("recover", *config, code=1)
    assert found["state"] == "behind" and found["signed"]["size"] == before["size"] + 7
    run("recover", *config, "--close-epoch", "--reason", "mất đĩa (mô phỏng)", code=1)
    assert value("recover", *config, code=1)["state"] == "behind"  # nothing was done without --yes
    done = value("recover", *config, "--close-epoch", "--reason", "mất đĩa (mô phỏng)", "--yes")
    assert done["state"] == "ok" and done["done"].endswith("/2026-2") and done["vkey"].startswith("hub.example.vn/custody/2026-2+")
    events = [f["event"] for f in value("search", *config, "--limit", "1000")]
    assert events[-3:] == ["LogEpoch", "LogRecovery", "LogKey"]
    assert value("fsck", *config, "--no-content")["steps"][0]["problems"] == []
