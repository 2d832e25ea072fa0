"""Refusals of the use cases that no other test meets."""

from __future__ import annotations

from pathlib import Path

import pytest

from exchange.agency import Agency, AgencyStatus
from exchange.errors import (
    AgencyExists,
    BadRequest,
    DeliveryState,
    DigestMismatch,
    LockedAgency,
    NoDocument,
    NotFound,
    ReasonRequired,
    SealRefused,
    StatusError,
    StatusUnknownDocument,
    UnknownAgency,
)
from exchange.receipt import from_bytes
from exchange.store import agencies, changes
from exchange.web.problems import document
from tests.house import PULLER, PUSHER, SENDER, House


def pulled(house: House) -> tuple[str, str]:
    envelope = from_bytes(house.submit(house.package())).envelope
    return envelope, house.hub.inbox(PULLER, after=0, limit=5)[-1]["delivery"]


def test_directory(house: House) -> None:
    with pytest.raises(AgencyExists):
        house.hub.add_agency(Agency(SENDER, "x"), seal_pem=None, tls_pem=None, by="test")
    with pytest.raises(UnknownAgency):
        house.hub.close_agency("X.1", by="test")
    house.hub.store.write(lambda c: agencies.put(c, Agency(PUSHER, "x", status=AgencyStatus.LOCKED)))
    with pytest.raises(LockedAgency):
        house.submit(house.package())


def test_no_document(house: House) -> None:
    package = house.package()
    data = package.read_bytes()
    start, end = data.index(b"      <edXML:edXMLManifest"), data.index(b"</edXML:edXMLManifest>") + 24
    package.write_bytes(data[:start] + data[end : data.index(b"  <AttachmentEncoded>")] + b"</edXML>\r\n")
    with pytest.raises(NoDocument):
        house.submit(package)


def test_acknowledgement_by_another(house: House) -> None:
    _, delivery = pulled(house)
    with pytest.raises(NotFound):
        house.hub.acknowledge(PUSHER, delivery, *house.status("01", agency=PUSHER))
    with pytest.raises(StatusError):
        house.hub.acknowledge(PULLER, delivery, *house.status("03"))
    with pytest.raises(StatusError):
        house.hub.acknowledge(PULLER, delivery, *house.status("01", document_id="other"))
    data, _ = house.status("01")
    with pytest.raises(SealRefused):
        house.hub.acknowledge(PULLER, delivery, data, house.status("01", agency=PUSHER)[1])


def test_refusal_wants_its_reason(house: House) -> None:
    pulled(house)
    data, _ = house.status("02")
    empty = data.replace("Trạng thái 02".encode(), b" ")
    with pytest.raises(ReasonRequired):
        house.hub.report_status(PULLER, empty, b"")


def test_a_status_that_overtakes_is_kept(house: House) -> None:
    with pytest.raises(StatusUnknownDocument):
        house.hub.report_status(PULLER, *house.status("03", document_id="A,1"))
    with house.hub.store.read() as connection:
        assert [p.agency for p in changes.parked(connection, "A,1")] == [PULLER]


def test_operator_acts_only_where_lawful(house: House) -> None:
    _, delivery = pulled(house)
    with pytest.raises(DeliveryState):
        house.hub.release(delivery, by="t", reason="")
    with pytest.raises(NotFound):
        house.hub.hold("none", by="t", reason="")


def test_request_errors_are_problems() -> None:
    assert document(BadRequest(place="after"))["status"] == 400
    assert document(DigestMismatch())["retry"] is True


def test_expiry_is_an_event(house: House, tmp_path: Path) -> None:
    envelope, _ = pulled(house)
    house.ahead += house.hub.limits.retrieval * 2
    house.hub.tick()
    life = house.hub.timeline(SENDER, envelope)
    assert {d["state"] for d in life["deliveries"]} == {"expired"}
    assert [e["why"] for e in life["events"] if e["event"].endswith("ContentHandoverFailure")] == ["RetentionPeriodExpired: 36 h"]
    data, seal = house.status("01")
    house.hub.acknowledge(PULLER, house.hub.timeline(None, envelope)["deliveries"][0]["delivery"], data, seal)
