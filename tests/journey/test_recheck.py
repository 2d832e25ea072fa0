"""What could not be checked says so, and is checked again by itself when its source is back."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from exchange.receipt import from_bytes
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
