"""custody — the log's part of an evidence file: entries, proofs, the hub's evidence and the agencies' own statuses."""

from __future__ import annotations

import re

from signing.checkpoint import read_proof
from signing.errors import EvidenceInvalid, SigningError
from signing.evidence.causes import Cause, as_written, asked_by_sender, by_name, facts_of, settle, whose
from signing.evidence.edxml_facts import read_facts
from signing.evidence.pieces import Event, Pieces, Status
from signing.evidence.statutory import sealed
from signing.merkle import leaf_hash, verify_inclusion
from signing.receipt_check import check_evidence, read_leaf
from signing.report import SealFinding
from signing.seal import verify_seal
from signing.wording import same_text

HEAD = "log/checkpoint"
_NUMBER = re.compile(r"evidence/(\d{3,6})-")
ACCEPTANCE = "/SubmissionAcceptance"
GATEWAY = "gateway-seal"  # the seal is that of the gateway which the entry names
VOUCHED = {"vxp-hmac", "lgsp-key"}  # how the sender was known, where no seal of its own stands


def check_custody(p: Pieces) -> None:
    """Entries with their proofs, in order and without gaps; each with its evidence, and its status where there is one."""
    _check_head(p)
    for name in p.container.under("log/leaves/", ".json"):
        try:
            p.events.append(_event(p, name))
        except SigningError as error:
            p.caught(error, name)
    _check_chains(p)
    by_number, causes = {event.number: event for event in p.events}, dict[str, Cause]()
    for name in p.container.under("evidence/"):
        if name.endswith(".p7s"):
            continue
        found = _NUMBER.match(name)
        event = by_number.get(found.group(1)) if found else None
        try:
            if event is None:
                p.fail("evidence.stray", name)
            elif name.endswith(".xml"):
                _check_evidence(p, event, name)
            elif name.endswith(".edxml"):
                _check_status(p, event, name, causes)
            else:
                p.fail("evidence.stray", name)
        except SigningError as error:
            p.caught(error, name)
    settle(p, causes)
    for event in p.events:
        if not event.sealed:
            p.fail("evidence.no_event_evidence", f"log/leaves/{event.number}.json")
    if not any(e.sealed and e.text("ev").endswith(ACCEPTANCE) for e in p.events):
        p.fail("evidence.no_acceptance", "evidence/")


def _check_head(p: Pieces) -> None:
    try:
        p.log_size = p.head(_text(p, HEAD)).size
    except SigningError as error:
        p.caught(error, HEAD)


def _text(p: Pieces, name: str) -> str:
    try:
        return p.container.read(name).decode()
    except UnicodeDecodeError as error:
        raise EvidenceInvalid("not UTF-8", place=name) from error


def _event(p: Pieces, name: str) -> Event:
    number = name.removeprefix("log/leaves/").removesuffix(".json")
    leaf = p.container.read(name)
    index, path, note = read_proof(_text(p, f"log/proofs/{number}.tlog-proof"))
    head = p.head(note)
    verify_inclusion(leaf_hash(leaf), index, head.size, path, head.root)
    return Event(number, leaf, read_leaf(leaf), head.origin, index)


def _check_chains(p: Pieces) -> None:
    """Each (document, recipient) chain counts from 0 without a gap, each entry naming the hash of the one before."""
    chains: dict[str, tuple[int, str]] = {}
    places: set[tuple[str, int]] = set()
    for event in p.events:
        place = f"log/leaves/{event.number}.json"
        if (event.origin, event.index) in places:
            p.fail("evidence.repeated", place)
        places.add((event.origin, event.index))
        first = p.events[0]
        if event.text("msg") != first.text("msg") or event.part("doc") != first.part("doc") or event.text("from") != first.text("from"):
            p.fail("evidence.other_document", place)
        expected, previous = chains.get(event.text("to"), (0, ""))
        if event.said.get("n") != expected or event.text("prev") != previous:
            p.fail("evidence.gap", place)
        number = event.said.get("n")
        chains[event.text("to")] = ((number if isinstance(number, int) else expected) + 1, leaf_hash(event.leaf).hex())


