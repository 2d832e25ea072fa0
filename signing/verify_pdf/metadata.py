"""metadata — siêu dữ liệu: what a document's XMP says, apart from what each saving program stamps anew.

Signing programs renew times and their own name; anything else they may not touch.
"""

from __future__ import annotations

from lxml import etree

_RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
_XMP, _PDF, _MM = "{http://ns.adobe.com/xap/1.0/}", "{http://ns.adobe.com/pdf/1.3/}", "{http://ns.adobe.com/xap/1.0/mm/}"
_STAMPS = {
    f"{_XMP}ModifyDate",
    f"{_XMP}MetadataDate",
    f"{_XMP}CreatorTool",
    f"{_PDF}Producer",
    f"{_MM}InstanceID",
    f"{_MM}History",
}
LARGEST_XMP = 4 << 20


def statements(xmp: bytes) -> frozenset[tuple[str, bytes]]:
    """Every property of the XMP packet with its value, the stamps left out.

    Nothing that some reader could take for a statement is passed over: what is not a property of a
    description in the one rdf:RDF is refused, and so is a property that is stated twice.

    Raises:
        ValueError: not well-formed, with a DTD, too large, or not of that form.
    """
    if len(xmp) > LARGEST_XMP or b"<!DOCTYPE" in xmp:
        raise ValueError("metadata")
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_blank_text=True, remove_comments=True)
    try:
        root = etree.fromstring(xmp.strip(b"\0 \t\r\n"), parser)
    except etree.XMLSyntaxError as error:
        raise ValueError("metadata") from error
    while str(root.tag) != f"{_RDF}RDF":
        if len(root) != 1 or _text(root.text) or _text(root[0].tail):
            raise ValueError("metadata beside rdf:RDF")
        root = root[0]
    found: dict[str, bytes] = {}
    for description in root:
        if str(description.tag) != f"{_RDF}Description" or _text(description.text) or _text(description.tail):
            raise ValueError("metadata that are no description")
        about = description.get(f"{_RDF}about", "")
        said = [(str(name), str(value).strip().encode()) for name, value in description.attrib.items() if str(value) and str(name) != f"{_RDF}about"]
        said += [(str(child.tag), _value(child)) for child in description]
        for name, value in said:
            if name in _STAMPS:
                continue
            if f"{about}|{name}" in found:
                raise ValueError("metadata say a thing twice")
            found[f"{about}|{name}"] = value
        if any(_text(child.tail) for child in description) or _text(root.text):
            raise ValueError("text between metadata")
    return frozenset(found.items())


def _text(text: str | None) -> str:
    return (text or "").strip()


def _value(element: etree._Element) -> bytes:
    """A plain value as its text, any other as all of its elements with attributes and text."""
    if not len(element) and not element.attrib:
        return _text(element.text).encode()
    parts = [(str(e.tag), _text(e.text), "" if e is element else _text(e.tail), sorted((str(k), str(v)) for k, v in e.attrib.items())) for e in element.iter()]
    return repr([parts[0][1:], *parts[1:]]).encode()
