"""Fail before and after every durable step of a sending by shared secret: all or nothing, and its origin is never lost."""

from __future__ import annotations

import hashlib
import shutil
from datetime import timedelta
from pathlib import Path

from exchange.connector import Caller
from exchange.receipt import from_bytes
from signing.sandbox import Sandbox
from tests.faults.test_every_write import NthStep, crash_everywhere
from tests.house import PULLER, SENDER, House, Pki


def send(house: House, package: Path, caller: Caller) -> str:
    incoming = house.hub.store.blobs.temporary()
    shutil.copyfile(package, incoming)
    try:
        return house.hub.connector.send(caller, incoming, hashlib.sha256(package.read_bytes()).hexdigest(), sender=SENDER, to=(PULLER,))
    finally:
        incoming.unlink(missing_ok=True)


def test_send_and_hand_over(pki: Pki, sandbox: Sandbox, tmp_path: Path) -> None:
    fault = NthStep()
    house = House(pki, tmp_path / "hub", fault=fault, sandbox=sandbox)
    house.register()
    for code in (SENDER, PULLER):
        house.hub.connector.add_secret("vxp", f"sys.{code}", code, b"bi-mat-mo-phong-16", by="test", overlap=timedelta(0))
    sender, recipient = (Caller("vxp", f"sys.{code}", "k", (code,), '{"a":"b"}', "ab" * 32) for code in (SENDER, PULLER))
    packages: dict[int, Path] = {}

    def act(n: int) -> None:
        packages[n] = house.package(f"{SENDER},2026/11/20,{n}/QĐ-UBND", recipients=(PULLER,))
        envelope = send(house, packages[n], sender)
        (line,) = house.hub.connector.sent(sender, "edoc", envelope)
        house.hub.connector.tell(recipient, line["delivery"], "done")

    def check(n: int) -> None:
        envelope = send(house, packages[n], sender)
        assert send(house, packages[n], sender) == envelope
        receipt = house.hub.connector.receipt(sender, envelope)
        assert b"Origin.vxp-hmac" in from_bytes(receipt).evidence
        (line,) = house.hub.connector.sent(sender, "edoc", envelope)
        house.hub.connector.tell(recipient, line["delivery"], "done")
        life = house.hub.timeline(SENDER, envelope)
        assert life["origin"]["method"] == "vxp-hmac" and life["deliveries"][0]["state"] == "delivered"
        said = [(e["event"].rsplit("/", 1)[-1], e["object_type"]) for e in life["events"]]
        assert said == [("SubmissionAcceptance", "vxp-hmac"), ("ContentConsignment", ""), ("ContentHandover", "vxp-hmac")]
        assert house.hub.connector.received(recipient, "edoc") == []
        assert house.hub.verify_log().ok

    assert crash_everywhere(house, fault, act, check) >= 20
    house.close()
