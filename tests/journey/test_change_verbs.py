"""The agency's verbs recall, take-back, update and replace over mutual TLS, and `vanthu trace` at the hub."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import delete

from exchange import statements
from exchange.cli import cli
from exchange.client import Client
from exchange.config import load_hub, load_node
from exchange.edxml.read import read_package
from exchange.node.reconcile import reconcile
from exchange.server import open_hub
from exchange.store.change_tables import sent_beside
from exchange.store.engine import Store
from signing.statement_check import check_statement
from signing.trust import Trust
from tests.house import PULLER, PUSHER, SENDER, House, Pki
from tests.journey.processes import HubProcess

FIRST = f"{SENDER},2026/11/20,125/QĐ-UBND"
CONFIG = """[node]
agency = "{code}"
name = "Cơ quan gửi (mô phỏng)"
data = "data"
hub_url = "{url}"
trust = "{pki}/trust"
tls_certificate = "{pki}/tls/{code}.pem"
tls_ca = "{pki}/tls/ca.pem"
seal_key = "{pki}/agencies/{code}/seal.pem"
"""


@pytest.fixture
def hub(pki: Pki, tmp_path: Path) -> Iterator[HubProcess]:
    process = HubProcess(pki, tmp_path / "hub")
    process.start()
    yield process
    process.stop()


def run(*arguments: str) -> Any:
    done = CliRunner().invoke(cli, [*arguments, "--json"])
    assert done.exit_code == 0, (arguments, done.output, done.exception)
    return json.loads(done.output)


def test_verbs_of_a_document_that_was_sent(hub: HubProcess, pki: Pki, tmp_path: Path) -> None:
    house = House(pki, tmp_path / "maker")
    config = tmp_path / "node.toml"
    config.write_text(CONFIG.format(code=SENDER, url=hub.url, pki=pki.folder))
    mine = ("--config", str(config))

    def now() -> datetime:
        return datetime.now(UTC)

    async def prepare(sender: Client, recipient: Client) -> None:
        await sender.submit(house.package(FIRST, recipients=(PULLER,)), now=now())
        items, _ = await recipient.inbox()
        data, seal = house.status("01")
        await recipient.fetch(items[0]["delivery"], tmp_path / "got.edxml")
        await recipient.acknowledge(items[0]["delivery"], data, now=now(), seal=seal)

    async def with_both(act: Any) -> None:
        async with hub.client(SENDER) as sender, hub.client(PULLER) as recipient:
            await act(sender, recipient)

    asyncio.run(with_both(prepare))
    run("take-back", FIRST, "--from", PULLER, "--reason", "Sai nơi nhận", *mine)
    told = run("trace", FIRST, "--config", str(hub.config))[0]
    assert told["deliveries"][0]["status"] == "13" and told["changes"][0]["reason"] == "Sai nơi nhận"

    async def decline(_: Client, recipient: Client) -> None:
        data, seal = house.status("16", why="Đã trình")
        await recipient.send_status(data, now=now(), seal=seal)

    asyncio.run(with_both(decline))
    first = run("update", FIRST, "--add", PUSHER, "--reason", "Bổ sung nơi nhận", *mine)
    second = run("update", FIRST, "--pdf", str(pki.document), "--attachment", str(pki.attachment), "--reason", "Sửa nội dung", *mine)
    assert (first["document_id"] == FIRST) and second["document_id"].startswith(f"{FIRST};update-")
    new = ("--number", "125", "--notation", "QĐ-UBND", "--subject", "Quyết định mới", "--to", PULLER, "--for", PULLER)
    replaced = run("replace", FIRST, str(pki.document), *new, "--reason", "Sai căn cứ", *mine)
    recalled = run("recall", FIRST, "--reason", "Ban hành nhầm", *mine)
    assert recalled["document_id"] == FIRST
    base = next(t for t in run("trace", FIRST, "--config", str(hub.config)) if t["kind"] == 0)
    changes = {(c["recipient"], c["change"]): (c["effect"], c["answer"]) for c in base["changes"]}
    assert changes[PULLER, "take_back"] == ("asked", "16") and changes[PUSHER, "recall"][0] in ("withdrawn", "asked")
    assert changes[PULLER, "replace"][0] in ("superseded", "withdrawn") and changes[PULLER, "recall"][0] == "asked"
    assert next(c for c in base["changes"] if c["change"] == "replace")["by"] == replaced["document_id"]
    shown = CliRunner().invoke(cli, ["trace", FIRST, "--config", str(hub.config), "--lang", "vi"], env={"COLUMNS": "240"}).output
    assert "thu hồi" in shown and "Ban hành nhầm" in shown
    refused = CliRunner().invoke(cli, ["recall", "không có", "--reason", "x", *mine])
    assert refused.exit_code != 0 and type(refused.exception).__name__ == "NotFound"
    house.close()


def test_what_is_sent_beside_a_node_is_in_its_journal(hub: HubProcess, pki: Pki, tmp_path: Path) -> None:
    """Else the day's reconciliation would show it as an act that the agency knows nothing of."""
    house = House(pki, tmp_path / "maker")
    config = tmp_path / "node.toml"
    config.write_text(CONFIG.format(code=SENDER, url=hub.url, pki=pki.folder))
    mine = ("--config", str(config))
    package = house.package(FIRST, recipients=(PULLER, PUSHER))
    run("submit", str(package), *mine)  # no node here yet: nothing to enter it in
    store = Store.open(load_node(config, {}).database_url, blobs=tmp_path / "data" / "blobs", migrate=True, schema="node")
    try:
        run("submit", str(package), *mine)
        run("take-back", FIRST, "--from", PULLER, "--reason", "Sai nơi nhận", *mine)
        run("recall", FIRST, "--only", PUSHER, "--reason", "Ban hành nhầm", *mine)
        there = open_hub(load_hub(hub.config, {}))
        try:
            today = statements.day_of(datetime.now(UTC))
            statements.close_days(there.office, through=today)
            file = statements.statement_of(there.office, SENDER, today.isoformat())
            found = check_statement(file, trust=Trust.load(pki.folder / "trust"), vkeys=there.office.vkeys(), at=datetime.now(UTC))
        finally:
            there.close()
        with store.read() as connection:
            result = reconcile(connection, found)
        assert result.ok and result.matched >= 3, result.differences
        store.write(lambda c: c.execute(delete(sent_beside)))
        with store.read() as connection:
            assert {d.kind for d in reconcile(connection, found).differences} == {"extra"}
    finally:
        store.close()
        house.close()


