"""What an agency's own system asks of its node about a document it sent: recall, take back, other recipients; and the answers."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from aiohttp.test_utils import TestClient, TestServer
from sqlalchemy import delete

from exchange import statements
from exchange.config import load_hub
from exchange.gossip import HeldHeads
from exchange.node import recalls
from exchange.node.heads import Watch
from exchange.node.local_api import local_app
from exchange.node.reconcile import Shelf, reconcile
from exchange.server import open_hub
from exchange.store import journal, journal_review, take_backs, tombstones
from exchange.store.change_tables import take_backs as table
from signing.sandbox import Sandbox
from signing.statement_check import check_statement
from signing.trust import Trust
from tests.house import PULLER, SENDER, House, Pki
from tests.journey.processes import HubProcess
from tests.journey.test_node_recalls import OTHER, Node, desk_of, nodes

Local = TestClient[Any, Any]


def now() -> datetime:
    return datetime.now(UTC)


def local(node: Node, folder: Path, *, alone: bool = False) -> Local:
    watch = Watch(HeldHeads(folder, [], now), "https://127.0.0.1:9", None, None)
    app = local_app(node.desk, "token", Shelf(folder), watch, None if alone else node.agent.client)
    return TestClient(TestServer(app), headers={"Authorization": "Bearer token"})


async def ask(door: Local, path: str, **body: Any) -> tuple[int, dict[str, Any]]:
    answer = await door.post(path, json=body)
    return answer.status, await answer.json()


async def told(door: Local, path: str, **query: str) -> Any:
    answer = await door.get(path, params=query)
    assert answer.status == 200, await answer.text()
    return await answer.json()


def test_take_back_through_the_node_agreed_and_refused(hub: HubProcess, maker: House, sandbox: Sandbox, tmp_path: Path) -> None:
    fresh, kept = (f"{SENDER},2026/11/20,lay-lai-{n}/QĐ-UBND" for n in (1, 2))

    async def go() -> None:
        async with nodes(hub, sandbox, tmp_path, SENDER, PULLER) as (sender, recipient), local(sender, tmp_path) as door:
            for document in (fresh, kept):
                sender.desk.send(maker.package(document, recipients=(PULLER,)))
            await sender.round()
            await recipient.round()
            bytes_of = {d: recipient.desk.store.blobs.path(recipient.inbox(d)[0].package_sha256) for d in (fresh, kept)}
            recalls.report(recipient.desk, recipient.inbox(kept)[0].delivery, "03", "Vào sổ")
            await recipient.round()
            for document in (fresh, kept):
                status, said = await ask(door, "/outbox/take-back", document_id=document, recipient=PULLER, reason="Gửi nhầm nơi nhận")
                assert (status, said["code"], said["state"]) == (202, "13", "waiting")
                again = await ask(door, "/outbox/take-back", document_id=document, recipient=PULLER, reason="Gửi nhầm nơi nhận")
                assert again[1]["id"] == said["id"]  # a repeated call is the same question
            await sender.round()
            await recipient.round()
            await sender.round()
            rows = {r["document_id"]: r for r in (await told(door, "/outbox/take-backs"))["items"]}
            assert [(rows[d]["state"], rows[d]["agency"], rows[d]["answer"]) for d in (fresh, kept)] == [("sent", PULLER, "15"), ("sent", PULLER, "16")]
            assert rows[kept]["answer_reason"] == "Văn bản đã được tiếp nhận, vào sổ"
            assert not bytes_of[fresh].exists() and bytes_of[kept].exists()
            assert recipient.read(lambda c: tombstones.tombstone(c, recipient.inbox(fresh)[0].delivery)).change == "take_back"
            assert sender.read(lambda c: take_backs.receipt(c, rows[fresh]["id"]))
            life = await told(door, "/outbox/life", document_id=fresh)
            assert [(d["recipient"], d["state"], d["status"]) for d in life["deliveries"]] == [(PULLER, "recalled", "15")]
            assert [(c["change"], c["effect"], c["answer"]) for c in life["changes"]] == [("take_back", "asked", "15")]
            # What was refused may be asked again: a new question with its own seal.
            anew = (await ask(door, "/outbox/take-back", document_id=kept, recipient=PULLER, reason="Xin lấy lại lần nữa"))[1]
            assert anew["id"] != rows[kept]["id"]
            await sender.round()
            reconciled(hub, sender)

    asyncio.run(go())


def reconciled(hub: HubProcess, node: Node) -> None:
    """The day's statement of the hub and the node's journal agree, take-backs included."""
    here, trust = open_hub(load_hub(hub.config, {})), Trust.load(hub.pki.folder / "trust")
    try:
        today = statements.day_of(now())
        statements.close_days(here.office, through=today)
        file = statements.statement_of(here.office, SENDER, today.isoformat())
        found = check_statement(file, trust=trust, vkeys=here.office.vkeys(), at=now())
    finally:
        here.close()
    with node.desk.store.read() as connection:
        result = reconcile(connection, found)
        known = len(list(journal_review.take_backs_sent(connection, now() - timedelta(hours=1))))
    assert known == 3 and result.ok and result.matched >= 5, result.differences
    node.desk.store.write(lambda c: c.execute(delete(table)))
    with node.desk.store.read() as connection:
        assert {d.kind for d in reconcile(connection, found).differences} == {"extra"}


def test_a_take_back_never_overtakes_its_document(hub: HubProcess, maker: House, sandbox: Sandbox, tmp_path: Path) -> None:
    """Asked while the hub is away: nobody ever sees the document."""
    document, wrong = f"{SENDER},2026/11/20,lay-lai-3/QĐ-UBND", f"{SENDER},2026/11/20,lay-lai-4/QĐ-UBND"

    async def go() -> None:
        async with nodes(hub, sandbox, tmp_path, SENDER, PULLER) as (sender, recipient), local(sender, tmp_path) as door:
            sender.desk.send(maker.package(document, recipients=(PULLER,)))
            await ask(door, "/outbox/take-back", document_id=document, recipient=PULLER, reason="Gửi nhầm")
            assert not await sender.agent.ask_back()  # it waits for the document
            await sender.round()
            (row,) = (await told(door, "/outbox/take-backs"))["items"]
            assert row["state"] == "sent"
            await recipient.round()
            assert recipient.inbox(document) == []
            assert (await told(door, "/outbox/life", document_id=document))["deliveries"][0]["state"] == "recalled"
            # The hub refuses the document: the question has nothing to be about, and says so.
            sender.desk.send(maker.package(wrong, recipients=("H56.404",)))
            await ask(door, "/outbox/take-back", document_id=wrong, recipient="H56.404", reason="Gửi nhầm")
            await sender.round()
            row = next(r for r in (await told(door, "/outbox/take-backs"))["items"] if r["document_id"] == wrong)
            assert (row["state"], row["last_error"].split(":")[0]) == ("refused", "change.document_not_sent")

    asyncio.run(go())


def test_recall_and_recipients_through_the_node(hub: HubProcess, maker: House, sandbox: Sandbox, tmp_path: Path) -> None:
    document = f"{SENDER},2026/11/20,thu-hoi-1/QĐ-UBND"

    async def go() -> None:
        async with nodes(hub, sandbox, tmp_path, SENDER, PULLER, auto=False) as (sender, recipient), local(sender, tmp_path) as door:
            sender.desk.send(maker.package(document, recipients=(PULLER,)))
            await sender.round()
            await recipient.round()
            status, row = await ask(door, "/outbox/recipients", document_id=document, reason="Thêm nơi nhận", add=[OTHER])
            assert (status, row["kind"], row["target"], row["document_id"]) == (202, 2, document, document)
            await sender.round()
            life = await told(door, "/outbox/life", document_id=document)
            assert {d["recipient"] for d in life["deliveries"]} == {PULLER, OTHER}
            status, first = await ask(door, "/outbox/recall", document_id=document, reason="Ban hành nhầm")
            assert (status, first["kind"], first["document_id"]) == (202, 1, document)
            assert (await ask(door, "/outbox/recall", document_id=document, reason="Ban hành nhầm"))[1]["package_sha256"] == first["package_sha256"]
            assert next(r for r in (await told(door, "/outbox"))["items"] if r["kind"] == 0)["frozen_by"] == document
            await sender.round()
            await recipient.round()
            asked = next(r for r in recipient.inbox(document) if r.kind == 1)
            recalls.report(recipient.desk, asked.delivery, "16", "Đang dùng làm căn cứ")
            await recipient.round()
            await sender.round()
            life = await told(door, "/outbox/life", document_id=document)
            effects = {(c["change"], c["recipient"], c["effect"], c["answer"]) for c in life["changes"]}
            assert {("recall", PULLER, "asked", "16"), ("recall", OTHER, "withdrawn", "")} <= effects or ("recall", OTHER, "asked", "") in effects
            # Declined: the clerk asks once more, in the same words; it is a new recall.
            second = (await ask(door, "/outbox/recall", document_id=document, reason="Ban hành nhầm"))[1]
            assert second["document_id"].startswith(f"{document};recall-")
            await sender.round()
            await recipient.round()
            assert [r for r in recipient.inbox(second["document_id"]) if r.kind == 1]

    asyncio.run(go())


def test_a_line_whose_package_was_recalled_meanwhile_does_not_stop_the_mailbox(hub: HubProcess, maker: House, sandbox: Sandbox, tmp_path: Path) -> None:
    """A node that fetched and crashed before its journal: the recall comes, the bytes are not given again, and what follows still arrives."""
    recalled, after = (f"{SENDER},2026/11/20,dung-{n}/QĐ-UBND" for n in (1, 2))

    async def go() -> None:
        async with nodes(hub, sandbox, tmp_path, SENDER, PULLER) as (sender, recipient):
            sender.desk.send(maker.package(recalled, recipients=(PULLER,)))
            await sender.round()
            items, _ = await recipient.agent.client.inbox(after=0, limit=500)
            line = next(i for i in items if i["document_id"] == recalled)
            await recipient.agent.client.fetch(line["delivery"], tmp_path / "lost")
            sender.desk.send(maker.recall(recalled, recipients=(PULLER,)))
            sender.desk.send(maker.package(after, recipients=(PULLER,)))
            await sender.round()
            await recipient.round()
            await sender.round()
            assert len(recipient.inbox(after)) == 1
            assert [r.kind for r in recipient.inbox(recalled)] == [1]
            assert sender.told(recalled)[-1] == (PULLER, "15")

    asyncio.run(go())


def test_the_life_of_a_received_document_shows_its_thread(hub: HubProcess, maker: House, sandbox: Sandbox, tmp_path: Path) -> None:
    document = f"{SENDER},2026/11/20,luong-1/QĐ-UBND"

    async def go() -> None:
        async with nodes(hub, sandbox, tmp_path, SENDER, PULLER) as (sender, recipient), local(recipient, tmp_path) as door:
            sender.desk.send(maker.package(document, recipients=(PULLER,)))
            await sender.round()
            await recipient.round()
            got = recipient.inbox(document)[0]
            life = await told(door, f"/inbox/{got.delivery}/life")
            assert (life["document_id"], life["deliveries"][0]["status"]) == (document, "01") and "thread" in life
            assert (await door.get("/inbox/khong-co/life")).status == 404

    asyncio.run(go())


def test_what_the_node_refuses_to_ask(pki: Pki, maker: House, sandbox: Sandbox, tmp_path: Path) -> None:
    document = f"{SENDER},2026/11/20,tu-choi-1/QĐ-UBND"
    desk = desk_of(pki, tmp_path, SENDER, sandbox)
    desk.send(maker.package(document, recipients=(PULLER,)))
    node = Node(desk, None)  # type: ignore[arg-type]

    async def go() -> None:
        async with local(node, tmp_path, alone=True) as door:
            cases = (
                ("/outbox/take-back", {"document_id": "khong-co", "recipient": PULLER, "reason": "x"}, 404, "not_found"),
                ("/outbox/take-back", {"document_id": document, "recipient": OTHER, "reason": "x"}, 422, "change.not_a_recipient"),
                ("/outbox/take-back", {"document_id": document, "recipient": PULLER, "reason": " "}, 422, "status.reason_required"),
                ("/outbox/take-back", {"document_id": document, "recipient": PULLER}, 400, "request.invalid"),
                ("/outbox/recall", {"document_id": document, "reason": "x", "only": [OTHER]}, 422, "change.not_a_recipient"),
                ("/outbox/recall", {"document_id": document, "reason": "x", "only": PULLER}, 400, "request.invalid"),
                ("/outbox/recall", {"document_id": document, "reason": "x", "khac": 1}, 400, "request.invalid"),
                ("/outbox/recipients", {"document_id": document, "reason": "x"}, 422, "change.invalid"),
                ("/outbox/recipients", {"document_id": document, "reason": "x", "remove": [OTHER]}, 422, "change.not_a_recipient"),
                ("/outbox/recipients", {"document_id": document, "reason": "x", "add": [5]}, 400, "request.invalid"),
            )
            for path, body, status, code in cases:
                answer = await door.post(path, json=body)
                said = json.loads(await answer.text())
                assert (answer.status, said["code"]) == (status, code), (path, body, said)
            assert (await door.post("/outbox/recall", data=b"[]")).status == 400
            assert (await door.get("/outbox/life", params={"document_id": document})).status == 502
            assert (await door.post("/outbox/take-back", json={}, headers={"Authorization": "Bearer x"})).status == 401

    asyncio.run(go())
    with desk.store.read() as connection:
        assert take_backs.all(connection, 10) == [] and len(journal.all_outbound(connection, 10)) == 1
    desk.store.close()
