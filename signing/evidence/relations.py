"""relations — quan hệ: which other documents a sealed package is about (a correction, an extract, a reply), or stands in the place of.

Read from the package's own header, nothing else: the sender's seal stands over these bytes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from lxml import etree

from signing.errors import EvidenceInvalid
from signing.evidence.edxml_facts import header_elements

_MANY = 20  # documents that are named


@dataclass(frozen=True, slots=True)
class Relations:
    """Names of documents: those `about` which the package is (ResponseFor), and those that it `replaces`."""

    about: tuple[str, ...] = ()
    replaces: tuple[str, ...] = ()


def read_relations(chunks: Iterable[bytes]) -> Relations:
    """The documents that the header of the edXML package in `chunks` names.

    Raises:
        EvidenceInvalid: no readable header.
    """
    about: dict[str, None] = {}
    replaces: dict[str, None] = {}
    for event, name, node in header_elements(chunks):
        if event == "start":
            continue
        if name == "edXMLHeader":
            return Relations(tuple(about)[:_MANY], tuple(replaces)[:_MANY])
        if name == "ResponseFor":
            about[_named(_below(node, "Code"), _below(node, "DocumentId"))] = None
            about.pop("", None)
        elif name == "ReplacementInfo" and _below(node, "DocumentId"):
            replaces[_below(node, "DocumentId")] = None
    raise EvidenceInvalid("no edXML header")


def _below(node: etree._Element, name: str) -> str:
    return next(((child.text or "").strip() for child in node if str(child.tag).rpartition("}")[2] == name), "")


def _named(number: str, identity: str) -> str:
    return f"{number} ({identity})" if number and identity else number or identity
