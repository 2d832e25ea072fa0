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

    Raises:
        ValueError: not well-formed, with a DTD, or too large.
    """
    if len(xmp) > LARGEST_XMP or b"<!DOCTYPE" in xmp:
        raise ValueError("metadata")
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_blank_text=True, remove_comments=True)
    try:
        root = etree.fromstring(xmp.strip(b"\0 \t\r\n"), parser)
    except etree.XMLSyntaxError as error:
        raise ValueError("metadata") from error
    found: set[tuple[str, bytes]] = set()
    for description in root.iter(f"{_RDF}Description"):
        about = description.get(f"{_RDF}about", "")
        for name, value in description.attrib.items():
            if str(name) not in _STAMPS and str(name) != f"{_RDF}about" and str(value):
                found.add((f"{about}|{name!s}", str(value).strip().encode()))
        for child in description:
            if str(child.tag) not in _STAMPS:
                found.add((f"{about}|{child.tag!s}", _value(child)))
    return frozenset(found)


def _value(element: etree._Element) -> bytes:
    if not len(element) and not element.attrib:
        return (element.text or "").strip().encode()
    parts = [(str(e.tag), (e.text or "").strip(), sorted((str(k), str(v)) for k, v in e.attrib.items())) for e in element.iter()]
    return repr(parts[1:]).encode()
