"""The loop that carries: one destination that is slow holds up nobody, and what takes long is carried once."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta

from exchange.agency import Agency, Mode
from exchange.carrying import Carrying
from exchange.courier import Carried, Parcel
from exchange.receipt import from_bytes
from exchange.store import agencies
from tests.house import PULLER, PUSHER, SENDER, House


@dataclass
class Road:
    """A courier that never comes back from one address."""

    stuck: str
    now: Counter[str] = field(default_factory=Counter)
    most: Counter[str] = field(default_factory=Counter)
    carried: list[str] = field(default_factory=list)
    go: asyncio.Event = field(default_factory=asyncio.Event)

    async def carry(self, parcel: Parcel) -> Carried:
        self.now[parcel.endpoint] += 1
        self.most[parcel.endpoint] = max(self.most[parcel.endpoint], self.now[parcel.endpoint])
        try:
            if parcel.endpoint == self.stuck:
                await self.go.wait()
            self.carried.append(parcel.delivery)
            return Carried(ok=True)
        finally:
            self.now[parcel.endpoint] -= 1


def both_by_push(house: House) -> None:
    for code in (PULLER, PUSHER):
        agency = Agency(code=code, name="Cơ quan (mô phỏng)", mode=Mode.PUSH, endpoint=f"https://{code}.example.vn")
        house.hub.store.write(lambda c, agency=agency: agencies.put(c, agency))


def states(house: House, envelope: str) -> dict[str, str]:
    return {d["recipient"]: d["state"] for d in house.hub.timeline(SENDER, envelope)["deliveries"]}


def test_a_destination_that_never_answers_holds_up_nobody(house: House) -> None:
    both_by_push(house)
    envelopes = [from_bytes(house.submit(house.package(f"{SENDER},2026/11/20,K{n}/QĐ-UBND"))).envelope for n in range(5)]

    async def story() -> None:
        road = Road(f"https://{PUSHER}.example.vn")
        loop = asyncio.create_task(Carrying(house.hub, road, 3, lease_seconds=0.3).forever())
        for _ in range(200):
            if all(states(house, e)[PULLER] == "delivered" for e in envelopes):
                break
            await asyncio.sleep(0.05)
        assert all(states(house, e)[PULLER] == "delivered" for e in envelopes)
        assert road.most[road.stuck] == 2, "one of three workers is kept free of it"
        # The leases of those under way were made longer meanwhile: nobody else may take them.
        assert sorted(states(house, e)[PUSHER] for e in envelopes) == ["claimed"] * 2 + ["queued"] * 3
        house.ahead = timedelta(seconds=50)
        await asyncio.sleep(1)
        house.ahead *= 2
        assert house.hub.claim(9, room={PUSHER: 0}, most=9) == []
        road.go.set()
        for _ in range(200):
            if all(states(house, e)[PUSHER] == "delivered" for e in envelopes):
                break
            await asyncio.sleep(0.05)
        loop.cancel()
        await asyncio.gather(loop, return_exceptions=True)
        assert len(road.carried) == len(set(road.carried)) == 10

    asyncio.run(story())
