"""edxml_facts — what a sealed edXML message says of itself: sender, document, status.

Only enough of the header is read to bind a seal to what it was made for; an agency's
seal over one document's status must not pass for another's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from lxml import etree

from signing.errors import EvidenceInvalid

_MOST = 4 << 20  # bytes within which the header must end
_WANTED = {
    "From/OrganId": "sender",
    "DocumentId": "document_id",
    "ResponseFor/DocumentId": "about",
    "ResponseFor/Code": "about_number",
    "ResponseFor/PromulgationDate": "about_date",
    "Code/CodeNumber": "number",
    "Code/CodeNotation": "notation",
    "StatusCode": "status",
}


@dataclass(frozen=True, slots=True)
class EdxmlFacts:
    """Header values, "" where absent. `about` is the document that a status answers, by its id; `about_number` and
    `about_date` the same by number and notation, and date of promulgation."""

    sender: str = ""
    document_id: str = ""
    about: str = ""
    about_number: str = ""
    about_date: str = ""
    number: str = ""
    notation: str = ""
    status: str = ""


def header_elements(chunks: Iterable[bytes]) -> Iterator[tuple[str, str, etree._Element]]:
    """("start" or "end", local name, element) of the XML in `chunks`, as far as a header may reach.

    Raises:
        EvidenceInvalid: not XML.
    """
    parser = etree.XMLPullParser(events=("start", "end"), resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    read = 0
    try:
        for chunk in chunks:
            read += len(chunk)
            parser.feed(chunk)
            for event, node in parser.read_events():
                if isinstance(node, etree._Element):
                    yield str(event), str(node.tag).rpartition("}")[2], node
            if read > _MOST:
                return
    except (etree.XMLSyntaxError, ValueError) as error:
        raise EvidenceInvalid(f"XML: {error}"[:200]) from error


def read_facts(chunks: Iterable[bytes]) -> EdxmlFacts:
    """Facts of the first MessageHeader in the XML given as `chunks`.

    Raises:
        EvidenceInvalid: no readable header.
    """
    path: list[str] = []
    again: set[str] = set()
    values: dict[str, str] = {}
    for event, name, node in header_elements(chunks):
        if event == "start":
            path.append(name)
            continue
        path.pop()
        if name == "MessageHeader":
            if again and "status" in values:
                raise EvidenceInvalid(f"{min(again)} repeated")
            return EdxmlFacts(**values)
        _take(values, again, path, name, node)
    raise EvidenceInvalid("no edXML header")


def _take(values: dict[str, str], again: set[str], path: list[str], name: str, node: etree._Element) -> None:
    if "MessageHeader" not in path:
        return
    below = "/".join([*path[path.index("MessageHeader") + 1 :], name])
    field = _WANTED.get(below)
    if field is not None:
        if field in values and below.startswith("ResponseFor/"):
            again.add(below)  # a document may answer several; a status is about one
            return
        if field in values:
            raise EvidenceInvalid(f"{below} repeated")
        values[field] = node.text or ""


def named_documents(data: bytes) -> frozenset[str]:
    """Ids of every document that a package is about: its own, the one it recalls or updates, those that it replaces.

    Raises:
        lxml.etree.XMLSyntaxError: not XML.
    """
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    found = etree.fromstring(data, parser).xpath(
        "//*[local-name()='MessageHeader']/*[local-name()='DocumentId']|//*[local-name()='edXMLHeader']//*[local-name()='Bussiness']//*[local-name()='DocumentId']"
    )
    return frozenset((node.text or "").strip() for node in found if isinstance(node, etree._Element)) - {""} if isinstance(found, list) else frozenset()
