"""agencies — danh bạ: rows of the directory and the certificates registered for them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, insert, or_, select, update

from exchange.agency import Agency, AgencyStatus, Certificate, Mode, Purpose
from exchange.store.tables import agencies as t
from exchange.store.tables import agency_certificates as c

_COLUMNS = (t.c.code, t.c.name, t.c.status, t.c.mode, t.c.endpoint, t.c.parent, t.c.legacy_code, t.c.successor, t.c.strict)


def _agency(row: Any) -> Agency:
    return Agency(
        code=row.code,
        name=row.name,
        status=AgencyStatus(row.status),
        mode=Mode(row.mode),
        endpoint=row.endpoint,
        parent=row.parent,
        legacy_code=row.legacy_code,
        successor=row.successor,
        strict=row.strict,
    )


def put(connection: Connection, agency: Agency) -> None:
    """Insert the agency, or replace its row."""
    values = {
        "name": agency.name,
        "status": agency.status.value,
        "mode": agency.mode.value,
        "endpoint": agency.endpoint,
        "parent": agency.parent,
        "legacy_code": agency.legacy_code,
        "successor": agency.successor,
        "strict": agency.strict,
    }
    if connection.execute(update(t).where(t.c.code == agency.code).values(values)).rowcount == 0:
        connection.execute(insert(t).values(code=agency.code, **values))


def get(connection: Connection, code: str) -> Agency | None:
    """By code, else by legacy code."""
    row = connection.execute(select(*_COLUMNS).where(t.c.code == code)).first()
    if row is None and code:
        row = connection.execute(select(*_COLUMNS).where(t.c.legacy_code == code)).first()
    return _agency(row) if row is not None else None


def all(connection: Connection, *, query: str = "", status: AgencyStatus | None = None, limit: int = 1000) -> list[Agency]:
    """Agencies whose code or name contains `query`, by code."""
    statement = select(*_COLUMNS).order_by(t.c.code).limit(limit)
    if query:
        like = f"%{query.lower()}%"
        statement = statement.where(or_(func.lower(t.c.code).like(like), func.lower(t.c.name).like(like)))
    if status is not None:
        statement = statement.where(t.c.status == status.value)
    return [_agency(row) for row in connection.execute(statement)]


def close(connection: Connection, code: str, *, now: datetime) -> None:
    """Close the agency without a successor."""
    connection.execute(update(t).where(t.c.code == code).values(status=AgencyStatus.CLOSED.value, closed_at=now))


def succeed(connection: Connection, code: str, successor: str, *, now: datetime) -> None:
    """Close the agency and name the one that takes over."""
    values = {"status": AgencyStatus.CLOSED.value, "closed_at": now, "successor": successor}
    connection.execute(update(t).where(t.c.code == code).values(values))


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
        )
    )


def certificates_of(connection: Connection, code: str, purpose: Purpose) -> list[Certificate]:
    """Certificates of an agency for one purpose, newest first (they may overlap)."""
    columns = (c.c.agency, c.c.purpose, c.c.sha256, c.c.pem, c.c.not_before, c.c.not_after)
    statement = select(*columns).where(c.c.agency == code, c.c.purpose == purpose.value).order_by(c.c.not_before.desc(), c.c.sha256)
    return [Certificate(row.agency, Purpose(row.purpose), row.sha256, row.pem, row.not_before, row.not_after) for row in connection.execute(statement)]


def agency_by_certificate(connection: Connection, sha256: str, purpose: Purpose) -> Agency | None:
    """Whose certificate it is."""
    statement = select(*_COLUMNS).join(c, c.c.agency == t.c.code).where(c.c.sha256 == sha256, c.c.purpose == purpose.value)
    row = connection.execute(statement).first()
    return _agency(row) if row is not None else None


def seal_certificates(connection: Connection) -> list[str]:
    """Every registered seal certificate, PEM."""
    return list(connection.execute(select(c.c.pem).where(c.c.purpose == Purpose.SEAL.value).order_by(c.c.sha256)).scalars())


def seal_fingerprints(connection: Connection) -> frozenset[str]:
    """SHA-256 of every registered seal certificate."""
    return frozenset(connection.execute(select(c.c.sha256).where(c.c.purpose == Purpose.SEAL.value)).scalars())
