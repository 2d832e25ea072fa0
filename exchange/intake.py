"""intake — tiếp nhận: take responsibility for a package, or refuse it plainly.

The numbered steps are those of the journey (docs/flow.md). Nothing is durable
before step 5; steps 6 and 7 make the receipt true before it is given out.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import uuid
from dataclasses import dataclass, replace
from pathlib import Path

from sqlalchemy import Connection

from exchange import amendments, reports
from exchange.addressees import check_addressee
from exchange.agency import Agency, Mode, check_code, check_open, day_of
from exchange.copies import is_extract
from exchange.custody import Entry, Event, as_written, envelope_id
from exchange.edxml.read import read_package
from exchange.envelope import Package, document_code, header_digest
from exchange.errors import (
    Conflict,
    ExchangeError,
    InvalidField,
    MissingField,
    NoDocument,
    NotTheSender,
    Secret,
    SignatureRefused,
    UnknownAgency,
)
from exchange.event_reasons import refusal_reason, why
from exchange.judging import BROKEN, UNVERIFIED, check_signatures, mark_of
from exchange.office import Office, Subject
from exchange.origin import Origin
from exchange.sealers import check_agency_seal, other_name
from exchange.store import agencies, custody_log, envelopes, queue
from exchange.store.envelopes import AttachmentRow, EnvelopeRow, RefusalRow
from exchange.succession import Change, Order, order_of
from exchange.vouching import Kept, keep, reasons_of, record, vouch
from signing.report import PdfVerdict, Verdict, to_json


@dataclass(frozen=True, slots=True)
class Submission:
    """What came in: bytes in the file `package`, their digest, and the detached seal.

    With `origin` a shared secret stands in the seal's place (or, once checked, the seal
    of a gateway): the sender is then one of `serves`, and the recipients in
    `declared_to` must be named in the package.
    """

    caller: str
    package: Path
    sha256: str
    seal: bytes
    origin: Origin | None = None
    serves: tuple[str, ...] = ()
    declared_to: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the package is: its values, the change that it asks for, and whether it is a certified extract."""

    package: Package
    order: Order | None
    extract: bool = False


def submit(office: Office, submission: Submission) -> tuple[bytes, bool]:
    """Accept a package: (receipt bytes, was it a repeat).

    Raises:
        EnvelopeError, AgencyError, AccessError: refused; the refusal is logged.
    """
    document_id = ""
    workdir = Path(tempfile.mkdtemp(dir=office.store.blobs.temporary().parent, prefix="intake-"))
    try:
        package = read_package(submission.package, workdir=workdir)  # 2
        document_id = package.header.document_id
        sender = _sender(office, package)
        if sender in submission.serves:
            submission = replace(submission, caller=sender)
        known = _seen_before(office, submission, package, sender)  # 3
        if known is not None:
            return office.receipt(_subject(office, known[0], known[1])), True
        asked = _Asked(package, order_of(package.header, number=document_code(package.header), has_files=bool(package.attachments)))
        recipients = _check_parties(office, submission, package, sender, asked.order)
        submission, seal_sha256 = _check_seal(office, submission)  # 4
        verdicts = check_signatures(office, package)
        extract = is_extract(package.header, verdicts.get(0))
        mark = mark_of(office, package, verdicts, recipients)
        row = _row(office, submission, package, seal_sha256, verdicts, mark)
        return _accept(office, submission, row, _attachment_rows(row.id, package, verdicts), recipients, replace(asked, extract=extract))
    except ExchangeError as refusal:
        _log_refusal(office, submission, document_id, refusal)
        raise
    finally:
        shutil.rmtree(workdir, ignore_errors=True)


def _accept(
    office: Office, submission: Submission, row: EnvelopeRow, attachments: list[AttachmentRow], recipients: list[Agency], asked: _Asked
) -> tuple[bytes, bool]:
    blobs = office.store.blobs
    # 5. Durable: the bytes. A crash here costs an orphan blob, swept later.
    blobs.put_bytes(submission.seal)
    kept = keep(office, row.id, submission.origin)
    temporary = blobs.temporary()
    os.link(submission.package, temporary)  # same file system; the bytes are not copied again
    blobs.put(temporary, row.package_sha256)
    # 6. Durable: envelope, deliveries and custody entries, all or nothing. A crash
    # after it costs only the answer: the repeat at step 3 gives the receipt.
    accepted, index, replayed = office.store.write(lambda c: _record(office, c, row, attachments, recipients, asked, kept))
    return office.receipt(_subject(office, accepted, index)), replayed  # 7


