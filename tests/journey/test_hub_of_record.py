"""An agency on another hub: the sender is told which, and nothing waits in a mailbox that nobody opens."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from exchange.agency import Mode, day_of
from exchange.agency import Purpose as For
from exchange.client import Refused
from exchange.config import load_hub
from exchange.directory_errors import AgencyElsewhere, AgencyNotYet
from exchange.envelope import Business, Kind, ReceiverChange
from exchange.errors import ClosedAgency, ExchangeError, SucceededAgency
from exchange.server import open_hub
from exchange.store import connectors
from exchange.store.connectors import KeyRow
from exchange.vocabularies import to_lgsp
from exchange.web.problems import document
from tests.directory_material import unit
from tests.house import PULLER, SENDER, House, Pki
from tests.journey.processes import HubProcess

FAR, HERE = "001.00.20.TT2", "001.00.56.TT9"
AWAY = "H20.T01"
FIRST = f"{SENDER},2026/11/20,125/QĐ-UBND"


def away(house: House, **facts: object) -> None:
    house.hub.directory.add(unit(AWAY, hub=FAR, **facts), {}, by="test")


def test_nothing_is_queued_for_an_agency_on_another_hub(house: House) -> None:
    away(house, aliases=("H20.XA",))
    for written in (AWAY, "H20.XA"):
        with pytest.raises(AgencyElsewhere) as caught:
            house.submit(house.package(FIRST, recipients=(PULLER, written)))
        said = document(caught.value)
        assert (said["code"], said["place"], said["hub"], said["retry"]) == ("agency.other_hub", "MessageHeader/To[2]/OrganId", FAR, False)
        assert said["detail"] == f"{AWAY}: {FAR}" and "trục khác" in said["title_vi"]
    assert house.hub.find(SENDER, document_id=FIRST) == [] and house.hub.inbox(AWAY, after=0, limit=10) == []
    assert house.hub.directory.show(AWAY)["other_hub"] == FAR and house.hub.directory.show(PULLER)["other_hub"] == ""
    assert to_lgsp("agency.other_hub").code == "18"
    house.submit(house.package(FIRST, recipients=(PULLER,)))


def test_our_own_code_as_hub_of_record_is_this_hub(house: House) -> None:
    house.hub.office.hub_codes = (HERE,)
    house.hub.directory.add(unit(AWAY, hub=HERE), {}, by="test")
    house.submit(house.package(FIRST, recipients=(AWAY,)))
    assert len(house.hub.inbox(AWAY, after=0, limit=10)) == 1


@pytest.mark.parametrize("way", ["certificate", "gateway", "secret", "push"])
def test_who_collects_here_is_served_here(house: House, pki: Pki, way: str) -> None:
    """A province's own units stand in the national directory under the national hub, and are on the province's as well."""
    now = house.hub.office.clock()
    if way == "certificate":
        house.hub.directory.change(PULLER, by="test", hub=FAR)
    away(house, gateway=PULLER if way == "gateway" else "")
    recipient = PULLER if way == "certificate" else AWAY
    if way == "push":
        house.hub.directory.change(AWAY, by="test", mode=Mode.PUSH, endpoint="https://127.0.0.1:9")
    if way == "secret":
        house.hub.store.write(lambda c: connectors.serve(c, "lgsp", "he-thong", AWAY))
        house.hub.store.write(lambda c: connectors.put_key(c, KeyRow("k1", "lgsp", "he-thong", b"x", now, now + timedelta(hours=1))))
    house.submit(house.package(FIRST, recipients=(recipient,)))
    assert house.hub.directory.show(recipient)["other_hub"] == ""
    ended = {"certificate": end_certificate, "gateway": end_certificate, "secret": end_secret}.get(way)
    if ended is None:
        return
    ended(house)
    with pytest.raises(AgencyElsewhere):
        house.submit(house.package(f"{SENDER},2026/11/20,lan-hai/QĐ", recipients=(recipient,)))


def end_certificate(house: House) -> None:
    for certificate in house.hub.directory.show(PULLER)["certificates"]:
        if certificate["purpose"] == For.TLS.value:
            house.hub.directory.end_certificate(PULLER, certificate["sha256"], by="test")


def end_secret(house: House) -> None:
    house.hub.store.write(lambda c: connectors.end_keys(c, "lgsp", "he-thong", at=house.hub.office.clock()))


def added(house: House, code: str, number: str) -> None:
    """Give the document a further recipient, named only in the list of changes."""
    change = Business(kind=Kind.UPDATE, document_id=FIRST, reason="Thêm nơi nhận", content_changed=False, receivers=(ReceiverChange(code, True),))
    house.submit(house.package(f"{FIRST};{number}", recipients=(PULLER,), business=change, files=False, date_of=FIRST))


def test_a_recipient_added_later_is_looked_at_as_closely(house: House) -> None:
    """Another hub, validity and the whole chain of successors count for the list of changes as they do for To."""
    today = day_of(house.hub.office.clock())
    later, past = today + timedelta(days=1), today - timedelta(days=1)
    away(house)
    rows = (
        unit("H56.A1", valid_from=later),
        unit("H56.A2", valid_until=past),
        unit("H56.A4"),
        unit("H56.A3", valid_until=past, successor="H56.A4"),
        unit("H56.A5", valid_until=past, successor="H56.A3"),
    )
    for row in rows:
        house.hub.directory.add(row, {}, by="test")
    house.submit(house.package(FIRST, recipients=(PULLER,)))
    wanted: list[tuple[str, type[ExchangeError]]] = [
        (AWAY, AgencyElsewhere),
        ("H56.A1", AgencyNotYet),
        ("H56.A2", ClosedAgency),
        ("H56.A5", SucceededAgency),
    ]
    for number, (code, error) in enumerate(wanted):
        with pytest.raises(error) as caught:
            added(house, code, str(number))
        assert caught.value.place.endswith("ReceiverList")
    assert isinstance(caught.value, SucceededAgency) and caught.value.successor == "H56.A4"
    (row,) = house.hub.find(SENDER, document_id=FIRST)
    assert [d["recipient"] for d in house.hub.timeline(SENDER, row["envelope"])["deliveries"]] == [PULLER]


def test_a_recall_goes_to_who_has_the_document_whatever_hub_it_is_on_now(house: House) -> None:
    house.submit(house.package(FIRST, recipients=(PULLER,)))
    (line,) = house.hub.inbox(PULLER, after=0, limit=10)
    house.hub.package_of(PULLER, line["delivery"])
    end_certificate(house)
    house.hub.directory.change(PULLER, by="test", hub=FAR)
    house.submit(house.recall(FIRST, recipients=(PULLER,)))
    (asked,) = [i for i in house.hub.inbox(PULLER, after=line["cursor"], limit=10) if i["kind"] == "document"]
    assert house.hub.package_of(PULLER, asked["delivery"]).path.read_bytes() == house.recall(FIRST, recipients=(PULLER,)).read_bytes()


def test_over_the_wire_the_hub_of_record_is_named(pki: Pki, tmp_path: Path) -> None:
    process = HubProcess(pki, tmp_path / "hub", more=f'hub_codes = ["{HERE}"]')
    here = open_hub(load_hub(process.config, {}))
    here.directory.add(unit(AWAY, hub=FAR), {}, by="test")
    here.directory.add(replace(unit("H56.T07"), hub=HERE), {}, by="test")
    here.close()
    process.start()
    maker = House(pki, tmp_path / "maker")

    async def go() -> None:
        async with process.client(SENDER) as sender:
            with pytest.raises(Refused) as caught:
                await sender.submit(maker.package(FIRST, recipients=(AWAY,)), now=datetime.now(UTC))
            assert (caught.value.hub_code, caught.value.hub_status, caught.value.hub_retry) == ("agency.other_hub", 422, False)
            assert FAR in caught.value.detail and (await sender.find(FIRST)) == []
            proven = await sender.submit(maker.package(f"{FIRST}/2", recipients=("H56.T07",)), now=datetime.now(UTC))
            assert proven.finding.envelope

    try:
        asyncio.run(go())
    finally:
        process.stop()
        maker.close()