def test_pack_says_what_a_document_is_about(pki: Pki, tmp_path: Path) -> None:
    """Replies, corrections and extracts bear a ResponseFor; a nominal id says whose document it is, any other wants to be told."""
    config, target = tmp_path / "node.toml", tmp_path / "reply.edxml"
    config.write_text(CONFIG.format(code=PULLER, url="https://127.0.0.1:9", pki=pki.folder))
    wanted = ("--to", SENDER, "--number", "7", "--notation", "CV", "--subject", "Trả lời (mô phỏng)", "-o", str(target), "--config", str(config))
    run("pack", str(pki.document), *wanted, "--about", FIRST, "--about", f"{SENDER},2026/11/21,8/QĐ-UBND")
    header = read_package(target, workdir=tmp_path).header
    assert [(r.organ, r.code, r.document_id, r.promulgation_date) for r in header.responses_for] == [
        (SENDER, "125/QĐ-UBND", FIRST, "2026/11/20"),
        (SENDER, "8/QĐ-UBND", f"{SENDER},2026/11/21,8/QĐ-UBND", "2026/11/21"),
    ]
    opaque = ("--about", "0f4d2c1e-mo-phong")
    refused = CliRunner().invoke(cli, ["pack", str(pki.document), *wanted, *opaque])
    assert refused.exit_code == 2 and "--about-of" in refused.output
    run("pack", str(pki.document), *wanted, *opaque, "--about-of", SENDER)
    assert read_package(target, workdir=tmp_path).header.responses_for[0].organ == SENDER