def _record(
    office: Office,
    connection: Connection,
    row: EnvelopeRow,
    attachments: list[AttachmentRow],
    recipients: list[Agency],
    asked: _Asked,
    kept: Kept | None,
) -> tuple[EnvelopeRow, int, bool]:
    # The same submission may have been accepted since step 3.
    other = envelopes.find(connection, row.sender, row.document_id, row.kind)
    if other is not None:
        if other.package_sha256 != row.package_sha256:
            raise Conflict(row.document_id, place="MessageHeader/DocumentId")
        return other, _accepted_index(connection, other.id), True
    header = asked.package.header
    amendments.check_number(connection, header, row)
    amendments.link(connection, header, row, extract=asked.extract)
    outcome = (
        amendments.deliver(row, recipients)
        if asked.order is None
        else amendments.take_effect(connection, asked.order, row, recipients, has_files=bool(attachments), hub_codes=office.hub_codes)
    )
    envelopes.insert_envelope(connection, row, attachments, [delivery for _, delivery in outcome.own])
    amendments.write(connection, outcome)
    first = replace(_entry(row, Event.ACCEPTED, "", object_sha256=row.seal_sha256), data=as_written(header.sender.code, row.sender))
    first = replace(first, data=(*first.data, *other_name(office, connection, row.sender, row.seal_sha256, kept)))
    entries = [record(connection, kept, first)]
    for agency, delivery in outcome.own:
        if agency.mode is Mode.PULL:
            queue.inbox_put(connection, agency.code, "document", delivery.id, row.accepted_at)
            entries.append(_entry(row, Event.CONSIGNED, agency.code))
    # What the package does to other documents names it too: an auditor must know there under which code and whose seal it came.
    entries += [replace(e, object_type=f"{e.object_type}+{entries[0].object_type}", data=(*e.data, *entries[0].data)) for e in outcome.entries]
    entries += [replace(_entry(about, Event.CONSIGNED, a.code), at=row.accepted_at) for a, _, about in outcome.others if a.mode is Mode.PULL]
    index = office.append(connection, entries, begins={row.id})[0]
    # What overtook this document was parked; it finds it now.
    for about in [row, *(about for _, _, about in outcome.others)]:
        reports.apply_parked(office, connection, about)
    return row, index, False


def _sender(office: Office, package: Package) -> str:
    """The sender's own code, whichever of its codes the package bears (edxml.md 4: both shapes, and aliases)."""
    with office.store.read() as connection:
        return agencies.own_code(connection, package.header.sender.code)


def _seen_before(office: Office, submission: Submission, package: Package, sender: str) -> tuple[EnvelopeRow, int] | None:
    header = package.header
    with office.store.read() as connection:
        row = envelopes.find(connection, sender, header.document_id, int(header.business.kind))
        if row is None or submission.caller != row.sender:
            return None
        if row.package_sha256 != submission.sha256:
            raise Conflict(header.document_id, place="MessageHeader/DocumentId")
        return row, _accepted_index(connection, row.id)


def _check_parties(office: Office, submission: Submission, package: Package, own: str, order: Order | None) -> list[Agency]:
    header, caller, today = package.header, submission.caller, day_of(office.clock())
    if header.secrecy:
        raise Secret(header.secrecy[:40], place="MessageHeader")
    if own != caller:
        raise NotTheSender(f"{header.sender.code[:40]} ≠ {caller}", place="MessageHeader/From/OrganId")
    if not header.recipients:
        raise MissingField("To", place="MessageHeader/To")
    if not package.attachments and order is None:
        raise NoDocument(place="AttachmentEncoded")
    found: list[Agency] = []
    with office.store.read() as connection:
        sender = agencies.get(connection, caller)
        if sender is None:
            raise UnknownAgency(caller, place="MessageHeader/From/OrganId")
        check_open(sender, place="MessageHeader/From/OrganId", on=today)
        for number, organ in enumerate(header.recipients, 1):
            place = f"MessageHeader/To[{number}]/OrganId"
            agency = agencies.get(connection, check_code(organ.code, place=place))
            if agency is None:
                raise UnknownAgency(organ.code, place=place)
            if agency.code in (a.code for a in found):
                raise InvalidField(f"{organ.code}: repeated", place=place)
            # A recall must reach those who have the document, whatever became of them since.
            if order is None or order.change is not Change.RECALL:
                check_addressee(connection, agency, place=place, at=office.clock(), hub_codes=office.hub_codes)
            found.append(agency)
        for code in submission.declared_to:
            declared = agencies.get(connection, code)
            if declared is None or declared.code not in (a.code for a in found):
                raise InvalidField(f"{code[:40]}: not a recipient named in the package", place="XroadVnpt-to")
    return found


def _check_seal(office: Office, submission: Submission) -> tuple[Submission, str]:
    """The submission with the seal that stands over it, and the seal's digest."""
    if submission.origin is not None:
        # No agency seal on this way in: the hub vouches for the bytes, and says so.
        seal = vouch(office, submission.sha256)
        return replace(submission, seal=seal), hashlib.sha256(seal).hexdigest()
    origin = check_agency_seal(office, submission.caller, submission.sha256, submission.seal, verb="submit")
    return replace(submission, origin=origin), hashlib.sha256(submission.seal).hexdigest()


