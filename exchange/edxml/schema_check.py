"""schema_check — is the skeleton of a package valid by the schema of the reference form?

The element tree that the hardened reader built is checked, not the bytes: payloads
and their size play no part, and no second parser sees what a stranger sent.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import Any

from lxml import etree

from exchange.edxml.findings import Findings
from exchange.edxml.parser import QCVN, Node, Reader

_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_NAME = re.compile(r"[A-Za-z_][\w.-]*", re.ASCII)


@cache
def _schema(name: str) -> etree.XMLSchema:
    return etree.XMLSchema(etree.fromstring((files("schemas") / f"{name}.xsd").read_bytes()))


def check_schema(reader: Reader, name: str, findings: Findings) -> None:
    """Warnings for what the schema (``edxml`` or ``status``) does not allow, at the path of the element."""
    if reader.root is None:
        return
    places: list[str] = []
    root = _element(reader.root, None, "", places)
    schema = _schema(name)
    if schema.validate(root):
        return
    log: Any = schema.error_log
    for entry in log:
        place = places[entry.line - 1] if 0 < entry.line <= len(places) else "/"
        findings.warn("edxml.schema", place, re.sub(r"\{[^}]*\}", "", entry.message))


def _element(node: Node, parent: etree._Element | None, above: str, places: list[str]) -> etree._Element:
    """A copy of the tree; each element's line is its number, by which its path is found again."""
    name = node.name if _NAME.fullmatch(node.name) else "_"
    tag = f"{{urn:foreign}}{name}" if node.foreign else f"{{{QCVN}}}{name}"
    made = etree.Element(tag) if parent is None else etree.SubElement(parent, tag)
    places.append(f"{above}/{node.name}" if above else node.name)
    numbered: Any = made
    numbered.sourceline = len(places)
    here = places[-1]
    for attribute, value in node.attributes.items():
        if ":" not in attribute and attribute != "xmlns" and _NAME.fullmatch(attribute):
            made.set(attribute, _FORBIDDEN.sub("", value))
    if node.text.strip():
        made.text = _FORBIDDEN.sub("", node.text)
    for child in node.children:
        _element(child, made, here, places)
    return made
