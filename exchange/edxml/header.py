"""header — the elements of MessageHeader and TraceHeaderList into values, in every dialect's spelling."""

from __future__ import annotations

from collections.abc import Iterable

from exchange.edxml.parser import Node
from exchange.edxml.survey import SECRECY
from exchange.edxml.values import Values, nfc, parse_timestamp
from exchange.envelope import Business, Header, Kind, Organ, Priority, ReceiverChange, Replacement, ResponseFor, Staff, Trace
from exchange.errors import InvalidField, MissingField

M = "MessageHeader"
_OPEN = frozenset({"", "0", "khong", "thuong", "none", "false", "normal", "không", "thường"})
_LONGEST_ID = 500


def read_header(message: Node, traces: Node | None, values: Values) -> Header:
    """The values of a document's headers; what is missing or wrong becomes a finding."""
    sender = message.find("From")
    other = message.find("OtherInfo")
    signer = message.find("SignerInfo") or message.find("Author")
    document_id = nfc(message.value("DocumentId"))
    _check_identity(message, sender, document_id, values)
    return Header(
        sender=organ(sender) if sender is not None else Organ(""),
        recipients=tuple(organ(node) for node in message.all("To")),
        document_id=document_id,
        subject=text(message, "Subject"),
        code_number=text(message, "Code/CodeNumber"),
        code_notation=text(message, "Code/CodeNotation"),
        place=text(message, "PromulgationInfo/Place"),
        promulgation_date=values.day(message, "PromulgationInfo/PromulgationDate", f"{M}/PromulgationInfo/PromulgationDate"),
        type_group=values.integer(message, "DocumentType/Type", f"{M}/DocumentType/Type"),
        type_detail=values.integer(message, "DocumentType/TypeDetail", f"{M}/DocumentType/TypeDetail"),
        type_name=text(message, "DocumentType/TypeName"),
        content=text(message, "Content"),
        competence=text(signer, "Competence"),
        position=text(signer, "Position") or text(signer, "Function"),
        full_name=text(signer, "FullName"),
        due_date=values.day(message, "DueDate", f"{M}/DueDate"),
        priority=Priority(values.integer(other, "Priority", f"{M}/OtherInfo/Priority", max(Priority)) or 0),
        sphere=text(other, "SphereOfPromulgation"),
        typer_notation=text(other, "TyperNotation"),
        amount=values.integer(other, "PromulgationAmount", f"{M}/OtherInfo/PromulgationAmount", 999_999_999),
        pages=values.integer(other, "PageAmount", f"{M}/OtherInfo/PageAmount", 999_999_999),
        direction=values.truth(other, "Direction", f"{M}/OtherInfo/Direction"),
        appendixes=_texts(other, "Appendixes", "Appendix"),
        responses_for=_responses(message, values),
        steering_type=values.integer(message, "SteeringType", f"{M}/SteeringType"),
        to_places=_texts(message, "ToPlaces", "Place"),
        reply_fors=_texts(other, "ReplyFors", "ReplyFor"),
        reference_codes=_references(other) or _references(message),
        task_codes=_texts(message, "ResponseForTask", "TaskCode"),
        application_type=text(message, "ApplicationType"),
        business=_business(traces, values),
        traces=_traces(traces, values),
        secrecy=_secrecy(message, other),
        raw=tuple(values.raw),
    )


def _check_identity(message: Node, sender: Node | None, document_id: str, values: Values) -> None:
    findings = values.findings
    if sender is None or not sender.value("OrganId"):
        findings.reject(MissingField, f"{M}/From/OrganId", "OrganId")
    if not document_id:
        findings.reject(MissingField, f"{M}/DocumentId", "DocumentId")
    if len(document_id) > _LONGEST_ID:
        findings.reject(InvalidField, f"{M}/DocumentId", f"longer than {_LONGEST_ID} characters")
    number = 0
    for number, recipient in enumerate(message.all("To"), 1):
        if not recipient.value("OrganId"):
            findings.reject(MissingField, f"{M}/To[{number}]/OrganId", "OrganId")
    if not number:
        findings.reject(MissingField, f"{M}/To", "To")


def text(node: Node | None, path: str) -> str:
    """Stripped NFC text along `path`, "" when absent."""
    return nfc(node.value(path)) if node is not None else ""


def organ(node: Node) -> Organ:
    """From or To."""
    by_key = {child.key: nfc(child.text.strip()) for child in reversed(node.children) if not child.foreign}
    return Organ(
        code=by_key.get("organid", ""),
        name=by_key.get("organname", ""),
        in_charge=by_key.get("organizationincharge", "") or by_key.get("organincharge", ""),
        address=by_key.get("organadd", ""),
        email=by_key.get("email", ""),
        telephone=by_key.get("telephone", ""),
        fax=by_key.get("fax", ""),
        website=by_key.get("website", ""),
    )