def _row(office: Office, submission: Submission, package: Package, seal_sha256: str, verdicts: dict[int, PdfVerdict], mark: str) -> EnvelopeRow:
    header = package.header
    date = header.promulgation_date
    now = office.clock()
    return EnvelopeRow(
        id=envelope_id(now, os.urandom(10)),
        sender=submission.caller,
        document_id=header.document_id,
        kind=int(header.business.kind),
        package_sha256=submission.sha256,
        seal_sha256=seal_sha256,
        size=submission.package.stat().st_size,
        subject=header.subject,
        code=document_code(header),
        promulgation_date=date.isoformat() if date else "",
        priority=int(header.priority),
        accepted_at=now,
        verdict=json.dumps({str(k): to_json(v) for k, v in verdicts.items()}, ensure_ascii=False),
        mark=mark,
        header_sha256=header_digest(header),
    )


def _attachment_rows(envelope: str, package: Package, verdicts: dict[int, PdfVerdict]) -> list[AttachmentRow]:
    return [
        AttachmentRow(
            envelope=envelope,
            position=a.position,
            name=a.name,
            sha256=a.sha256,
            size=a.size,
            media_type=a.media_type,
            verdict=verdicts[a.position].verdict.value if a.position in verdicts else "",
        )
        for a in package.attachments
    ]


def _log_refusal(office: Office, submission: Submission, document_id: str, refusal: ExchangeError) -> None:
    now = office.clock()
    row = RefusalRow(
        id=str(uuid.uuid4()),
        at=now,
        caller=submission.caller,
        document_id=document_id[:500],
        sha256=submission.sha256,
        code=refusal.code,
        place=refusal.place[:200],
        detail=refusal.detail[:500],
    )
    entry = Entry(
        event=Event.REFUSED_SUBMISSION,
        at=now,
        by="hub",
        document_id=document_id[:200] or "?",
        document_sha256=submission.sha256,
        sender=submission.caller,
        why=why(refusal_reason(refusal.code), refusal.code),
    )

    def job(connection: Connection) -> None:
        envelopes.insert_refusal(connection, row)
        office.append(connection, [entry])

    office.store.write(job)


def _accepted_index(connection: Connection, envelope: str) -> int:
    # Acceptance is the first entry that names the envelope.
    return custody_log.leaves_of(connection, envelope)[0][0]


def _subject(office: Office, row: EnvelopeRow, index: int) -> Subject:
    return Subject(
        subject=row.id,
        envelope=row.id,
        event=Event.ACCEPTED,
        at=row.accepted_at,
        index=index,
        sender=row.sender,
        recipient="",
        document_id=row.document_id,
        object_sha256=row.package_sha256,
        size=row.size,
        reasons=reasons_of(office, row.id),
    )


def _entry(row: EnvelopeRow, event: Event, recipient: str, *, object_sha256: str = "") -> Entry:
    base = Entry(
        event=event,
        at=row.accepted_at,
        by="hub",
        envelope=row.id,
        document_id=row.document_id,
        document_sha256=row.package_sha256,
        sender=row.sender,
        recipient=recipient,
    )
    return replace(base, object_sha256=object_sha256, object_type="seal") if object_sha256 else base


def recheck(office: Office, *, limit: int = 20) -> int:
    """Look again at documents that could not be checked; how many marks changed.

    A source that was missing (a CRL, say) may be back. What is found is a custody
    event; a document that turns out broken is marked so, never taken away.
    """
    with office.store.read() as connection:
        rows = envelopes.marked(connection, UNVERIFIED, limit)
    changed = 0
    for row in rows:
        mark, verdicts = _again(office, row)
        if mark == UNVERIFIED:
            continue
        now = office.clock()
        entry = replace(_entry(row, Event.RECHECKED, ""), at=now, why=mark or "valid")
        verdict = json.dumps({str(k): to_json(v) for k, v in verdicts.items()}, ensure_ascii=False)

        def job(connection: Connection, row: EnvelopeRow = row, mark: str = mark, verdict: str = verdict, entry: Entry = entry) -> None:
            envelopes.set_verdict(connection, row.id, mark=mark, verdict=verdict)
            office.append(connection, [entry])

        office.store.write(job)
        changed += 1
    return changed


def _again(office: Office, row: EnvelopeRow) -> tuple[str, dict[int, PdfVerdict]]:
    workdir = Path(tempfile.mkdtemp(dir=office.store.blobs.temporary().parent, prefix="recheck-"))
    try:
        package = read_package(office.store.blobs.path(row.package_sha256), workdir=workdir)
        verdicts = check_signatures(office, package)
    except SignatureRefused:
        return BROKEN, {}
    finally:
        shutil.rmtree(workdir, ignore_errors=True)
    undetermined = any(v.verdict is Verdict.UNDETERMINED for v in verdicts.values())
    return (UNVERIFIED if undetermined else ""), verdicts
