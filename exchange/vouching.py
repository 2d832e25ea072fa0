"""vouching — bảo chứng: the hub's word for what came in by a shared secret, where no agency seal stands.

One seal over the exact bytes in the agency's place, one record of how the sender
was known, and the same said in the custody entry and on the receipt.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from sqlalchemy import Connection

from exchange.custody import Entry
from exchange.office import Office
from exchange.origin import Method, Origin, origin_reasons
from exchange.store import connectors
from exchange.store.connectors import OriginRow
from signing.seal import sign_seal


@dataclass(frozen=True, slots=True)
class Kept:
    """An origin whose proof is durable as a blob, not yet recorded."""

    row: OriginRow
    why: str
    recorded: bool = False


def vouch(office: Office, sha256: str) -> bytes:
    """The hub's seal over bytes with this digest (lower hex)."""
    return sign_seal(bytes.fromhex(sha256), office.seal_key)


def keep(office: Office, subject: str, origin: Origin | None) -> Kept | None:
    """Make the proof of an origin durable; None when the agency sealed. A crash after it costs an orphan blob."""
    if origin is None:
        return None
    proof = office.store.blobs.put_bytes(origin.proof())
    return Kept(OriginRow(subject, origin.method.value, origin.system, origin.key, proof), origin.why(proof))


def record(connection: Connection, kept: Kept | None, entry: Entry, *, kind: str = "") -> Entry:
    """Record the origin in the caller's transaction; the custody entry that says so.

    Args:
        kind: what the object of the entry is, before how it was authenticated.
    """
    if kept is None:
        return entry
    if not kept.recorded:
        connectors.put_origin(connection, kept.row)
    # An auditor must be able to tell whose seal to expect where a gateway sealed.
    data = (*entry.data, ("gateway", kept.row.system)) if kept.row.method == Method.GATEWAY_SEAL else entry.data
    return replace(entry, object_type=kind + kept.row.method, why=entry.why or kept.why, data=data)


def put_aside(connection: Connection, kept: Kept | None) -> None:
    """Record the origin of a status that is parked; `kept_again` finds it when the status is entered."""
    if kept is not None and connectors.origin_of(connection, kept.row.subject) is None:
        connectors.put_origin(connection, kept.row)


def kept_again(connection: Connection, subject: str) -> Kept | None:
    """The recorded origin of a parked status, None when the agency sealed it."""
    row = connectors.origin_of(connection, subject)
    if row is None:
        return None
    origin = Origin(Method(row.method), row.system, row.key, "")
    return Kept(row, origin.why(row.proof_sha256), recorded=True)


def reasons_of(office: Office, subject: str) -> tuple[tuple[str, str], ...]:
    """What the receipt of an envelope or a status says of its origin."""
    with office.store.read() as connection:
        row = connectors.origin_of(connection, subject)
    return origin_reasons(Method(row.method)) if row is not None else ()
