"""The document that gets signed: two pages, declared signature fields, a text field, a check box,
overlays, an annotation. Everything an attack later plays with is there before the signature."""

from __future__ import annotations

from tests.security.attacks.builders import PLAIN, Pdf, Style, stream, write

CATALOG, PAGES, PAGE, CONTENT, FONT, FORM, PERSON, AGENCY, TEXT, CHECK = range(1, 11)
LOOK, OVERLAY, PAGE2, CONTENT2, NOTE, META, COVER, YES, LAYER, THIRD = range(11, 21)
FORGED = b"BT /F1 18 Tf 72 720 Td (Forged text) Tj ET"
ORIGINAL = b"BT /F1 18 Tf 72 720 Td (Cong van so 125) Tj ET q 200 0 0 30 60 500 cm /Im0 Do Q /Fx0 Do"
FONTS = b"/Font << /F1 5 0 R >>"
METADATA = (
    b'<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:format>application/pdf</dc:format></rdf:Description></rdf:RDF></x:xmpmeta>'
    b'<?xpacket end="w"?>'
)
SIGNATURE_FIELD = b"<< /Type /Annot /Subtype /Widget /FT /Sig /T (%s) /F 132 /P 3 0 R /Rect [%s] >>"


def page(content: bytes = b"4 0 R", more: bytes = b"") -> bytes:
    """Body of the first page."""
    annotations = b" ".join(b"%d 0 R" % n for n in (PERSON, AGENCY, TEXT, CHECK, NOTE, THIRD))
    return b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents %s /Resources << %s /XObject << /Im0 12 0 R /Fx0 17 0 R >> >> /Annots [%s] %s>>" % (
        content,
        FONTS,
        annotations,
        more,
    )


def bodies(*, lock: bytes = b"", catalog: bytes = b"") -> dict[int, bytes]:
    """All objects of the document. `lock` goes into the agency's field, `catalog` into the catalog."""
    look = b"/Type /XObject /Subtype /Form /BBox [0 0 200 20] /Resources << %s >> " % FONTS
    return {
        CATALOG: b"<< /Type /Catalog /Pages 2 0 R /AcroForm 6 0 R /Metadata 16 0 R %s>>" % catalog,
        PAGES: b"<< /Type /Pages /Kids [3 0 R 13 0 R] /Count 2 >>",
        PAGE: page(),
        CONTENT: stream(ORIGINAL),
        FONT: b"<< /Type /Font /Subtype /Type1 /BaseFont /Times-Roman >>",
        FORM: b"<< /Fields [7 0 R 8 0 R 9 0 R 10 0 R 20 0 R] /SigFlags 3 /DA (/F1 10 Tf 0 g) /DR << %s >> >>" % FONTS,
        PERSON: SIGNATURE_FIELD % (b"NguoiKy", b"0 0 0 0"),
        AGENCY: (SIGNATURE_FIELD % (b"CoQuan", b"300 100 400 160"))[:-2] + lock + b">>",
        TEXT: b"<< /Type /Annot /Subtype /Widget /FT /Tx /T (GhiChu) /V (So 125) /DA (/F1 10 Tf 0 g) /F 4 /P 3 0 R "
        b"/Rect [60 600 260 620] /AP << /N 11 0 R >> >>",
        CHECK: b"<< /Type /Annot /Subtype /Widget /FT /Btn /T (Dong) /V /Off /AS /Off /F 4 /P 3 0 R /Rect [60 560 80 580] /AP << /N << /Yes 18 0 R >> >> >>",
        LOOK: stream(b"/Tx BMC BT /F1 10 Tf 2 5 Td (So 125) Tj ET EMC", look),
        OVERLAY: stream(b"\xff\xff\xff", b"/Type /XObject /Subtype /Image /Width 1 /Height 1 /ColorSpace /DeviceRGB /BitsPerComponent 8 "),
        PAGE2: b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 14 0 R /Resources << %s >> >>" % FONTS,
        CONTENT2: stream(b"BT /F1 18 Tf 72 720 Td (Trang 2) Tj ET"),
        NOTE: b"<< /Type /Annot /Subtype /Square /Rect [60 400 260 430] /IC [1 1 1] /F 4 /P 3 0 R /Contents (che) >>",
        META: stream(METADATA, b"/Type /Metadata /Subtype /XML "),
        COVER: stream(b"1 g 60 450 200 30 re f", b"/Type /XObject /Subtype /Form /BBox [0 0 595 842] "),
        YES: stream(b"0 0 20 20 re f", b"/Type /XObject /Subtype /Form /BBox [0 0 20 20] "),
        LAYER: b"<< /Type /OCG /Name (Lop) >>",
        THIRD: SIGNATURE_FIELD % (b"VanThuDen", b"0 0 0 0"),
    }


def draft(style: Style = PLAIN, **more: bytes) -> Pdf:
    """The unsigned document in a writer's style."""
    return write(bodies(**more), style)


def pure(style: Style = PLAIN) -> Pdf:
    """The same with signature fields only: differences of other fields cannot hide anything."""
    objects = {n: body for n, body in bodies().items() if n not in (TEXT, CHECK, LOOK, YES)}
    for number in (PAGE, FORM):
        objects[number] = objects[number].replace(b" 9 0 R 10 0 R", b"")
    return write(objects, style)


def slim(style: Style = PLAIN) -> Pdf:
    """One page without any form: what a word processor gives."""
    return write(
        {
            CATALOG: b"<< /Type /Catalog /Pages 2 0 R >>",
            PAGES: b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
            PAGE: b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << %s >> >>" % FONTS,
            CONTENT: stream(b"BT /F1 18 Tf 72 720 Td (Cong van) Tj ET"),
            FONT: b"<< /Type /Font /Subtype /Type1 /BaseFont /Times-Roman >>",
        },
        style,
    )
