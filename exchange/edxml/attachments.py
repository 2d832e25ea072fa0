"""attachments — the manifest and the files: matched, typed by their bytes, unwrapped, checked for damage."""

from __future__ import annotations

from exchange.edxml.findings import Findings
from exchange.edxml.header import text
from exchange.edxml.parser import Limits, Node, Reader
from exchange.edxml.payload import Payload
from exchange.edxml.unwrap import UnsafeZip, unwrap
from exchange.envelope import Attachment, safe_name
from exchange.errors import DamagedAttachment, InvalidField, MissingAttachment

_FLOOD = 32  # that many U+FFFD in a binary file come from a text round trip, not from chance …
_CHANCE = 1 << 18  # … of which random bytes have one in 2^24; sixty-four times that is allowed
_GROUPS = ("edXMLEnvelope", "edXMLBody", "Body", "AllDocument", "Document", "Attach")
_MAGIC = (
    (b"PK\x03\x04", "application/zip"),
    (b"\x89PNG", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\xd0\xcf\x11\xe0", "application/x-ole-storage"),
)
_SAME = {
    "application/pdf": ("pdf",),
    "application/zip": ("zip", "docx", "xlsx", "pptx", "openxmlformats", "opendocument", "asic"),
    "application/x-ole-storage": ("doc", "xls", "ppt", "msword", "ms-excel", "ms-powerpoint"),
    "application/xml": ("xml",),
}


def read_attachments(reader: Reader, findings: Findings, limits: Limits) -> tuple[Attachment, ...]:
    """Every file of the package, in the manifest's order: the first is the main document."""
    root = reader.root
    if root is None:
        return ()
    references = [r for manifest in _manifests(root) for r in manifest.all("Reference")]
    found = _files(root)
    listed = [_content_id(node) for node in references]
    by_id: dict[str, Node] = {}
    for number, node in enumerate(found, 1):
        identity = _content_id(node)
        if identity and identity in by_id:
            findings.reject(InvalidField, f"AttachmentEncoded/Attachment[{number}]/ContentId", "repeated")
        by_id.setdefault(identity, node)
    _check_complete(references, listed, found, by_id, findings)
    # The manifest's order says which is the main document.
    ordered: list[tuple[Node, Node | None]] = []
    if all(listed) and "" not in by_id:
        ordered = [(by_id[i], r) for i, r in zip(listed, references, strict=True) if i in by_id]
    elif references and found:
        findings.warn("edxml.no_content_id", "AttachmentEncoded")
        ordered = list(zip(found, references, strict=False))
    known = {id(node) for node, _ in ordered}
    unlisted = [node for node in found if id(node) not in known]
    if unlisted and references:
        findings.warn("edxml.unlisted", "edXMLManifest")
    files = {id(node): number for number, node in enumerate(found, 1)}
    everything = [*ordered, *((node, None) for node in unlisted)]
    made: list[Attachment] = []
    left = limits.unwrapped
    for position, (node, reference) in enumerate(everything):
        made.append(_attachment(position, node, reference, files[id(node)], findings, left))
        left -= made[-1].size if made[-1].unwrapped else 0
    return tuple(made)


def _manifests(root: Node) -> list[Node]:
    return [n for name in ("edXMLManifest", "Manifest") for n in _under(root, name)]


def _under(node: Node, name: str) -> list[Node]:
    """Elements of that name, through the groups that dialects nest them in."""
    found = list(node.all(name))
    for group in _GROUPS:
        for child in node.all(group):
            found += _under(child, name)
    return found


def _files(root: Node) -> list[Node]:
    holders = [*_under(root, "AttachmentEncoded"), *_manifests(root), *_under(root, "Attach")]
    return [node for holder in holders for node in holder.all("Attachment")]


def _check_complete(references: list[Node], listed: list[str], found: list[Node], by_id: dict[str, Node], findings: Findings) -> None:
    for number, (identity, node) in enumerate(zip(listed, references, strict=True), 1):
        place = f"edXMLManifest/Reference[{number}]"
        if identity and identity not in by_id and "" not in by_id:
            findings.reject(MissingAttachment, place, text(node, "AttachmentName") or identity)
        if identity and identity in listed[: number - 1]:
            findings.reject(InvalidField, f"{place}/ContentId", "repeated")
    if len(references) > len(found):
        findings.reject(MissingAttachment, "AttachmentEncoded", f"{len(found)} of {len(references)}")


def _content_id(node: Node) -> str:
    own = node.value("ContentId")
    if not own:
        own = next((v for n, v in node.attributes.items() if n.rpartition(":")[2].lower() in ("href", "contentid", "content-id")), "")
    return own.strip().removeprefix("cid:").strip("<>")


def _attachment(position: int, node: Node, reference: Node | None, number: int, findings: Findings, room: int) -> Attachment:
    place = f"AttachmentEncoded/Attachment[{number}]"
    stored = next((child.payload for child in node.children if child.payload is not None), None)
    sent_name = text(node, "AttachmentName") or text(node, "FileName") or text(node, "name") or text(reference, "AttachmentName")
    name = sent_name or _attribute(node, "name")
    declared = node.value("ContentType") or node.value("FileType") or _attribute(node, "content-type") or (reference.value("ContentType") if reference else "")
    if stored is None or stored.size == 0 and not stored.damage:
        findings.reject(MissingAttachment, place, "empty")
        stored = None
    elif stored.damage:
        findings.reject(DamagedAttachment, f"{place}/ContentTransferEncoded", stored.damage)
    if name and safe_name(name) != name:
        findings.warn("edxml.unsafe_name", f"{place}/AttachmentName", name)
    inner = _unwrapped(stored, name, f"{place}/ContentTransferEncoded", findings, room) if stored is not None and not stored.damage else None
    body = inner or stored
    media_type = sniff_type(body.head) if body is not None else ""
    if body is not None and media_type != "text/plain" and body.replacements >= _FLOOD + body.scanned // _CHANCE:
        findings.reject(DamagedAttachment, f"{place}/ContentTransferEncoded", f"{body.replacements} × U+FFFD")
    if stored is not None and not _agree(declared, sniff_type(stored.head)):
        findings.warn("edxml.type_mismatch", f"{place}/ContentType", f"{declared[:60]} ≠ {sniff_type(stored.head)}")
    return Attachment(
        position=position,
        content_id=_content_id(node),
        name=name,
        description=text(node, "Description") or text(reference, "Description"),
        declared_type=declared,
        media_type=media_type,
        size=body.size if body is not None else 0,
        sha256=body.sha256 if body is not None else "",
        path=body.path if body is not None else None,
        stored_path=stored.path if stored is not None else None,
        stored_sha256=stored.sha256 if stored is not None else "",
        stored_size=stored.size if stored is not None else 0,
    )


def _attribute(node: Node, name: str) -> str:
    return next((v.strip() for n, v in node.attributes.items() if n.rpartition(":")[2].lower() == name), "")


def _unwrapped(stored: Payload, name: str, place: str, findings: Findings, room: int) -> Payload | None:
    try:
        inner = unwrap(stored, name, stored.path.with_name(f"{stored.path.name}.unwrapped"), room)
    except UnsafeZip as unsafe:
        findings.warn("edxml.not_unwrapped", place, str(unsafe))
        return None
    if inner is not None:
        findings.warn("edxml.unwrapped", place)
    return inner


def _agree(declared: str, found: str) -> bool:
    """Whether a declared type may stand for these bytes; builders write bogus ones such as application/docx."""
    said = declared.lower().split(";")[0].strip()
    if not said or said in (found, "application/octet-stream", "binary/octet-stream") or found == "application/octet-stream" and "pdf" not in said:
        return True
    if found == "text/plain" and said.startswith("text/"):
        return True
    return any(word in said for word in _SAME.get(found, ()))


def sniff_type(head: bytes) -> str:
    """Media type by magic bytes of the first 512."""
    at = head.find(b"%PDF-")
    # A PDF header after a ZIP's first entry name is that entry's content; anywhere else a viewer may take the file for a PDF, and so do we.
    if at >= 0 and not (head.startswith(b"PK\x03\x04") and at == 30 + int.from_bytes(head[26:28], "little") + int.from_bytes(head[28:30], "little")):
        return "application/pdf"
    for magic, media_type in _MAGIC:
        if head.startswith(magic):
            return media_type
    if head.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"<?xml"):
        return "application/xml"
    return "text/plain" if not any(b < 9 for b in head) and _is_text(head) else "application/octet-stream"


def _is_text(head: bytes) -> bool:
    try:
        head[:500].decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start > len(head[:500]) - 4
    return True
