"""The power goes at every durable step of a recall and of its answer: all or nothing, and the repeat brings it about."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from exchange.agency import Agency
from exchange.receipt import from_bytes
from signing.sandbox import Sandbox
from tests.faults.test_every_write import NthStep
from tests.house import PULLER, SENDER, House, Pki, letter

DOCUMENT = f"{SENDER},2026/11/20,125/QĐ-UBND"
OTHER = "H56.96"


class AtCommit(NthStep):
    """Counts only what concerns the change and its commit; the writes around it are tried in `test_every_write`."""

    def __call__(self, step: str) -> None:
        if step.startswith("commit.") or step in ("after INSERT INTO change_effects", "after UPDATE change_effects SET"):
            super().__call__(step)


POINTS = 4  # inside the transaction, before and after its commit, and at the head that follows


def everywhere(template: House, pki: Pki, sandbox: Sandbox, folder: Path, act: Callable[[House], object], check: Callable[[House], None]) -> list[str]:
    """`act` on a copy of the template with a crash at each point; their names."""
    names = []
    for n in range(1, POINTS + 1):
        here = folder / str(n)
        shutil.copytree(template.folder, here)
        fault = AtCommit()
        house = House(pki, here, fault=fault, sandbox=sandbox)
        fault.arm(n)
        with pytest.raises(Exception, match="change_effects|commit"):
            act(house)
        names.append(fault.names[n - 1])
        fault.arm(-1)
        house.reopen()
        check(house)
        house.close()
    return names


def test_a_crash_at_any_step_of_a_recall_loses_nothing(pki: Pki, sandbox: Sandbox, tmp_path: Path) -> None:
    template = House(pki, tmp_path / "template", sandbox=sandbox)
    template.register()
    template.hub.add_agency(Agency(OTHER, "Cơ quan nhận ba (mô phỏng)"), seal_pem=None, tls_pem=None, by="test")
    plain = letter(tmp_path / "plain.pdf")
    envelope = from_bytes(template.submit(template.package(DOCUMENT, recipients=(PULLER, OTHER), document=plain, attachment=plain))).envelope
    delivery = next(d["delivery"] for d in template.hub.timeline(None, envelope)["deliveries"] if d["recipient"] == PULLER)
    template.hub.package_of(PULLER, delivery)
    template.hub.acknowledge(PULLER, delivery, *template.status("01"))
    recall, answer = template.recall(DOCUMENT, recipients=(PULLER, OTHER)), template.status("15", why="Đã hủy")
    template.close()

    def states(house: House) -> dict[str, str]:
        return {d["recipient"]: d["state"] for d in house.hub.timeline(None, envelope)["deliveries"]}

    def recalled(house: House) -> None:
        kinds = [row["kind"] for row in house.hub.find(None, document_id=DOCUMENT)]
        changes = house.hub.timeline(None, envelope)["changes"]
        if 1 in kinds:  # all of it
            assert states(house) == {PULLER: "acknowledged", OTHER: "recalled"} and len(changes) == 2
        else:  # or nothing
            assert states(house) == {PULLER: "acknowledged", OTHER: "queued"} and changes == []
        receipt = house.submit(recall)
        assert house.submit(recall) == receipt
        assert states(house) == {PULLER: "acknowledged", OTHER: "recalled"}
        lines = [i for i in house.hub.inbox(PULLER, after=0, limit=50) if i["kind"] == "document"]
        assert sum(i["envelope"] == from_bytes(receipt).envelope for i in lines) == 1
        events = [e["event"].rsplit(":", 1)[-1] for e in house.hub.timeline(None, envelope)["events"]]
        assert events.count("Withdrawn") == events.count("RecallRequested") == 1
        assert house.hub.verify_log().ok

    points = everywhere(template, pki, sandbox, tmp_path / "recall", lambda h: h.submit(recall), recalled)
    assert points == [*["after INSERT INTO change_effects"] * 2, "commit.before", "commit.after"]
    after = House(pki, template.folder, sandbox=sandbox)
    after.submit(recall)
    after.close()

    def answered(house: House) -> None:
        receipt = house.hub.report_status(PULLER, *answer)
        assert house.hub.report_status(PULLER, *answer) == receipt
        assert states(house) == {PULLER: "recalled", OTHER: "recalled"}
        events = [e["event"].rsplit(":", 1)[-1] for e in house.hub.timeline(None, envelope)["events"]]
        assert events.count("CopyDestroyed") == 1
        assert [i["code"] for i in house.hub.inbox(SENDER, after=0, limit=50)] == ["01", "15"]
        assert house.hub.verify_log().ok

    points = everywhere(template, pki, sandbox, tmp_path / "answer", lambda h: h.hub.report_status(PULLER, *answer), answered)
    assert points == ["after UPDATE change_effects SET", "commit.before", "commit.after", "commit.before"]
