"""dialect — which of the seven dialects of edXML a package speaks, told by its marks (edxml.md 1.10)."""

from __future__ import annotations

from exchange.edxml.parser import EDOC, GOVN, Node, Reader

NAMES: dict[str, tuple[str, str]] = {
    "D1": ("Dạng chuẩn (thư viện Java EdXML102)", "Reference form (Java library EdXML102)"),
    "D2": (".NET EdXML102 / VPCPXRoadSdk", ".NET EdXML102 / VPCPXRoadSdk"),
    "D3": ("eDoc (không gian tên e-doc.vn hoặc lối viết BKAV)", "eDoc (namespace e-doc.vn or BKAV's spelling)"),
    "D4": ("SOAP theo CV 512 và CV 2803", "SOAP of CV 512 and CV 2803"),
    "D5": ("Dạng phẳng go.vn", "go.vn, flat"),
    "D6": ("Hồ sơ một cửa (ApplicationType, ReferenceCodes)", "One-stop dossiers (ApplicationType, ReferenceCodes)"),
    "D7": ("Cổng iOffice", "iOffice gateway"),
}


def dialect_of(reader: Reader, header: Node, message: Node) -> str:
    """D1…D7; D1 when nothing speaks against it."""
    root = reader.root
    if root is None:
        return "D1"
    if root.key == "envelope":
        return "D4"
    if reader.namespace == GOVN:
        return "D5"
    if message.find("ApplicationType") or message.find("ReferenceCodes") or message.find("OtherInfo/ReferenceCodes"):
        return "D6"
    traces = header.find("TraceHeaderList")
    if _is_net(root, header, traces):
        return "D2"
    encoded = root.find("AttachmentEncoded") or root.find("edXMLEnvelope/AttachmentEncoded")
    organs = [*message.all("From"), *message.all("To")]
    if reader.namespace.rstrip("/") == EDOC.rstrip("/") or any(o.find("OrganInCharge") for o in organs):
        return "D3"
    if encoded is not None and encoded.prefix and all(a.prefix for a in encoded.children):
        return "D3"
    files = sum(1 for _ in encoded.all("Attachment")) if encoded is not None else 0
    unnamed = traces is not None and any(t.value("OrganId") in ("", "null") for t in traces.all("TraceHeader"))
    return "D7" if unnamed and files > 1 else "D1"


def _is_net(root: Node, header: Node, traces: Node | None) -> bool:
    if "xmlns:xsi" in root.attributes and "xmlns:xsd" in root.attributes or header.find("DigitalSignature"):
        return True
    if traces is not None and any(name.rpartition(":")[2] in ("mustUnderstand", "actor") for name in traces.attributes):
        return True
    references = root.find("edXMLEnvelope/edXMLBody/edXMLManifest")
    return references is not None and any(name.endswith(":href") for r in references.all("Reference") for name in r.attributes)
