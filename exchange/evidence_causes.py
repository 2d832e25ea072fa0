"""evidence_causes — what agencies sealed that the entries of a document rest on: statuses, and packages that changed it.

An entry about a recall names the sender's recall package, the one about its answer the
recipient's status; both stand in the chain of another package, and belong into this
document's evidence file all the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from exchange.envelope import Kind
from exchange.store import changes, envelopes, queue
from exchange.store.envelopes import EnvelopeRow

LARGEST_PACKAGE = 1 << 20  # bytes; a larger one is named by its digest, and has an evidence file of its own


@dataclass(frozen=True, slots=True)
class Cause:
    """A sealed message by what it is (`name`, for its place in the file), with the moment when it was taken."""

    name: str
    sha256: str
    seal_sha256: str
    at: datetime


def sealed_causes(connection: Connection, row: EnvelopeRow, caller: str | None, *, packages: bool) -> dict[str, Cause]:
    """By digest, whatever the entries of an envelope may name that an agency sealed.

    Args:
        caller: an agency sees packages that it is a party to; None, the operator, sees all.
        packages: False leaves packages out, as they are content.
    """
    own = queue.of_envelope(connection, row.id)
    others = [envelopes.get(connection, e) for e in dict.fromkeys(effect.cause for effect in changes.effects_on(connection, [d.id for d in own]))]
    known = [other for other in others if other is not None and other.id != row.id]
    found = {}
    for package in [row, *known]:
        for status in envelopes.statuses_of(connection, package.id):
            found[status.sha256] = Cause(f"status-{status.code}", status.sha256, status.seal_sha256, status.received_at)
    for package in known if packages else []:
        parties = {package.sender} | {d.recipient for d in queue.of_envelope(connection, package.id)}
        if package.size <= LARGEST_PACKAGE and (caller is None or caller in parties):
            name = f"package-{Kind(package.kind).name.lower()}"
            found[package.package_sha256] = Cause(name, package.package_sha256, package.seal_sha256, package.accepted_at)
    return found