def _check_evidence(p: Pieces, event: Event, name: str) -> None:
    if event.sealed:
        p.fail("evidence.repeated", name)
    seal = p.container.read(f"{name}.p7s")
    facts = check_evidence(p.container.read(name), seal, event.leaf, origin=event.origin, index=event.index, trust=p.trust, at=p.moment)
    if p.seal is not None and facts.seal.certificate_sha256 != p.seal.certificate_sha256 and facts.seal.organisation != p.seal.organisation:
        p.fail("evidence.other_signer", name, facts.seal.signer)
    event.sealed = True


def _check_status(p: Pieces, event: Event, name: str, causes: dict[str, Cause]) -> None:
    """An agency's own word: its seal, the log entry and what the message says must agree.

    In an entry of the hub's own the message is what it acted upon; whom it must be from follows from the entry.
    """
    data, seal = p.container.read(name), p.container.read(f"{name}.p7s")
    digest, logged = p.container.digest(name), event.part("obj")
    finding = verify_seal(digest, seal, p.trust, at=p.moment)
    if logged.get("sha256") != digest.hex() or logged.get("seal", p.container.digest(f"{name}.p7s").hex()) != p.container.digest(f"{name}.p7s").hex():
        p.fail("evidence.not_logged", name)
        return
    package, by_hub = asked_by_sender(event), event.text("by") == "hub"
    facts, documents = facts_of([data]) if package else (read_facts([data]), frozenset[str]())
    who = whose(event)
    # Whether a message of somebody else may stand behind the hub's entry is settled with all the others (`causes`).
    agency = event.text(who) if not by_hub or same_text(facts.sender, as_written(event, who)) else facts.sender
    # Without a DocumentId the message names its document by number and date; the entry must say just that.
    logged_name = str(event.part("doc").get("id", "")) if facts.about else str(event.part("data").get("about", ""))
    said = (as_written(event, who), logged_name, event.text("st"))
    if not by_hub and not all(same_text(a, b) for a, b in zip(said, (facts.sender, by_name(facts), facts.status), strict=True)):
        p.fail("evidence.other_status", name)
        return
    vouched = p.seal is not None and p.seal.certificate_sha256 == finding.certificate_sha256 if package else is_vouched(event)
    if not (package and vouched) and not may_seal(p, event, seal, finding, agency):
        p.fail("evidence.other_signer", f"{name}.p7s", finding.signer)
        return
    causes[digest.hex()] = Cause(facts, finding, not vouched, documents)
    if not by_hub and not vouched:
        event.signer = finding.signer
    if not package:
        p.statuses.append(Status(name, event.number, digest.hex(), finding))
    p.signed.append(sealed(f"{name}.p7s", seal, finding.certificate_sha256, finding.signer, at=p.moment))


def is_vouched(event: Event) -> bool:
    """Did the sender prove itself by a shared secret only, so that the hub sealed in its place? The log entry says so."""
    return _sealed_how(event) in VOUCHED


def _sealed_how(event: Event) -> str:
    return str(event.part("obj").get("type", "")).rpartition("+")[2]


def may_seal(p: Pieces, event: Event, seal: bytes, finding: SealFinding, agency: str) -> bool:
    """The seal is the agency's own; where the hub vouched, it is that of whoever sealed the file;
    where a gateway acted for the agency, that of the gateway named in the log entry."""
    if is_vouched(event):
        return p.seal is not None and p.seal.certificate_sha256 == finding.certificate_sha256
    owner = str(event.part("data").get("gateway", "")) if _sealed_how(event) == GATEWAY else agency
    # The entry may say under which other name the certificate has the agency: an old code, a tax number.
    return code_of(p, seal, finding) in ("", owner, str(event.part("data").get("sealed_as", "")))


def code_of(p: Pieces, seal: bytes, finding: SealFinding) -> str:
    """The agency's code in the sealing certificate (organizationIdentifier), "" when it carries none."""
    return sealed("", seal, finding.certificate_sha256, "", at=p.moment).organisation_identifier
