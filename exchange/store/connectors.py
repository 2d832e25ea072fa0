"""connectors — kết nối: secrets, systems, nonces, origins and transport states of the VXP and LGSP profiles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Column, Connection, Exists, Select, and_, delete, exists, func, insert, or_, select, update

from exchange.delivery import State
from exchange.store.change_tables import change_effects as ce
from exchange.store.connector_tables import connector_agencies as ca
from exchange.store.connector_tables import connector_cursors as cc
from exchange.store.connector_tables import connector_keys as ck
from exchange.store.connector_tables import connector_nonces as cn
from exchange.store.connector_tables import origins as o
from exchange.store.connector_tables import transport_states as ts
from exchange.store.tables import agencies as a
from exchange.store.tables import deliveries as d
from exchange.store.tables import envelopes as e
from exchange.store.tables import mailbox as m
from exchange.store.tables import statuses as s

KEPT = "mac:"  # nonces that begin so are never forgotten: signed changes of the directory, whose age nothing bounds


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A shared secret of a connected system, encrypted. `ends_at` None: until further notice."""

    id: str
    profile: str
    system: str
    secret: bytes
    created_at: datetime
    ends_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class OriginRow:
    """How the sender of an envelope or a status message was authenticated."""

    subject: str
    method: str
    system: str
    key: str
    proof_sha256: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """Something that an agency may fetch. `ref` is a delivery's or a status message's id."""

    ref: str
    kind: str
    sender: str
    recipient: str
    state: State
    told: str
    at: datetime
    changed: datetime


def put_key(connection: Connection, row: KeyRow) -> None:
    """Store a secret."""
    connection.execute(insert(ck).values(asdict(row)))


def keys_of(connection: Connection, profile: str, system: str, *, at: datetime) -> list[KeyRow]:
    """Secrets of a system that hold at `at`, newest first."""
    where = (ck.c.profile == profile, ck.c.system == system, or_(ck.c.ends_at.is_(None), ck.c.ends_at > at))
    rows = connection.execute(select(*ck.c).where(*where).order_by(ck.c.created_at.desc(), ck.c.id))
    return [KeyRow(**row._mapping) for row in rows]


def end_keys(connection: Connection, profile: str, system: str, *, at: datetime) -> int:
    """Let the system's present secrets end at `at` at the latest; how many."""
    where = (ck.c.profile == profile, ck.c.system == system, or_(ck.c.ends_at.is_(None), ck.c.ends_at > at))
    return connection.execute(update(ck).where(*where).values(ends_at=at)).rowcount


def serve(connection: Connection, profile: str, system: str, agency: str) -> None:
    """Let the system act for the agency."""
    where = (ca.c.profile == profile, ca.c.system == system, ca.c.agency == agency)
    if connection.execute(select(ca.c.agency).where(*where)).first() is None:
        connection.execute(insert(ca).values(profile=profile, system=system, agency=agency))


def served(connection: Connection, profile: str, system: str) -> list[str]:
    """Agencies that the system acts for."""
    return list(connection.execute(select(ca.c.agency).where(ca.c.profile == profile, ca.c.system == system).order_by(ca.c.agency)).scalars())


def with_served(connection: Connection, own: Sequence[str]) -> list[str]:
    """`own`, and every agency whose gateway one of them is by the directory; closed ones left out."""
    served = select(a.c.code).where(a.c.gateway.in_(own), a.c.status != "closed")
    return sorted({*own, *connection.execute(served).scalars()})


def leave(connection: Connection, profile: str, system: str, agency: str) -> None:
    """The system no longer acts for the agency."""
    connection.execute(delete(ca).where(ca.c.profile == profile, ca.c.system == system, ca.c.agency == agency))


