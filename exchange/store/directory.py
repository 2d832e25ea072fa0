"""directory — danh bạ cả nước: whole directories in and out of the store, their versions, and the counter of changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Table, bindparam, delete, insert, select, update

from exchange.agency import Agency, AgencyStatus
from exchange.store.agencies import COLUMNS, agency_of, changed, values_of
from exchange.store.directory_tables import agency_aliases as n
from exchange.store.directory_tables import directory_revision as r
from exchange.store.directory_tables import directory_versions as v
from exchange.store.tables import agencies as t

COPY_FROM = 50  # rows from which COPY is worth its set-up
MANY = 500  # codes in one statement


@dataclass(frozen=True, slots=True)
class VersionRow:
    """One version of a directory that was taken in (`kind` ``import``) or given out (``export``).

    `sha256` is that of the file, `content_sha256` that of what it says, whatever the format.
    """

    issuer: str
    version: int
    kind: str
    sha256: str
    content_sha256: str
    seal_sha256: str
    signer: str
    by: str
    summary: str
    at: datetime


def revision(connection: Connection) -> int:
    """How often the directory was changed so far."""
    return connection.execute(select(r.c.revision)).scalar() or 0


def every(connection: Connection) -> list[Agency]:
    """Every agency, by code (in the order of its bytes on any database)."""
    found = [agency_of(row) for row in connection.execute(select(*COLUMNS))]
    found.sort(key=lambda agency: agency.code)
    return found


def add(connection: Connection, agencies: Sequence[Agency], *, source: str, now: datetime) -> None:
    """Insert agencies that are not there yet; `source` is the issuer of the file that lists them."""
    if not agencies:
        return
    rows = [{**values_of(a), "source": source} for a in agencies]
    _insert(connection, t, rows)
    _date(connection, now)
    changed(connection)


def replace(connection: Connection, agencies: Sequence[Agency], *, now: datetime) -> None:
    """Replace the rows of agencies that are there; a closed one keeps the moment when it was."""
    if not agencies:
        return
    values = [{f"_{name}": value for name, value in values_of(a).items()} for a in agencies]
    names = [name.removeprefix("_") for name in values[0] if name != "_code"]
    statement = update(t).where(t.c.code == bindparam("_code")).values({name: bindparam(f"_{name}") for name in names})
    connection.execute(statement, values)
    _date(connection, now)
    changed(connection)


def _date(connection: Connection, now: datetime) -> None:
    connection.execute(update(t).where(t.c.status == AgencyStatus.CLOSED.value, t.c.closed_at.is_(None)).values(closed_at=now))
    connection.execute(update(t).where(t.c.status != AgencyStatus.CLOSED.value, t.c.closed_at.is_not(None)).values(closed_at=None))


def rename(connection: Connection, agencies: Sequence[Agency]) -> None:
    """Write the aliases of these agencies anew. All old ones go first: an alias may pass from one to another."""
    codes = [a.code for a in agencies]
    for place in range(0, len(codes), MANY):
        connection.execute(delete(n).where(n.c.agency.in_(codes[place : place + MANY])))
    rows = [{"alias": alias, "agency": a.code} for a in agencies for alias in a.aliases]
    if rows:
        _insert(connection, n, rows)


def _insert(connection: Connection, table: Table, rows: list[dict[str, Any]]) -> None:
    """Rows of plain text and booleans, the same columns in each; many at once by the quickest way of each database."""
    names = ", ".join(rows[0])
    if len(rows) < COPY_FROM:
        connection.execute(insert(table), rows)
    elif connection.dialect.name == "postgresql":
        driver: Any = connection.connection.driver_connection
        with driver.cursor() as cursor, cursor.copy(f"COPY {table.name} ({names}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(tuple(row.values()))
    else:
        marks = ", ".join("?" * len(rows[0]))
        connection.exec_driver_sql(f"INSERT INTO {table.name} ({names}) VALUES ({marks})", [tuple(row.values()) for row in rows])


def newest_version(connection: Connection, issuer: str) -> VersionRow | None:
    """The newest version of this issuer that was taken in or given out."""
    row = connection.execute(select(*v.c).where(v.c.issuer == issuer).order_by(v.c.version.desc(), v.c.at.desc(), v.c.kind).limit(1)).first()
    return VersionRow(**row._mapping) if row is not None else None


def version(connection: Connection, issuer: str, number: int, kind: str) -> VersionRow | None:
    """One version, if it was taken in or given out."""
    row = connection.execute(select(*v.c).where(v.c.issuer == issuer, v.c.version == number, v.c.kind == kind)).first()
    return VersionRow(**row._mapping) if row is not None else None


def versions(connection: Connection, *, limit: int = 100) -> list[VersionRow]:
    """The newest versions of every issuer, newest first."""
    statement = select(*v.c).order_by(v.c.at.desc(), v.c.issuer, v.c.version.desc()).limit(limit)
    return [VersionRow(**row._mapping) for row in connection.execute(statement)]


def keep_version(connection: Connection, row: VersionRow) -> None:
    """Note that a version was taken in or given out."""
    connection.execute(insert(v).values(asdict(row)))


def files_referenced(connection: Connection) -> list[tuple[str, str]]:
    """(digest, what it is) of every stored directory file and its seal."""
    rows = connection.execute(select(v.c.issuer, v.c.version, v.c.sha256, v.c.seal_sha256).where(v.c.sha256 != "")).all()
    return [(digest, f"directory {row.issuer} {row.version}") for row in rows for digest in (row.sha256, row.seal_sha256) if digest]


