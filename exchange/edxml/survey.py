"""survey — which elements a package may have, in any dialect: what is unknown is kept, what is twice is refused.

Readers that disagree on which of two values counts are how a document reaches
one agency by one system and another agency by the next; so an element that may
stand once and stands twice, or a comment that splits a value, is a reason to refuse.
"""

from __future__ import annotations

from exchange.edxml.findings import Findings
from exchange.edxml.parser import Node
from exchange.edxml.values import nfc
from exchange.errors import InvalidField

_ORGAN = frozenset({"organid", "organizationincharge", "organincharge", "organname", "organadd", "email", "telephone", "fax", "website"})
_STAFF = frozenset({"department", "departmentid", "staff", "staffid", "email", "mobile"})
_BUSINESS = frozenset(
    {"documentid", "bussinessdoctype", "businessdoctype", "bussinessdocreason", "businessdocreason", "paper", "bussinessdocumentinfo"}
    | {"businessdocumentinfo", "replacementinfolist", "staffinfo"}
)
_INFO = frozenset({"documentinfo", "documentreceiver", "receiverlist"})
SECRECY = ("Secret", "SecretLevel", "Secrecy", "SecurityLevel", "DoMat", "Confidential")
_SECRECY = frozenset(name.lower() for name in SECRECY)
_MESSAGE = frozenset(
    {"from", "to", "documentid", "code", "promulgationinfo", "documenttype", "subject", "content", "signerinfo", "author", "duedate", "otherinfo"}
    | {"responsefor", "steeringtype", "responsefortask", "applicationtype", "toplaces", "referencecodes"}
    | {"staffinfo", "statuscode", "description", "timestamp"}
)
_OTHER = frozenset(
    {"priority", "sphereofpromulgation", "typernotation", "promulgationamount", "pageamount", "replyfors", "direction", "referencecodes", "appendixes"}
)
CHILDREN: dict[str, frozenset[str]] = {
    "messageheader": _MESSAGE | _SECRECY,
    "from": _ORGAN,
    "to": _ORGAN,
    "code": frozenset({"codenumber", "codenotation"}),
    "promulgationinfo": frozenset({"place", "promulgationdate"}),
    "documenttype": frozenset({"type", "typedetail", "typename"}),
    "signerinfo": frozenset({"competence", "position", "fullname"}),
    "author": frozenset({"competence", "function", "position", "fullname"}),
    "otherinfo": _OTHER | _SECRECY,
    "replyfors": frozenset({"replyfor"}),
    "referencecodes": frozenset({"referencecode", "code"}),
    "appendixes": frozenset({"appendix"}),
    "responsefor": frozenset({"organid", "code", "documentid", "promulgationdate"}),
    "responsefortask": frozenset({"taskcode"}),
    "toplaces": frozenset({"place"}),
    "traceheaderlist": frozenset({"traceheader", "bussiness", "business"}),
    "traceheader": frozenset({"organid", "timestamp"}),
    "bussiness": _BUSINESS,
    "business": _BUSINESS,
    "bussinessdocumentinfo": _INFO,
    "businessdocumentinfo": _INFO,
    "receiverlist": frozenset({"receiver"}),
    "receiver": frozenset({"organid", "receivertype"}),
    "replacementinfolist": frozenset({"replacementinfo"}),
    "replacementinfo": frozenset({"documentid", "organidlist"}),
    "organidlist": frozenset({"organid"}),
    "staffinfo": _STAFF,
    "edxmlmanifest": frozenset({"reference"}),
    "manifest": frozenset({"reference", "attachment"}),
    "reference": frozenset({"contentid", "contenttype", "description", "attachmentname"}),
    "attachmentencoded": frozenset({"attachment"}),
    "alldocument": frozenset({"document"}),
    "document": frozenset({"attach"}),
    "attach": frozenset({"attachment"}),
    "attachment": frozenset(
        {"contentid", "attachmentname", "description", "fieldname", "mimetype", "format", "contenttype", "contenttransferencoded"}
        | {"content", "filename", "filetype", "name", "value"}
    ),
}
MANY = frozenset(
    {("messageheader", "to"), ("messageheader", "responsefor"), ("traceheaderlist", "traceheader"), ("receiverlist", "receiver")}
    | {("replacementinfolist", "replacementinfo"), ("organidlist", "organid"), ("appendixes", "appendix"), ("toplaces", "place")}
    | {("edxmlmanifest", "reference"), ("manifest", "reference"), ("manifest", "attachment"), ("attachmentencoded", "attachment")}
    | {("alldocument", "document"), ("document", "attach"), ("attach", "attachment")}
    | {("responsefortask", "taskcode"), ("replyfors", "replyfor"), ("referencecodes", "referencecode"), ("referencecodes", "code")}
)
_TEXT_ONLY = frozenset({"code"})  # an element of this name may be a group or a text: in ResponseFor it is a text


class Survey:
    """Walks the headers once."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self.extensions: list[tuple[str, str]] = []

    def walk(self, node: Node, place: str) -> None:
        """Everything under a known element."""
        allowed = CHILDREN[node.key]
        counts: dict[str, int] = {}
        for child in node.children:
            many = (node.key, child.key) in MANY
            counts[child.key] = number = counts.get(child.key, 0) + (not child.foreign)
            path = f"{place}/{child.name}[{number}]" if many else f"{place}/{child.name}"
            if child.foreign or child.key not in allowed:
                self._keep(child, path)
                continue
            if number > 1 and not many:
                self._findings.reject(InvalidField, path, "repeated")
            if child.split:
                self._findings.reject(InvalidField, path, "a comment splits the value")
            if child.key in CHILDREN and not (child.key in _TEXT_ONLY and node.key != "messageheader"):
                self.walk(child, path)
            elif child.children:
                self._keep(child, path)
        if {"bussiness", "business"} <= counts.keys():
            self._findings.reject(InvalidField, f"{place}/Business", "repeated")

    def _keep(self, node: Node, path: str) -> None:
        self._findings.warn("edxml.foreign_element" if node.foreign else "edxml.unknown_element", path)
        self.keep(node, path)

    def keep(self, node: Node, path: str) -> None:
        """Text of an element and of all below it into the bag."""
        if node.text.strip() or not node.children:
            self.extensions.append((path, nfc(node.text.strip())))
        for child in node.children:
            self.keep(child, f"{path}/{child.name}")
