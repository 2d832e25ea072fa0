"""From a sealed package to acknowledged deliveries and an evidence file."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from exchange.errors import (
    ClosedAgency,
    Conflict,
    ExchangeError,
    MissingAttachment,
    NotTheSender,
    SealRefused,
    Secret,
    SignatureIncomplete,
    SignatureRefused,
    SucceededAgency,
    UnknownAgency,
)
from exchange.receipt import from_bytes
from signing.evidence import check
from signing.receipt_check import check_receipt
from signing.trust import Trust
from tests.house import PULLER, PUSHER, SENDER, House, letter


def checked(house: House, data: bytes) -> object:
    trust = Trust.load(house.pki.folder / "trust")
    return check_receipt(data, trust=trust, vkeys=[house.hub.office.log_key.vkey()], at=datetime.now(UTC))


def test_the_whole_life(house: House, tmp_path: Path) -> None:
    receipt = house.submit(house.package())
    envelope = from_bytes(receipt).envelope
    checked(house, receipt)
    line = house.hub.inbox(PULLER, after=0, limit=10)[0]
    assert line["mark"] == "", house.hub.timeline(SENDER, envelope)
    file = house.hub.package_of(PULLER, line["delivery"])
    assert file.path.read_bytes() == house.package().read_bytes()
    carriage = house.hub.claim(10)[0]
    assert carriage.recipient == PUSHER
    assert house.hub.settle(carriage, ok=True, temporary=False, detail="")
    data, seal = house.status("01")
    acknowledged = house.hub.acknowledge(PULLER, line["delivery"], data, seal)
    checked(house, acknowledged)
    assert house.hub.acknowledge(PULLER, line["delivery"], data, seal) == acknowledged
    for code in ("03", "06"):
        checked(house, house.hub.report_status(PULLER, *house.status(code)))
    back = [item["code"] for item in house.hub.inbox(SENDER, after=0, limit=10)]
    assert back == ["01", "03", "06"]
    states = {d["recipient"]: (d["state"], d["status"]) for d in house.hub.timeline(SENDER, envelope)["deliveries"]}
    assert states == {PULLER: ("acknowledged", "06"), PUSHER: ("delivered", "")}
    target = tmp_path / "evidence.asice"
    house.hub.evidence(SENDER, envelope, target)
    trust = Trust.load(house.pki.folder / "trust")
    report = check(target, trust=trust, vkeys=[house.hub.office.log_key.vkey()], at=datetime.now(UTC))
    assert report.ok, report.reasons


def test_repeat_gives_the_same_bytes(house: House) -> None:
    package = house.package()
    assert house.submit(package) == house.submit(package)
    assert len(house.hub.inbox(PULLER, after=0, limit=10)) == 1


def refused(house: House, package: Path, kind: type[ExchangeError], **more: str) -> ExchangeError:
    with pytest.raises(kind) as caught:
        house.submit(package, **more)  # type: ignore[arg-type]
    assert not house.hub.inbox(PULLER, after=0, limit=10)
    assert house.hub.refusals(limit=5)[0]["code"] == caught.value.code
    return caught.value


def test_same_id_other_bytes_is_its_own_error(house: House) -> None:
    house.submit(house.package())
    with pytest.raises(Conflict):
        house.submit(house.package(subject="Nội dung khác"))


def test_unknown_recipient(house: House) -> None:
    error = refused(house, house.package(recipients=(PULLER, "H56.404")), UnknownAgency)
    assert error.place == "MessageHeader/To[2]/OrganId"


def test_closed_and_succeeded_recipient(house: House) -> None:
    house.hub.succeed_agency(PUSHER, PULLER, by="test")
    assert PULLER in refused(house, house.package(), SucceededAgency).detail
    house.hub.close_agency(PULLER, by="test")
    refused(house, house.package(recipients=(PULLER,)), ClosedAgency)


def test_caller_who_is_not_the_sender(house: House) -> None:
    refused(house, house.package(), NotTheSender, caller=PULLER)


def test_seal_of_another_agency(house: House) -> None:
    refused(house, house.package(), SealRefused, sealer=PULLER)


def test_broken_seal(house: House) -> None:
    package = house.package()
    house.submit(package)  # makes the seal
    other = house.package(f"{SENDER},2026/11/21,126/QĐ-UBND")
    other.with_suffix(".p7s").write_bytes(package.with_suffix(".p7s").read_bytes())
    with pytest.raises(SealRefused):
        house.submit(other)


def test_declared_secrecy(house: House) -> None:
    package = house.package()
    data = package.read_bytes().replace(b"<edXML:Subject>", b"<edXML:Secret>M\xe1\xba\xadt</edXML:Secret><edXML:Subject>")
    package.write_bytes(data)
    refused(house, package, Secret)


def test_missing_attachment(house: House) -> None:
    package = house.package()
    data = package.read_bytes()
    start = data.rindex(b"    <Attachment>")
    end = data.rindex(b"</Attachment>") + len(b"</Attachment>")
    package.write_bytes(data[:start] + data[end:])
    refused(house, package, MissingAttachment)


def test_tampered_pdf(house: House, tmp_path: Path) -> None:
    data = bytearray(house.pki.document.read_bytes())
    place = data.index(b"Cong van")
    data[place : place + 8] = b"Cong vaN"
    forged = tmp_path / "forged.pdf"
    forged.write_bytes(data)
    error = refused(house, house.package(document=forged), SignatureRefused)
    assert "Attachment[1]" in error.place


def test_unsigned_is_for_reference_only(house: House, tmp_path: Path) -> None:
    plain = letter(tmp_path / "plain.pdf")
    house.submit(house.package(document=plain))
    assert house.hub.inbox(PULLER, after=0, limit=10)[0]["mark"] == "reference_only"


def test_unsigned_to_a_strict_recipient(pki: object, sandbox: object, tmp_path: Path) -> None:
    house = House(pki, tmp_path / "strict", sandbox=sandbox)  # type: ignore[arg-type]
    house.register(strict=True)
    refused(house, house.package(document=letter(tmp_path / "plain.pdf")), SignatureIncomplete)
    house.close()


def test_hold_release_and_the_log_verifies(house: House) -> None:
    receipt = json.loads(house.submit(house.package()))
    delivery = next(d for d in house.hub.timeline(None, receipt["envelope"])["deliveries"] if d["recipient"] == PULLER)["delivery"]
    house.hub.hold(delivery, by="trực ban", reason="kiểm tra")
    assert not house.hub.inbox(PULLER, after=0, limit=10)
    house.hub.release(delivery, by="trực ban", reason="xong")
    assert house.hub.inbox(PULLER, after=1, limit=10)[0]["delivery"] == delivery
    assert house.hub.verify_log().ok
