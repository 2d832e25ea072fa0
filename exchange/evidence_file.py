"""evidence_file — tệp chứng cứ của trục: sealed evidence of any event, and the file that proves a document's life.

Everything here reads, but for the evidence itself, which is stored once and given out
byte-identical. The file carries originals, agencies' own seals, log entries with their
proofs, and what was known of certificates when it was made.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy import Connection

from exchange.agency import Purpose
from exchange.audit import timeline, visible
from exchange.copies import judge_file
from exchange.custody import Event, event_of
from exchange.edxml.read import read_package
from exchange.errors import CustodyError, NotFound
from exchange.event_reasons import event_reasons, split_why
from exchange.evidence_causes import Cause, sealed_causes
from exchange.history import withheld
from exchange.office import Office, Subject
from exchange.receipt import Receipt, from_bytes
from exchange.store import agencies, custody_log, envelopes, heads, queue
from exchange.store.envelopes import EnvelopeRow, StatusRow
from exchange.vouching import reasons_of
from signing.checkpoint import build_proof, parse_note, read_log_vkey
from signing.errors import TimestampUnavailable
from signing.evidence import Member, build, statutory
from signing.report import to_json
from signing.report_json import document_report

PACKAGE = "documents/package.edxml"
SEAL_MIME, XML, JSON, TEXT, PEM = "application/pkcs7-signature", "application/xml", "application/json", "text/plain", "application/x-pem-file"
_LARGEST_LIST = 8 << 20  # a larger CRL stays outside; the file says that it is missing


@dataclass(frozen=True, slots=True)
class _Event:
    """One event with its evidence. `note` is the head that the proof leads to."""

    number: str
    seq: int
    event: Event
    said: dict[str, Any]
    receipt: Receipt
    cause: Cause | None


def event_receipt(office: Office, caller: str | None, envelope: str, seq: int | None = None) -> bytes:
    """Sealed evidence of any event of an envelope, of the acceptance by default; the same bytes each time.

    Args:
        seq: the event's number as in the timeline.

    Raises:
        NotFound: no such envelope or event, or not the caller's.
    """
    row = visible(office, caller, envelope)
    with office.store.read() as connection:
        leaves = custody_log.leaves_of(connection, envelope)
        statuses = {s.sha256: s for s in envelopes.statuses_of(connection, envelope)}
    leaf = leaves[0][1] if seq is None else dict(leaves).get(seq)
    if leaf is None:
        raise NotFound(str(seq), place="index")
    return office.receipt(_subject(office, row, statuses, leaves[0][0] if seq is None else seq, leaf))


def _subject(office: Office, row: EnvelopeRow, statuses: Mapping[str, StatusRow], seq: int, leaf: bytes) -> Subject:
    said = json.loads(leaf)
    event = event_of(said["ev"])
    if event is None:
        raise CustodyError(f"unknown event {said['ev']}", place=row.id)
    status = statuses.get(said.get("obj", {}).get("sha256", ""))
    own = status is not None and (status.code, status.agency) == (said.get("st"), said.get("by"))
    name = row.id if event is Event.ACCEPTED else status.id if status is not None and own else f"{row.id}/{seq}"
    why = said.get("why", "")
    return Subject(
        subject=name,
        envelope=row.id,
        event=event,
        at=datetime.fromisoformat(said["at"]),
        index=seq,
        sender=said.get("from", ""),
        recipient=said.get("to", ""),
        document_id=said.get("doc", {}).get("id", ""),
        object_sha256=status.sha256 if status is not None else said.get("doc", {}).get("sha256", row.package_sha256),
        size=office.store.blobs.path(status.sha256).stat().st_size if status is not None else row.size,
        reasons=(event_reasons(why) if split_why(why) is not None else ()) + reasons_of(office, name),
    )


def write_evidence_file(
    office: Office, caller: str | None, envelope: str, target: Path, *, content: bool = True, policies: Path | None = None, witness_policy: Path | None = None
) -> None:
    """Write the evidence file (ASiC-E) of one document to `target`.

    Args:
        content: False leaves the documents out; their digests and the sender's seal remain. A recipient
            from whom the document was recalled never gets them.
        policies: folder with the CAs' policies, each named by the policy's OID or the CA certificate's SHA-256.
        witness_policy: a copy goes into the file for convenience; whoever checks uses an own one.

    Raises:
        NotFound: no such envelope, or not the caller's.
    """
    row = visible(office, caller, envelope)
    story = timeline(office, caller, envelope)
    with office.store.read() as connection:
        leaves = custody_log.leaves_of(connection, envelope)
        statuses = {s.sha256: s for s in envelopes.statuses_of(connection, envelope)}
        content = content and not withheld(connection, row, caller)
        sealed = sealed_causes(connection, row, caller, packages=content)
    events = []
    for number, (seq, leaf) in enumerate(leaves, 1):
        subject = _subject(office, row, statuses, seq, leaf)
        said = json.loads(leaf)
        # What was sealed goes in once, beside the first entry that names it, whoever is said to have acted:
        # so the file tells when the agency sealed something else, or nothing.
        cause = sealed.pop(str(said.get("obj", {}).get("sha256", "")), None)
        events.append(_Event(f"{number:03d}", seq, subject.event, said, from_bytes(office.receipt(subject)), cause))
    with tempfile.TemporaryDirectory(dir=office.store.blobs.temporary().parent) as folder:
        writer = _Writer(office, row, Path(folder), content=content)
        for event in events:
            writer.event(event)
        writer.log(events)
        writer.trust(policies, witness_policy)
        writer.add("report/timeline.json", _json(story), JSON)
        now = office.clock()
        try:
            build(target, writer.members(now, stamped=office.timestamp is not None), office.seal_key, now=now, timestamp=office.timestamp)
        except TimestampUnavailable:
            # Evidence without a stamp now is better than none; the file and the check say which it is.
            build(target, writer.members(now, stamped=False), office.seal_key, now=now)


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, indent=1, sort_keys=True).encode()


class _Writer:
    """Gathers the members: documents, evidence, log, trust, report."""

    def __init__(self, office: Office, row: EnvelopeRow, folder: Path, *, content: bool) -> None:
        self._office, self._row = office, row
        self._trust = office.trust()
        self._signed: list[statutory.Signed] = []
        self._members: list[Member] = []
        self._reports: list[Member] = []
        self._kept = statutory.Kept()
        self._documents(folder, content)

    def _documents(self, folder: Path, content: bool) -> None:
        """The package with its seal, its files, and the report on each PDF as it was judged at acceptance."""
        office, row, blobs = self._office, self._row, self._office.store.blobs
        package = blobs.path(row.package_sha256)
        if content:
            self._members.append(Member(PACKAGE, package, XML))
        self._seal(f"{PACKAGE}.p7s", blobs.path(row.seal_sha256).read_bytes(), at=row.accepted_at)
        for attachment in read_package(package, workdir=folder).attachments:
            if attachment.path is None:
                continue
            name = "".join(c if c.isalnum() or c in "._- " else "_" for c in attachment.name)[-80:] or "file"
            name = f"documents/files/{attachment.position:02d}-{name}"
            if content:
                self._members.append(Member(name, attachment.path, attachment.media_type))
            if attachment.media_type == "application/pdf":
                verdict = judge_file(office.sandbox, attachment, self._trust, at=row.accepted_at, number=row.code)
                self._signed += statutory.in_pdf(name, verdict)
                report = to_json(document_report(name, verdict, judged_at=row.accepted_at))
                self._reports.append(Member(f"report/pdf-{attachment.position:02d}.json", _json(report), JSON))

    def add(self, name: str, data: bytes, mime: str) -> None:
        self._members.append(Member(name, data, mime))

    def _seal(self, name: str, seal: bytes, *, at: datetime) -> None:
        self.add(name, seal, SEAL_MIME)
        self._signed += statutory.every_signer(name, seal, at=at)

    def event(self, event: _Event) -> None:
        """The hub's sealed evidence, and the agency's own sealed object."""
        name = f"evidence/{event.number}-{event.event.value}.xml"
        self.add(name, event.receipt.evidence, XML)
        self.add(f"{name}.p7s", event.receipt.seal, SEAL_MIME)
        if event.cause is not None:
            blobs = self._office.store.blobs
            name = f"evidence/{event.number}-{event.cause.name}.edxml"
            self.add(name, blobs.path(event.cause.sha256).read_bytes(), XML)
            self._seal(f"{name}.p7s", blobs.path(event.cause.seal_sha256).read_bytes(), at=event.cause.at)

    def log(self, events: list[_Event]) -> None:
        """Entries, proofs to the newest head that all have in common, and the sealed head over them."""
        with self._office.store.read() as connection:
            places = {e.seq: custody_log.place(connection, e.seq) for e in events}
        last: dict[int, _Event] = {places[e.seq].epoch.number: e for e in events}
        notes = {epoch: self._note(epoch, event.seq) for epoch, event in last.items()}
        with self._office.store.read() as connection:
            for event in events:
                place = places[event.seq]
                note = notes[place.epoch.number]
                path = custody_log.prove(connection, event.seq, parse_note(note).size)
                self.add(f"log/leaves/{event.number}.json", event.receipt.leaf, JSON)
                self.add(f"log/proofs/{event.number}.tlog-proof", build_proof(place.index, path, note).encode(), TEXT)
            newest = places[events[-1].seq]
            note = notes[newest.epoch.number]
            self.add("log/checkpoint", note.encode(), TEXT)
            self._sealed_head(connection, newest.epoch.number, newest.index, parse_note(note).size)

    def _note(self, epoch: int, seq: int) -> str:
        """The newest head with its cosignatures when it covers the entry, else the log's own."""
        with self._office.store.read() as connection:
            index = custody_log.place(connection, seq).index
            published = heads.latest_published(connection, epoch, witnessed=True)
        if published is not None and published.size > index:
            return published.note
        return self._office.head(covering=seq + 1)

    def _sealed_head(self, connection: Connection, epoch: int, index: int, size: int) -> None:
        # The newest one, when none covers the last event yet: earlier events are bound by it at least.
        sealed = heads.sealed_covering(connection, epoch, index)
        sealed = sealed or heads.latest_sealed(connection, epoch, stamped=True) or heads.latest_sealed(connection, epoch)
        if sealed is None or sealed.size == 0:
            return
        self.add("log/sealed", sealed.note.encode(), TEXT)
        self.add("log/sealed.p7s", sealed.seal, SEAL_MIME)
        if sealed.token is not None:
            self.add("log/sealed.tst", sealed.token, "application/vnd.etsi.timestamp-token")
        old, new = sorted((size, sealed.size))
        path = custody_log.consistency(connection, old, new, epoch) if old != new else []
        self.add("log/sealed.consistency", "".join(f"{part.hex()}\n" for part in path).encode(), TEXT)

    def trust(self, policies: Path | None, witness_policy: Path | None) -> None:
        """Keys, certificates, revocation data, CA policies, and what is known of the signers."""
        office = self._office
        vkeys = office.vkeys()
        self.add("trust/log.vkey", "".join(f"{v}\n" for v in vkeys).encode(), TEXT)
        key: Ed25519PublicKey = read_log_vkey(vkeys[0])[2]
        self.add("trust/log.pem", key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo), PEM)
        if witness_policy is not None and witness_policy.is_file():
            self.add("trust/witness-policy.txt", witness_policy.read_bytes(), TEXT)
        certificates, crls, ocsps = statutory.data_for(self._trust, [self._own(office.clock()), *self._signed])
        self.add("trust/chain.pem", b"".join(statutory.pem(c) for c in certificates), PEM)
        said = self._directory()
        kept_crls = [c for c in crls if len(c) <= _LARGEST_LIST]
        for number, crl in enumerate(kept_crls, 1):
            self.add(f"trust/crls/{number:02d}.crl", crl, "application/pkix-crl")
        for number, answer in enumerate(ocsps, 1):
            self.add(f"trust/ocsps/{number:02d}.ocsp", answer, "application/ocsp-response")
        files = sorted(p for p in policies.iterdir() if p.is_file()) if policies is not None and policies.is_dir() else []
        for file in files:
            self._members.append(Member(f"trust/policies/{file.name}", file, "application/octet-stream"))
        self.add("trust/responsibility.json", _json(said), JSON)
        self._kept = statutory.Kept(tuple(kept_crls), tuple(ocsps), frozenset(f.stem for f in files), said)

    def _own(self, now: datetime, stamp: str = "") -> statutory.Signed:
        """The hub's own seal that is still to be made."""
        key = self._office.seal_key
        chain = tuple(c.public_bytes(Encoding.DER) for c in key.chain)
        return statutory.Signed("META-INF/signature001.p7s", key.certificate.subject.rfc4514_string(), key.der, chain, now, stamp)

    def _directory(self) -> dict[str, Any]:
        """Registered certificates of the parties into the file; what is known of each signer, by certificate."""
        row = self._row
        with self._office.store.read() as connection:
            parties = [row.sender] + [d.recipient for d in queue.of_envelope(connection, row.id)]
            names = {}
            # Where a gateway acted for a party, the seal is the gateway's.
            parties += [a.gateway for a in (agencies.get(connection, code) for code in parties) if a is not None and a.gateway]
            for code in dict.fromkeys(parties):
                agency = agencies.get(connection, code)
                for number, certificate in enumerate(agencies.certificates_of(connection, code, Purpose.SEAL), 1):
                    names[certificate.sha256] = (code, agency.name if agency else "")
                    self.add(f"trust/certs/{code}-{number}.pem", certificate.pem.encode(), PEM)
        said: dict[str, Any] = {}
        for signed in [self._own(row.accepted_at), *self._signed]:
            sha256 = hashlib.sha256(signed.certificate).hexdigest()
            code, name = names.get(sha256, ("", ""))
            if signed.certificate == self._office.seal_key.der:
                code = self._office.origin
            if facts := statutory.responsibility_of(signed.certificate, agency=code, name=name):
                said[sha256] = facts
        return said

    def members(self, now: datetime, *, stamped: bool) -> list[Member]:
        """All members; the documents first, the reports last."""
        signed = [self._own(now, now.isoformat() if stamped else ""), *self._signed]
        items = statutory.statutory_items(signed, self._kept, self._trust)
        reports = [
            Member("report/statutory.json", _json(to_json(items)), JSON),
            Member("report/statutory.txt", statutory.as_text(items).encode(), TEXT),
        ]
        return [*self._members, *self._reports, *reports]
