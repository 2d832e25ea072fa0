"""What could not be checked says so, and is checked again by itself when its source is back."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from exchange.receipt import from_bytes, to_bytes
from exchange.store import envelopes
from signing.evidence import check
from signing.timestamps import http_timestamper
from signing.trust import Trust
from tests.house import PULLER, SENDER, House, Pki


def test_missing_crl(pki: Pki, sandbox: object, tmp_path: Path) -> None:
    house = House(pki, tmp_path / "hub", sandbox=sandbox)  # type: ignore[arg-type]
    house.register()
    full = Trust.load(pki.folder / "trust")
    trusts = [replace(full, crls=())]
    house.hub.office.trust = lambda: trusts[0]
    envelope = from_bytes(house.submit(house.package())).envelope
    assert house.hub.inbox(PULLER, after=0, limit=5)[0]["mark"] == "unverified"
    house.hub.tick()
    assert house.hub.timeline(SENDER, envelope)["mark"] == "unverified"
    trusts[0] = full
    house.ahead += timedelta(minutes=2)
    house.hub.tick()
    life = house.hub.timeline(SENDER, envelope)
    assert life["mark"] == "" and life["events"][-1]["event"] == "urn:vanthu:event:Recheck"
    house.close()
    shutil.rmtree(tmp_path / "hub")


def test_time_stamp_authority_down(pki: Pki, sandbox: object, tmp_path: Path) -> None:
    """Exchange goes on; the evidence file says that it carries no stamp."""
    house = House(pki, tmp_path / "hub", sandbox=sandbox)  # type: ignore[arg-type]
    house.register()
    trust = Trust.load(pki.folder / "trust")

    def down(url: str, body: bytes, content_type: str) -> bytes:
        raise OSError("no answer")

    house.hub.office.timestamp = http_timestamper(["http://127.0.0.1:9/"], down, trust)
    envelope = from_bytes(house.submit(house.package())).envelope
    house.hub.evidence(SENDER, envelope, tmp_path / "e.asice")
    report = check(tmp_path / "e.asice", trust=trust, vkeys=[house.hub.office.log_key.vkey()], at=datetime.now(UTC))
    assert report.ok and report.seal is not None and report.seal.time_source == "judged_at"
    house.close()


def test_a_forged_receipt_in_the_database_is_found(pki: Pki, sandbox: object, tmp_path: Path) -> None:
    house = House(pki, tmp_path / "hub", sandbox=sandbox)  # type: ignore[arg-type]
    house.register()
    receipt = from_bytes(house.submit(house.package()))
    assert house.hub.verify_log().ok
    forged = to_bytes(replace(receipt, leaf=receipt.leaf.replace(b'"v":1', b'"v":2')))
    house.hub.store.write(lambda c: envelopes.save_receipt(c, "x", forged))
    assert [p for p in house.hub.verify_log().problems if "custody.proof_invalid" in p]
    house.close()