def remember(connection: Connection, system: str, nonce: str, *, at: datetime, forget_before: datetime) -> datetime | None:
    """Note a nonce; when it was noted first, None when only now. Those older than `forget_before` are dropped, but for `KEPT` ones."""
    connection.execute(delete(cn).where(cn.c.at < forget_before, cn.c.nonce.not_like(f"{KEPT}%")))
    first: datetime | None = connection.execute(select(cn.c.at).where(cn.c.system == system, cn.c.nonce == nonce)).scalar_one_or_none()
    if first is None:
        connection.execute(insert(cn).values(system=system, nonce=nonce, at=at))
    return first


def put_origin(connection: Connection, row: OriginRow) -> None:
    """Record how a sender was authenticated."""
    connection.execute(insert(o).values(asdict(row)))


def origin_of(connection: Connection, subject: str) -> OriginRow | None:
    """The origin of an envelope or status; None when the agency's own seal stands for it."""
    row = connection.execute(select(*o.c).where(o.c.subject == subject)).first()
    return OriginRow(**row._mapping) if row is not None else None


def tell(connection: Connection, ref: str, agency: str, state: str, *, at: datetime) -> None:
    """What `agency` says of the transport of `ref`."""
    where = (ts.c.ref == ref, ts.c.agency == agency)
    if connection.execute(update(ts).where(*where).values(state=state, at=at)).rowcount == 0:
        connection.execute(insert(ts).values(ref=ref, agency=agency, state=state, at=at))


def told(connection: Connection, ref: str, agency: str) -> str:
    """What `agency` said last, "" when nothing."""
    found: str | None = connection.execute(select(ts.c.state).where(ts.c.ref == ref, ts.c.agency == agency)).scalar()
    return found or ""


def set_failed(connection: Connection, delivery: str, before: State, error: str, *, now: datetime) -> bool:
    """The recipient could not take a delivery that is in state `before`."""
    values = {"state": State.FAILED.value, "last_error": error[:500], "updated_at": now, "next_at": now, "lease_until": None}
    return connection.execute(update(d).where(d.c.id == delivery, d.c.state == before.value).values(values)).rowcount == 1


def waiting_documents(
    connection: Connection, agencies: Sequence[str], *, since: datetime | None = None, until: datetime | None = None, limit: int
) -> list[Waiting]:
    """Deliveries that their recipients have not taken yet, oldest first."""
    statement = (
        select(d.c.id, e.c.sender, d.c.recipient, d.c.state, func.coalesce(ts.c.state, "").label("told"), d.c.created_at, d.c.updated_at)
        .join(e, e.c.id == d.c.envelope)
        .outerjoin(ts, and_(ts.c.ref == d.c.id, ts.c.agency == d.c.recipient))
        .where(d.c.recipient.in_(agencies), d.c.state.in_((State.QUEUED.value, State.CLAIMED.value)))
        .order_by(d.c.created_at, d.c.id)
        .limit(limit)
    )
    if since is not None:
        statement = statement.where(d.c.created_at >= since)
    if until is not None:
        statement = statement.where(d.c.created_at < until)
    return [Waiting(r.id, "edoc", r.sender, r.recipient, State(r.state), r.told, r.created_at, r.updated_at) for r in connection.execute(statement)]


def waiting_statuses(
    connection: Connection, agencies: Sequence[str], *, since: datetime | None = None, until: datetime | None = None, limit: int
) -> list[Waiting]:
    """Status messages that their addressees have not taken yet, oldest first for each agency."""
    found: list[Waiting] = []
    for agency in agencies:
        statement = (
            select(s.c.id, s.c.agency, s.c.to_agency, func.coalesce(ts.c.state, "").label("told"), s.c.received_at)
            .select_from(m)
            .join(s, s.c.id == m.c.ref)
            .outerjoin(ts, and_(ts.c.ref == m.c.ref, ts.c.agency == m.c.agency))
            .where(m.c.agency == agency, m.c.cursor > _cursor(connection, agency), m.c.kind == "status", ~_finished())
            .order_by(m.c.cursor)
            .limit(limit - len(found))
        )
        if since is not None:
            statement = statement.where(s.c.received_at >= since)
        if until is not None:
            statement = statement.where(s.c.received_at < until)
        rows = connection.execute(statement)
        found += [Waiting(r.id, "status", r.agency, r.to_agency, State.QUEUED, r.told, r.received_at, r.received_at) for r in rows]
    return found


