"""agencies — danh bạ: rows of the directory, one at a time, and their certificates. Whole directories are in `directory`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, and_, case, delete, func, insert, or_, select, update

from exchange.agency import Agency, AgencyStatus, Certificate, Mode, Purpose, chain_of, folded, is_over
from exchange.store.connector_tables import connector_agencies as ca
from exchange.store.connector_tables import connector_keys as ck
from exchange.store.directory_tables import agency_aliases as n
from exchange.store.directory_tables import directory_revision as r
from exchange.store.tables import agencies as t
from exchange.store.tables import agency_certificates as c

COLUMNS = (
    t.c.code,
    t.c.name,
    t.c.status,
    t.c.mode,
    t.c.endpoint,
    t.c.parent,
    t.c.legacy_code,
    t.c.successor,
    t.c.strict,
    t.c.aliases,
    t.c.valid_from,
    t.c.valid_until,
    t.c.gateway,
    t.c.hub,
)
_CERTIFICATE = (c.c.agency, c.c.purpose, c.c.sha256, c.c.pem, c.c.not_before, c.c.not_after, c.c.ends_at)
_STATUS = {status.value: status for status in AgencyStatus}
_MODE = {mode.value: mode for mode in Mode}
WORDS = 8  # of one search
MANY = 500  # codes in one statement


def agency_of(row: Any) -> Agency:
    """The agency in a row of `COLUMNS`, in their order."""
    code, name, status, mode, endpoint, parent, legacy, successor, strict, aliases, begins, ends, gateway, hub = row
    return Agency(
        code,
        name,
        _STATUS[status],
        _MODE[mode],
        endpoint,
        parent,
        legacy,
        successor,
        strict,
        tuple(aliases.split(" ")) if aliases else (),
        date.fromisoformat(begins) if begins else None,
        date.fromisoformat(ends) if ends else None,
        gateway,
        hub,
    )


def values_of(agency: Agency) -> dict[str, Any]:
    """The row of an agency, without `closed_at`."""
    return {
        "code": agency.code,
        "name": agency.name,
        "status": agency.status.value,
        "mode": agency.mode.value,
        "endpoint": agency.endpoint,
        "parent": agency.parent,
        "legacy_code": agency.legacy_code,
        "successor": agency.successor,
        "strict": agency.strict,
        "aliases": " ".join(agency.aliases),
        "valid_from": agency.valid_from.isoformat() if agency.valid_from else "",
        "valid_until": agency.valid_until.isoformat() if agency.valid_until else "",
        "gateway": agency.gateway,
        "hub": agency.hub,
        "folded": folded(" ".join((agency.name, agency.code, agency.legacy_code, *agency.aliases))),
    }


def changed(connection: Connection) -> None:
    """Note that the directory is another now; part of every change of it."""
    connection.execute(update(r).values(revision=r.c.revision + 1))


def put(connection: Connection, agency: Agency) -> None:
    """Insert the agency, or replace its row.

    Raises:
        IntegrityError: an alias is another agency's.
    """
    values = values_of(agency)
    if connection.execute(update(t).where(t.c.code == agency.code).values(values)).rowcount == 0:
        connection.execute(insert(t).values(values))
    connection.execute(delete(n).where(n.c.agency == agency.code))
    if agency.aliases:
        connection.execute(insert(n), [{"alias": alias, "agency": agency.code} for alias in agency.aliases])
    changed(connection)


def get(connection: Connection, code: str) -> Agency | None:
    """By code, else by legacy code or alias (the open one first)."""
    if not code:
        return None
    # One question for all three: on another machine's database the way there and back is what it costs.
    own, old = select(t.c.code).where(t.c.code == code), select(t.c.code).where(t.c.legacy_code == code)
    named = own.union_all(old, select(n.c.agency).where(n.c.alias == code))
    order = (case((t.c.code == code, 0), else_=1), t.c.status.desc(), t.c.code)
    row = connection.execute(select(*COLUMNS).where(t.c.code.in_(named)).order_by(*order)).first()
    return agency_of(row) if row is not None else None


def own_code(connection: Connection, code: str) -> str:
    """The agency's own code, whichever of its codes is given; what the directory does not know stays as it is."""
    agency = get(connection, code)
    return agency.code if agency is not None else code


