"""causes — what stands behind the hub's own entries: a recipient's sealed answer, a sender's sealed recall or update.

A change of a document is entered by the hub in that document's chain and names what an
agency sealed. Where these bytes are in the file, the act is proven by the agency's seal;
an answer of a recipient without them is an invention until the contrary is shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from lxml import etree

from signing.errors import EvidenceInvalid
from signing.evidence.edxml_facts import EdxmlFacts, named_documents, read_facts
from signing.evidence.pieces import Event, Pieces
from signing.report import SealFinding
from signing.wording import same_text

STATUS, PACKAGE = "edxml-status", "edxml-"
# The local event, and the codes of edXML that say it (REC-02: 03 and 02 answer a recall as well).
ANSWERS = {
    "CopyDestroyed": frozenset({"15", "03"}),
    "RecallDeclined": frozenset({"16", "02"}),
    "UpdateAgreed": frozenset({"15"}),
    "UpdateDeclined": frozenset({"16"}),
}
_REQUESTS = {"RecallRequested", "UpdateRequested"}


@dataclass(frozen=True, slots=True)
class Cause:
    """A sealed message that holds. `own`: under the seal of the agency that it says it is from, not the hub's in its place."""

    facts: EdxmlFacts
    finding: SealFinding
    own: bool
    documents: frozenset[str] = field(default_factory=frozenset)


def local_name(event: Event) -> str:
    """The name of a local event, "" for those of the standard."""
    return event.text("ev").rpartition("urn:vanthu:event:")[2] if event.text("ev").startswith("urn:vanthu:event:") else ""


def whose(event: Event) -> str:
    """Which part of an entry names the agency whose sealed message it is about: ``by``, or in the hub's own ``to`` or ``from``."""
    if event.text("by") != "hub":
        return "by"
    return "to" if is_answer(event) else "from"


def as_written(event: Event, who: str) -> str:
    """The agency's code that the sealed bytes must bear: its own, or the other one of its codes that the entry names."""
    return str(event.part("data").get("written", "")) or event.text(who)


def by_name(facts: EdxmlFacts) -> str:
    """How a message names the document that it is about: the id, else number and date."""
    return facts.about or f"{facts.about_number},{facts.about_date}"


def is_answer(event: Event) -> bool:
    """Does the entry say, in the hub's words, what a recipient answered?"""
    return event.text("by") == "hub" and local_name(event) in ANSWERS


def named(event: Event) -> str:
    """The digest of the object that an entry names."""
    return str(event.part("obj").get("sha256", ""))


def asked_by_sender(event: Event) -> bool:
    """Does the entry name a package by which the sender changed the document?"""
    kind = str(event.part("obj").get("type", ""))
    return event.text("by") == "hub" and kind.startswith(PACKAGE) and not kind.startswith(STATUS) and bool(local_name(event))


def facts_of(chunks: Iterable[bytes]) -> tuple[EdxmlFacts, frozenset[str]]:
    """What a package says of itself, and every document that it is about.

    Raises:
        EvidenceInvalid: no readable header.
    """
    data = b"".join(chunks)
    try:
        return read_facts([data]), named_documents(data)
    except etree.XMLSyntaxError as error:
        raise EvidenceInvalid(f"XML: {error}"[:200]) from error


def settle(p: Pieces, causes: dict[str, Cause]) -> None:
    """Each of the hub's entries against the sealed message that it names: `event.signer` is set where that proves it."""
    for event in p.events:
        place, cause = f"log/leaves/{event.number}.json", causes.get(named(event))
        if is_answer(event):
            if cause is None:
                p.fail("evidence.no_answer", place)
            elif not same_text(cause.facts.sender, as_written(event, "to")) or cause.facts.status not in ANSWERS[local_name(event)]:
                p.fail("evidence.other_status", place)
            elif cause.own and any(same_text(cause.facts.about, name) for name in _about(p, causes, event)):
                event.signer = cause.finding.signer
        elif event.text("by") != "hub" and cause is not None:
            # An entry that names a message which lies beside another entry must still say what the message says.
            if not same_text(cause.facts.sender, as_written(event, "by")) or cause.facts.status != event.text("st"):
                p.fail("evidence.other_status", place)
        elif event.text("by") == "hub" and local_name(event) and cause is not None and cause.own:
            document = str(event.part("doc").get("id", ""))
            if same_text(cause.facts.sender, as_written(event, "from")) and any(same_text(document, name) for name in {*cause.documents, cause.facts.about}):
                event.signer, event.cause = cause.finding.signer, cause.facts.document_id


def _about(p: Pieces, causes: dict[str, Cause], answer: Event) -> Iterator[str]:
    """Ids by which an answer may name what it answers: the document's, or that of a package in the file which asked this recipient."""
    yield str(answer.part("doc").get("id", ""))
    for event in p.events:
        if event is answer:
            return
        cause = causes.get(named(event))
        if event.text("to") == answer.text("to") and local_name(event) in _REQUESTS and cause is not None and event.signer:
            yield cause.facts.document_id
