"""What metadata say, and what of it is passed over by nobody."""

from __future__ import annotations

import pytest

from signing.verify_pdf.metadata import statements

HEAD = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:xmp="http://ns.adobe.com/xap/1.0/">'
TAIL = b"</rdf:RDF></x:xmpmeta>"
PLAIN = b'<rdf:Description rdf:about=""><dc:title>a</dc:title><xmp:ModifyDate>1</xmp:ModifyDate></rdf:Description>'


def said(body: bytes) -> frozenset[tuple[str, bytes]]:
    return statements(HEAD + body + TAIL)


@pytest.mark.parametrize(
    "body",
    [
        PLAIN.replace(b">1<", b">2<"),
        PLAIN.replace(b"<xmp:ModifyDate>1</xmp:ModifyDate>", b""),
        b'<rdf:Description rdf:about="" dc:title="a" xmp:ModifyDate="3"/>',
        b'<rdf:Description rdf:about=""><dc:title>a</dc:title></rdf:Description>\n<rdf:Description rdf:about="" xmp:ModifyDate="4"/>',
        PLAIN.replace(b"<dc:title>a", b"<dc:title><!-- x --> a "),
    ],
)
def test_the_same(body: bytes) -> None:
    assert said(body) == said(PLAIN)


@pytest.mark.parametrize(
    "new", [b"<dc:title>b", b'<dc:title xml:lang="vi">a', b"<dc:title><rdf:Alt><rdf:li>a</rdf:li></rdf:Alt>", b"<dc:source>c</dc:source><dc:title>a"]
)
def test_another(new: bytes) -> None:
    assert said(PLAIN.replace(b"<dc:title>a", new)) != said(PLAIN)


@pytest.mark.parametrize(
    "body",
    [
        PLAIN + b"<dc:Thing><dc:title>b</dc:title></dc:Thing>",
        PLAIN + b"b",
        b"b" + PLAIN,
        PLAIN.replace(b"</dc:title>", b"</dc:title>b"),
        PLAIN.replace(b"</dc:title>", b"</dc:title><dc:title>b</dc:title>"),
        PLAIN + PLAIN,
        PLAIN + TAIL[:10] + b"<dc:title>b</dc:title>" + HEAD[31:],
    ],
)
def test_what_readers_could_read_otherwise_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError):
        said(body)