def names_taken(connection: Connection, agency: Agency) -> list[str]:
    """The codes of `agency` (own, legacy, aliases) that name another agency already."""
    names = [name for name in (agency.code, agency.legacy_code, *agency.aliases) if name]
    own = select(t.c.code).where(t.c.code.in_(names), t.c.code != agency.code)
    old = select(t.c.legacy_code).where(t.c.legacy_code.in_(names), t.c.code != agency.code)
    other = select(n.c.alias).where(n.c.alias.in_(names), n.c.agency != agency.code)
    return sorted(connection.execute(own.union(old, other)).scalars())


def heirs(connection: Connection, agency: Agency, *, on: date) -> tuple[str, ...]:
    """The codes that succeeded `agency`, one after another up to the first that is open on the day `on`.
    Empty when none is.

    Raises:
        DirectoryConflict: the successors form a cycle.
    """
    known = {agency.code: agency}

    def following(code: str) -> str:
        here = known[code]
        if not here.successor or (code != agency.code and not is_over(here, on)):
            return ""
        found = get(connection, here.successor)
        if found is None:
            return ""
        known[found.code] = found
        return found.code

    chain = chain_of(agency.code, following, what="successor")
    return () if not chain or is_over(known[chain[-1]], on) else chain


def all(connection: Connection, *, query: str = "", status: AgencyStatus | None = None, limit: int = 1000) -> list[Agency]:
    """Agencies whose names or codes contain every word of `query`, in any case and with or without diacritics, by code."""
    statement = select(*COLUMNS).order_by(t.c.code).limit(limit)
    for word in folded(query).split(" ")[:WORDS]:
        if word:
            statement = statement.where(t.c.folded.contains(word, autoescape=True))
    if status is not None:
        statement = statement.where(t.c.status == status.value)
    return [agency_of(row) for row in connection.execute(statement)]


def count(connection: Connection) -> int:
    """How many agencies there are."""
    return connection.execute(select(func.count()).select_from(t)).scalar() or 0


def served_by(connection: Connection, gateway: str) -> list[str]:
    """Codes of the agencies that name `gateway` as theirs, closed ones left out."""
    where = (t.c.gateway == gateway, t.c.status != AgencyStatus.CLOSED.value)
    return list(connection.execute(select(t.c.code).where(*where).order_by(t.c.code)).scalars())


def reached(connection: Connection, agency: Agency, *, at: datetime) -> bool:
    """Can the agency, or its gateway, take anything from this hub at the moment `at`: pushed to, or let in by a certificate or a shared secret?"""
    if agency.mode is Mode.PUSH and agency.endpoint:
        return True
    codes = [code for code in (agency.code, agency.gateway) if code]
    open_ended = or_(c.c.ends_at.is_(None), c.c.ends_at > at)
    tls = select(c.c.agency).where(c.c.agency.in_(codes), c.c.purpose == Purpose.TLS.value, c.c.not_after >= at, open_ended)
    systems = (ck.c.profile == ca.c.profile, ck.c.system == ca.c.system, or_(ck.c.ends_at.is_(None), ck.c.ends_at > at))
    secret = select(ca.c.agency).join(ck, and_(*systems)).where(ca.c.agency.in_(codes))
    return connection.execute(tls.union_all(secret).limit(1)).first() is not None


def taking_part(connection: Connection) -> list[str]:
    """Codes of the agencies that were entered here one by one, or can reach this hub: by a certificate, a shared
    secret or a gateway. The rest of a country's directory is addresses only."""
    certain = select(c.c.agency).union(select(ca.c.agency))
    statement = select(t.c.code).where(or_(t.c.source == "", t.c.gateway != "", t.c.code.in_(certain)))
    return list(connection.execute(statement.order_by(t.c.code)).scalars())