def response_for(node: Node) -> ResponseFor:
    """ResponseFor of a document or a status."""
    return ResponseFor(node.value("OrganId"), text(node, "Code"), text(node, "DocumentId"), node.value("PromulgationDate"))


def staff(node: Node | None) -> Staff | None:
    """StaffInfo; None when it says nothing."""
    if node is None:
        return None
    found = Staff(text(node, "Department"), text(node, "Staff"), text(node, "Email"), text(node, "Mobile"))
    return found if found != Staff() else None


def _responses(message: Node, values: Values) -> tuple[ResponseFor, ...]:
    found = []
    for number, node in enumerate(message.all("ResponseFor"), 1):
        response = response_for(node)
        if response == ResponseFor():
            values.findings.warn("edxml.empty_response", f"{M}/ResponseFor[{number}]")
        else:
            values.day(node, "PromulgationDate", f"{M}/ResponseFor[{number}]/PromulgationDate")
            found.append(response)
    return tuple(found)


def _references(node: Node | None) -> tuple[str, ...]:
    holder = node.find("ReferenceCodes") if node is not None else None
    if holder is None:
        return ()
    return _kept(holder.children) if holder.children else _kept((holder,))


def _texts(node: Node | None, group: str, item: str) -> tuple[str, ...]:
    holder = node.find(group) if node is not None else None
    return _kept(holder.all(item)) if holder is not None else ()


def _kept(nodes: Iterable[Node]) -> tuple[str, ...]:
    """Texts of the elements that have any."""
    return tuple(t for t in (nfc(node.text.strip()) for node in nodes) if t)


def _traces(traces: Node | None, values: Values) -> tuple[Trace, ...]:
    found = []
    for number, node in enumerate(traces.all("TraceHeader") if traces is not None else (), 1):
        place = f"TraceHeaderList/TraceHeader[{number}]"
        code = node.value("OrganId")
        if code in ("", "null"):
            values.findings.warn("edxml.trace_organ", f"{place}/OrganId", code)
        values.moment(node, "Timestamp", f"{place}/Timestamp")
        stamp = node.value("Timestamp")
        found.append(Trace(code, stamp, parse_timestamp(stamp)))
    return tuple(found)


def _business(traces: Node | None, values: Values) -> Business:
    if traces is None:
        values.findings.warn("edxml.no_trace", "TraceHeaderList")
        return Business()
    node = traces.find("Bussiness") or traces.find("Business")
    if node is None:
        values.findings.warn("edxml.no_business", "TraceHeaderList/Bussiness")
        return Business()
    place = f"TraceHeaderList/{node.name}"
    if node.key == "business":
        values.findings.warn("edxml.business_spelling", place)
    kind = node.value("BussinessDocType") or node.value("BusinessDocType") or "0"
    values.raw.append((f"{place}/BussinessDocType", kind[:200]))
    if kind not in ("0", "1", "2", "3"):
        # Taking a recall for a new document would be worse than refusing it.
        values.findings.reject(InvalidField, f"{place}/BussinessDocType", kind)
        kind = "0"
    info = node.find("BussinessDocumentInfo") or node.find("BusinessDocumentInfo")
    replacements = node.find("ReplacementInfoList")
    return Business(
        kind=Kind(int(kind)),
        document_id=text(node, "DocumentId"),
        reason=text(node, "BussinessDocReason") or text(node, "BusinessDocReason"),
        paper=bool(values.integer(node, "Paper", f"{place}/Paper")),
        content_changed=values.truth(info, "DocumentInfo", f"{place}/BussinessDocumentInfo/DocumentInfo"),
        receivers_changed=values.truth(info, "DocumentReceiver", f"{place}/BussinessDocumentInfo/DocumentReceiver"),
        receivers=_changes(info, place, values),
        replacements=tuple(
            Replacement(text(r, "DocumentId"), _texts(r, "OrganIdList", "OrganId"))
            for r in (replacements.all("ReplacementInfo") if replacements is not None else ())
        ),
        staff=staff(node.find("StaffInfo")),
    )


def _changes(info: Node | None, place: str, values: Values) -> tuple[ReceiverChange, ...]:
    receivers = info.find("ReceiverList") if info is not None else None
    found = []
    for number, node in enumerate(receivers.all("Receiver") if receivers is not None else (), 1):
        path = f"{place}/BussinessDocumentInfo/ReceiverList/Receiver[{number}]"
        added = node.value("ReceiverType")
        values.raw.append((f"{path}/ReceiverType", added[:200]))
        if added not in ("0", "1"):
            values.findings.reject(InvalidField, f"{path}/ReceiverType", added)
        found.append(ReceiverChange(node.value("OrganId"), added == "1"))
    return tuple(found)


def _secrecy(message: Node, other: Node | None) -> str:
    for parent in (message, other) if other is not None else (message,):
        for name in SECRECY:
            for node in parent.all(name):
                if node.text.strip().lower() not in _OPEN:
                    return nfc(node.text.strip())
    return ""
