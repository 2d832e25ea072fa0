"""directory_exchange — trao đổi danh bạ: whole directories in and out as sealed, numbered files.

What comes in is examined first: seal, issuer, version, every row, the directory as
it would be. The difference is shown; taking it in is one transaction with one
custody entry that names the file (docs/adr/0016).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Connection

from exchange.agency_file import Listing, content_sha256, ordered, read_listing, write_csv, write_json
from exchange.custody import Entry, Event
from exchange.directory import Directory
from exchange.directory_diff import Diff, Kind, apply, check_whole, diff
from exchange.directory_errors import DirectoryOld, DirectorySeal
from exchange.office import Office
from exchange.store import directory
from exchange.store.directory import VersionRow
from signing.errors import SigningError
from signing.seal import sign_seal, verify_seal

Form = Literal["json", "csv"]
ATTEMPTS = 3
_WRITERS: dict[Form, Callable[[Listing], bytes]] = {"json": write_json, "csv": write_csv}


@dataclass(frozen=True, slots=True)
class Plan:
    """A file that may be taken in, and what it would change in the directory of revision `revision`.

    `taken`: this very version is in already, there is nothing to do.
    """

    data: bytes
    seal: bytes
    sha256: str
    signer: str
    listing: Listing
    diff: Diff
    revision: int
    taken: bool


def examine(desk: Directory, data: bytes, seal: bytes) -> Plan:
    """What the file `data` with the detached seal `seal` would change. Nothing is written.

    Raises:
        DirectorySeal: not valid over these bytes, or of nobody who may publish.
        DirectoryUnreadable, DirectoryRow, DirectoryConflict: the file, or the directory with it, is not sound.
        DirectoryOld: a version before the newest known of this issuer, or another content under its number.
    """
    digest = hashlib.sha256(data)
    # Before anything in the file is looked at: who says so?
    signer = _check_seal(desk, digest.digest(), seal)
    listing = read_listing(data)
    with desk.office.store.read() as connection:
        taken = _check_version(connection, listing, digest.hexdigest())
        found, revision = _difference(connection, listing)
    return Plan(data, seal, digest.hexdigest(), signer, listing, found, revision, taken)


def _check_seal(desk: Directory, digest: bytes, seal: bytes) -> str:
    office = desk.office
    try:
        # As at every door, the hub's clock decides: a key that has ended since must not bring what it stamped before.
        finding = verify_seal(digest, seal, office.trust(), at=office.clock(), stamp_counts=False)
    except SigningError as error:
        raise DirectorySeal(f"{error.code}: {error.detail}"[:300], place="seal") from error
    own = hashlib.sha256(office.seal_key.der).hexdigest()
    if finding.certificate_sha256 not in desk.signers | {own}:
        raise DirectorySeal(f"{finding.signer}: {finding.certificate_sha256} is not in directory_signers", place="seal")
    return finding.signer


def _check_version(connection: Connection, listing: Listing, sha256: str) -> bool:
    """Whether this very file was taken in already."""
    newest = directory.newest_version(connection, listing.issuer)
    if newest is None or listing.version > newest.version:
        return False
    here = f"{listing.issuer}: {listing.version}, {newest.version}"
    if listing.version < newest.version:
        raise DirectoryOld(here, place="version")
    known = [directory.version(connection, listing.issuer, listing.version, kind) for kind in ("import", "export")]
    if any(row is not None and row.content_sha256 != content_sha256(listing.agencies) for row in known):
        raise DirectoryOld(f"{here}: another content under the same number", place="version")
    return known[0] is not None


def _difference(connection: Connection, listing: Listing) -> tuple[Diff, int]:
    current = {agency.code: agency for agency in directory.every(connection)}
    found = diff(current, listing.agencies)
    check_whole(apply(current, found), [change.after for change in found.changes])
    return found, directory.revision(connection)


def take_in(desk: Directory, plan: Plan, *, by: str) -> Diff:
    """Make the directory say what the plan's file says; what was changed.

    Raises:
        DirectoryOld: a newer version came in meanwhile. DirectoryConflict: so did a change by hand that it contradicts.
    """
    if plan.taken:
        return plan.diff
    office = desk.office
    # Durable: the file and its seal. A crash here costs two orphan blobs.
    for data in (plan.data, plan.seal):
        office.store.blobs.put_bytes(data)
    found, revision, content = plan.diff, plan.revision, content_sha256(plan.listing.agencies)
    for _ in range(ATTEMPTS):
        # Durable after this: every row, the version and the custody entry, together. A
        # crash after it costs the answer; the same file again is found to be in already.
        if office.store.write(lambda c, f=found, r=revision: _write(office, c, plan, f, r, by, content)):  # type: ignore[misc]
            return found
        # Somebody changed the directory by hand since: the difference is another one now.
        with office.store.read() as connection:
            found, revision = _difference(connection, plan.listing)
    raise DirectoryOld("the directory is being changed all the time; try again", place="revision")


def _write(office: Office, connection: Connection, plan: Plan, found: Diff, revision: int, by: str, content: str) -> bool:
    if directory.revision(connection) != revision:
        return False
    if _check_version(connection, plan.listing, plan.sha256):
        return True
    now, listing = office.clock(), plan.listing
    new = [change.after for change in found.changes if change.kind is Kind.ADDED]
    kept = [change for change in found.changes if change.before is not None]
    directory.add(connection, new, source=listing.issuer, now=now)
    directory.replace(connection, [change.after for change in kept], now=now)
    renamed = [c.after for c in kept if c.before is not None and c.before.aliases != c.after.aliases]
    directory.rename(connection, [*renamed, *(agency for agency in new if agency.aliases)])
    directory.keep_version(connection, _version_row(office, listing, "import", content, plan.sha256, plan.seal, plan.signer, by, found.summary()))
    office.append(connection, [_entry(office, listing, "import", plan.sha256, plan.seal, by, found.summary())])
    return True


def give_out(desk: Directory, form: Form, *, by: str) -> tuple[bytes, bytes, Listing]:
    """The directory as a file with the hub's seal: (file, seal, what it says).

    The number goes up only when something changed since the last version of this
    hub; the same directory gives the same bytes, however often it is asked for.
    """
    office = desk.office
    issuer = office.origin.partition("/")[0]

    def job(connection: Connection) -> tuple[bytes, bytes, Listing]:
        rows = ordered(directory.every(connection))
        content, newest = content_sha256(rows), directory.newest_version(connection, issuer)
        known = newest is not None and newest.content_sha256 == content
        listing = Listing(issuer, newest.version if newest is not None and known else newest.version + 1 if newest is not None else 1, rows)
        data = _WRITERS[form](listing)
        seal = sign_seal(hashlib.sha256(data).digest(), office.seal_key)
        if not known:
            signer = office.seal_key.certificate.subject.rfc4514_string()
            # The file itself is not kept: it can be made again from its version's rows, or asked for again.
            row = _version_row(office, listing, "export", content, "", b"", signer, by, f"agencies={len(rows)}")
            directory.keep_version(connection, row)
            office.append(connection, [_entry(office, listing, "export", hashlib.sha256(data).hexdigest(), seal, by, f"agencies={len(rows)}")])
        return data, seal, listing

    # Durable after this: that this number means this content. A crash after it costs the file; asking again gives it.
    return office.store.write(job)


def _version_row(
    office: Office, listing: Listing, kind: str, content: str, sha256: str, seal: bytes, signer: str, by: str, summary: str
) -> VersionRow:
    return VersionRow(
        issuer=listing.issuer,
        version=listing.version,
        kind=kind,
        sha256=sha256,
        content_sha256=content,
        seal_sha256=hashlib.sha256(seal).hexdigest() if seal else "",
        signer=signer,
        by=by,
        summary=summary,
        at=office.clock(),
    )


def _entry(office: Office, listing: Listing, verb: str, sha256: str, seal: bytes, by: str, summary: str) -> Entry:
    # One entry for the whole file: 123,000 of them would say no more than its digest does (docs/adr/0016).
    return Entry(
        event=Event.DIRECTORY,
        at=office.clock(),
        by=f"operator:{by}",
        why=f"{verb} {listing.issuer} version {listing.version}: {summary}"[:300],
        object_sha256=sha256,
        object_type="directory",
        seal_sha256=hashlib.sha256(seal).hexdigest(),
        data=(("version", listing.version), ("agencies", len(listing.agencies))),
    )


def versions(desk: Directory) -> list[VersionRow]:
    """The newest versions that were taken in or given out, newest first."""
    with desk.office.store.read() as connection:
        return directory.versions(connection)