def close(connection: Connection, code: str, *, now: datetime) -> None:
    """Close the agency without a successor."""
    connection.execute(update(t).where(t.c.code == code).values(status=AgencyStatus.CLOSED.value, closed_at=now))
    changed(connection)


def succeed(connection: Connection, code: str, successor: str, *, now: datetime) -> None:
    """Close the agency and name the one that takes over."""
    values = {"status": AgencyStatus.CLOSED.value, "closed_at": now, "successor": successor}
    connection.execute(update(t).where(t.c.code == code).values(values))
    changed(connection)


def add_certificate(connection: Connection, certificate: Certificate) -> None:
    """Register a certificate; one certificate belongs to one agency only."""
    connection.execute(
        insert(c).values(
            agency=certificate.agency,
            purpose=certificate.purpose.value,
            sha256=certificate.sha256,
            pem=certificate.pem,
            not_before=certificate.not_before,
            not_after=certificate.not_after,
            ends_at=certificate.ends_at,
        )
    )


def _certificate(row: Any) -> Certificate:
    return Certificate(row.agency, Purpose(row.purpose), row.sha256, row.pem, row.not_before, row.not_after, row.ends_at)


def certificates_of(connection: Connection, code: str, purpose: Purpose) -> list[Certificate]:
    """Certificates ever registered for an agency and one purpose, newest first (they may overlap)."""
    statement = select(*_CERTIFICATE).where(c.c.agency == code, c.c.purpose == purpose.value).order_by(c.c.not_before.desc(), c.c.sha256)
    return [_certificate(row) for row in connection.execute(statement)]


def certificates_of_all(connection: Connection, codes: Sequence[str]) -> Mapping[str, list[Certificate]]:
    """Certificates of many agencies, by code."""
    found: dict[str, list[Certificate]] = {code: [] for code in codes}
    for place in range(0, len(codes), MANY):
        statement = select(*_CERTIFICATE).where(c.c.agency.in_(codes[place : place + MANY])).order_by(c.c.purpose, c.c.not_before.desc(), c.c.sha256)
        for row in connection.execute(statement):
            found[row.agency].append(_certificate(row))
    return found


def certificate(connection: Connection, sha256: str, purpose: Purpose) -> Certificate | None:
    """A registered certificate, by its fingerprint."""
    row = connection.execute(select(*_CERTIFICATE).where(c.c.sha256 == sha256, c.c.purpose == purpose.value)).first()
    return _certificate(row) if row is not None else None


def agency_by_certificate(connection: Connection, sha256: str, purpose: Purpose) -> Agency | None:
    """Whose certificate it is, whether it still holds or not."""
    found = certificate(connection, sha256, purpose)
    return get(connection, found.agency) if found is not None else None


def end_certificates(connection: Connection, code: str, purpose: Purpose, *, at: datetime, only: str = "", but: str = "") -> int:
    """Let the agency's present certificates (only that with SHA-256 `only`, all but `but`) end at `at` at the latest; how many."""
    where = [c.c.agency == code, c.c.purpose == purpose.value, or_(c.c.ends_at.is_(None), c.c.ends_at > at), c.c.sha256 != but]
    if only:
        where.append(c.c.sha256 == only)
    return connection.execute(update(c).where(*where).values(ends_at=at)).rowcount


def seal_certificates(connection: Connection) -> list[str]:
    """Every registered seal certificate, PEM."""
    return list(connection.execute(select(c.c.pem).where(c.c.purpose == Purpose.SEAL.value).order_by(c.c.sha256)).scalars())


def seal_fingerprints(connection: Connection) -> frozenset[str]:
    """SHA-256 of every registered seal certificate."""
    return frozenset(connection.execute(select(c.c.sha256).where(c.c.purpose == Purpose.SEAL.value)).scalars())
