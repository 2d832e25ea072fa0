"""statements — bảng kê ngày đã lập: the sealed daily statements, and the log looked through agency by agency."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import BigInteger, Column, Connection, Index, Integer, LargeBinary, Table, Text, func, insert, select

from exchange.store import tables
from exchange.store.tables import custody_entry as e

LINE = 40  # bytes kept of an entry while a day is gathered: index, 8, and leaf hash, 32
BATCH = 2000

custody_statement = Table(
    "custody_statement",
    tables.hub,
    Column("agency", Text, primary_key=True),
    Column("day", Text, primary_key=True),
    Column("first", BigInteger, nullable=False),
    Column("last", BigInteger, nullable=False),
    Column("count", Integer, nullable=False),
    Column("root", LargeBinary, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("data", LargeBinary, nullable=False),
    Column("seal", LargeBinary, nullable=False),
    Column("at", tables.Utc, nullable=False),
    Index("custody_statement_day", "day", "agency"),
)
s = custody_statement
_BRIEF = (s.c.agency, s.c.day, s.c.first, s.c.last, s.c.count, s.c.root, s.c.sha256, s.c.at)


@dataclass(frozen=True, slots=True)
class Made:
    """A statement that was made, without its bytes. `day` is ISO; `first` ≤ index < `last`."""

    agency: str
    day: str
    first: int
    last: int
    count: int
    root: bytes
    sha256: str
    at: datetime


def newest(connection: Connection) -> dict[str, Made]:
    """The newest statement of every agency."""
    last = select(s.c.agency, func.max(s.c.day).label("day")).group_by(s.c.agency).subquery()
    rows = connection.execute(select(*_BRIEF).join(last, (s.c.agency == last.c.agency) & (s.c.day == last.c.day)))
    return {row.agency: Made(**row._mapping) for row in rows}


def made_of(connection: Connection, day: str) -> int:
    """How many statements of a day there are."""
    return int(connection.execute(select(func.count()).where(s.c.day == day)).scalar() or 0)


def save(connection: Connection, made: Made, data: bytes, seal: bytes) -> bool:
    """Keep a statement; False when that day of that agency has one."""
    if get(connection, made.agency, made.day) is not None:
        return False
    connection.execute(insert(s).values(**asdict(made), data=data, seal=seal))
    return True


def get(connection: Connection, agency: str, day: str) -> tuple[bytes, bytes] | None:
    """(sealed bytes, seal) of one statement."""
    row = connection.execute(select(s.c.data, s.c.seal).where(s.c.agency == agency, s.c.day == day)).first()
    return None if row is None else (row.data, row.seal)


def of_agency(connection: Connection, agency: str, limit: int) -> list[Made]:
    """Statements of an agency, newest first; of every agency when it is ""."""
    statement = select(*_BRIEF).order_by(s.c.day.desc(), s.c.agency).limit(limit)
    if agency:
        statement = statement.where(s.c.agency == agency)
    return [Made(**row._mapping) for row in connection.execute(statement)]


def first_moment(connection: Connection) -> datetime | None:
    """When the oldest entry of the log happened; None for an empty log."""
    moment: datetime | None = connection.execute(select(e.c.at).order_by(e.c.seq).limit(1)).scalar()
    return moment


def boundary(connection: Connection, since: int, end: datetime) -> int:
    """The size of the log at which the day ending at `end` closes, `since` at least.

    It is the first entry from `since` on that happened at `end` or later. An entry that was put
    into the log after that one belongs to the next day, whatever its time says: nothing falls between.
    """
    found = connection.execute(select(func.min(e.c.seq)).where(e.c.seq >= since, e.c.at >= end)).scalar()
    if found is not None:
        return int(found)
    last = connection.execute(select(func.max(e.c.seq))).scalar()
    return max(since, 0 if last is None else int(last) + 1)


def gather(connection: Connection, begin: Mapping[str, int], last: int) -> dict[str, bytearray]:
    """Index and leaf hash, `LINE` bytes each, of the entries that name each agency from `begin` to `last`."""
    found = {agency: bytearray() for agency in begin}
    place = min(begin.values(), default=last)
    while place < last:
        rows = connection.execute(
            select(e.c.seq, e.c.leaf_hash, e.c.sender, e.c.recipient).where(e.c.seq >= place, e.c.seq < min(last, place + BATCH)).order_by(e.c.seq)
        )
        for row in rows:
            for agency in {row.sender, row.recipient}:
                if agency in found and row.seq >= begin[agency]:
                    found[agency] += int(row.seq).to_bytes(8, "big") + row.leaf_hash
        place += BATCH
    return found


def leaves(connection: Connection, indices: Sequence[int]) -> list[bytes]:
    """The entries at `indices`, in that order; those that are gone are left out."""
    found: dict[int, bytes] = {}
    for start in range(0, len(indices), 500):
        rows = connection.execute(select(e.c.seq, e.c.leaf).where(e.c.seq.in_(indices[start : start + 500])))
        found |= {row.seq: row.leaf for row in rows}
    return [found[index] for index in indices if index in found]


def every(connection: Connection) -> Iterator[tuple[Made, bytes]]:
    """Every statement with its sealed bytes, agency by agency, oldest first; streamed."""
    rows = connection.execution_options(yield_per=50).execute(select(*_BRIEF, s.c.data).order_by(s.c.agency, s.c.day))
    for row in rows:
        values = dict(row._mapping)
        data = values.pop("data")
        yield Made(**values), data


def hashes(connection: Connection, numbers: Sequence[int]) -> list[bytes]:
    """Stored leaf hashes at `numbers`, in that order; those that are gone are left out."""
    found: dict[int, bytes] = {}
    for start in range(0, len(numbers), 500):
        rows = connection.execute(select(e.c.seq, e.c.leaf_hash).where(e.c.seq.in_(numbers[start : start + 500])))
        found |= {row.seq: row.leaf_hash for row in rows}
    return [found[number] for number in numbers if number in found]