def _finished() -> Exists:
    over = ts.alias("over")
    return exists().where(over.c.ref == m.c.ref, over.c.agency == m.c.agency, over.c.state.in_(("done", "fail")))


def _cursor(connection: Connection, agency: str) -> int:
    return connection.execute(select(cc.c.value).where(cc.c.agency == agency)).scalar() or 0


def advance(connection: Connection, agency: str) -> None:
    """Move the agency's cursor past every status line that is done, so that polls stay quick however long the history."""
    here = _cursor(connection, agency)
    mine = (m.c.agency == agency, m.c.cursor > here, m.c.kind == "status")
    first = connection.execute(select(m.c.cursor).where(*mine, ~_finished()).order_by(m.c.cursor).limit(1)).scalar()
    last = connection.execute(select(func.max(m.c.cursor)).where(*mine)).scalar() or here
    value = last if first is None else first - 1
    if value > here and connection.execute(update(cc).where(cc.c.agency == agency).values(value=value)).rowcount == 0:
        connection.execute(insert(cc).values(agency=agency, value=value))


def sent_documents(
    connection: Connection, agencies: Sequence[str], *, envelope: str = "", since: datetime | None = None, until: datetime | None = None, limit: int
) -> list[Mapping[str, Any]]:
    """Deliveries of what these agencies sent, newest first, with their document's facts."""
    statement = (
        select(
            e.c.id.label("envelope"),
            d.c.id.label("delivery"),
            e.c.sender,
            d.c.recipient,
            e.c.subject,
            e.c.code,
            e.c.accepted_at,
            d.c.updated_at,
            d.c.state,
            d.c.status,
            func.coalesce(ts.c.state, "").label("told"),
            exists().where(ce.c.delivery == d.c.id, ce.c.effect == "superseded").label("superseded"),
        )
        .join(d, d.c.envelope == e.c.id)
        .outerjoin(ts, and_(ts.c.ref == d.c.id, ts.c.agency == d.c.recipient))
        .where(e.c.sender.in_(agencies))
        .order_by(e.c.accepted_at.desc(), d.c.recipient)
        .limit(limit)
    )
    if envelope:
        statement = statement.where(e.c.id == envelope)
    return _within(connection, statement, e.c.accepted_at, since, until)


def sent_statuses(
    connection: Connection, agencies: Sequence[str], *, status: str = "", since: datetime | None = None, until: datetime | None = None, limit: int
) -> list[Mapping[str, Any]]:
    """Status messages that these agencies sent, newest first."""
    statement = (
        select(
            s.c.id,
            s.c.agency,
            s.c.to_agency,
            e.c.subject,
            e.c.code,
            s.c.received_at,
            func.coalesce(ts.c.state, "").label("told"),
        )
        .join(e, e.c.id == s.c.envelope)
        .outerjoin(ts, and_(ts.c.ref == s.c.id, ts.c.agency == s.c.to_agency))
        .where(s.c.agency.in_(agencies))
        .order_by(s.c.received_at.desc(), s.c.id)
        .limit(limit)
    )
    if status:
        statement = statement.where(s.c.id == status)
    return _within(connection, statement, s.c.received_at, since, until)


def _within(
    connection: Connection, statement: Select[Any], moment: Column[Any], since: datetime | None, until: datetime | None
) -> list[Mapping[str, Any]]:
    """The rows whose `moment` lies in [since, until); None leaves that end open."""
    if since is not None:
        statement = statement.where(moment >= since)
    if until is not None:
        statement = statement.where(moment < until)
    return [dict(row) for row in connection.execute(statement).mappings()]
