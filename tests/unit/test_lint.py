"""The check before signing: each rule says something about the file it is for, and nothing about a good one."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import pikepdf
import pytest
from pikepdf import Array, Dictionary, Name, String

from signing.lint import Expected, LintFacts, Scan, judge
from signing.reasons import CATALOGUE
from signing.reasons_of_presentation import PRESENTATION
from signing.sign_pdf import lint_pages
from signing.sign_pdf.lint_reader import lint, read_facts
from tests.house import Pki, letter

TEXT = (
    "UBND TỈNH (MÔ PHỎNG)\nSố: 07/QĐ-UBND\nCỘNG HOÀ XÃ HỘI CHỦ NGHĨA VIỆT NAM\nĐộc lập - Tự do - Hạnh phúc\n"
    "Tỉnh mô phỏng, ngày 05 tháng 3 năm 2026\nQUYẾT ĐỊNH\nNơi nhận:\n- Như Điều 3;",
)
GOOD = LintFacts(text=TEXT)
SCAN = Scan(1, 300, True, 1.0, (210, 297))


def codes(facts: LintFacts, **expected: object) -> list[str]:
    return [r.code for r in judge(facts, Expected(**expected))]  # type: ignore[arg-type]


def test_a_good_document_gives_no_warning() -> None:
    assert codes(GOOD, number="7/QĐ-UBND", issued=date(2026, 3, 5)) == []
    assert codes(replace(GOOD, scans=(SCAN,))) == []


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"version": (1, 3)}, "lint.version"),
        ({"hybrid": True}, "lint.hybrid_xref"),
        ({"revisions": 2}, "lint.revisions"),
        ({"duplicated": (5,)}, "lint.duplicate_object"),
        ({"unreachable": (9,)}, "lint.unreachable_object"),
        ({"optional_content": True}, "lint.optional_content"),
        ({"embedded": ("a.xml",)}, "lint.embedded_file"),
        ({"fields": ("So",)}, "lint.undeclared_field"),
        ({"differing": ("So",)}, "lint.value_differs"),
        ({"covered_text": (1,)}, "lint.hidden_text"),
        ({"outside": (1,)}, "lint.outside_page"),
        ({"scans": (replace(SCAN, dpi=150),)}, "lint.resolution"),
        ({"scans": (replace(SCAN, colour=False),)}, "lint.grey"),
        ({"scans": (replace(SCAN, page_mm=(180, 250)),)}, "lint.scale"),
        ({"scans": (replace(SCAN, coverage=0.8),)}, "lint.scale"),
        ({"actions": (("JavaScript", "4 0 R"),)}, "lint.javascript"),
        ({"actions": (("AA", "4 0 R"),)}, "lint.automatic_action"),
        ({"actions": (("Launch", "4 0 R"),)}, "lint.launch"),
        ({"actions": (("External", "4 0 R"),)}, "lint.external"),
        ({"text": None}, "lint.text_not_checked"),
        ({"encrypted": True}, "lint.encrypted"),
        ({"error": "PdfReadError"}, "lint.unreadable"),
    ],
)
def test_each_rule(changes: dict[str, object], code: str) -> None:
    assert codes(replace(GOOD, **changes)) == [code]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("removed", "detail"),
    [("CỘNG HOÀ", "Quốc hiệu"), ("Hạnh phúc", "Tiêu ngữ"), ("Nơi nhận", "Nơi nhận"), ("07/QĐ-UBND", "Số, ký hiệu"), ("ngày 05", "Địa danh và thời gian")],
)
def test_each_component(removed: str, detail: str) -> None:
    found = judge(replace(GOOD, text=(TEXT[0].replace(removed, "…"),)))
    assert [r.code for r in found] == ["lint.component_missing"] and detail in found[0].vi


def test_the_envelope_and_the_document_say_the_same() -> None:
    assert codes(GOOD, number="8/QĐ-UBND") == ["lint.number_differs"]
    assert codes(GOOD, issued=date(2026, 3, 6)) == ["lint.date_differs"]
    assert codes(replace(GOOD, text=("",)), number="8/QĐ-UBND") == []  # a scan without text
    assert codes(replace(GOOD, text=("PHỤ LỤC",)), components=False) == []


def test_declared_things_and_signed_files_are_no_surprise() -> None:
    assert codes(replace(GOOD, fields=("NguoiKy", "CoQuan"), embedded=("a.xml",)), embedded=("a.xml",)) == []
    assert codes(replace(GOOD, revisions=3, signatures=2)) == []


def changed(tmp_path: Path, change: Callable[[pikepdf.Pdf], None]) -> list[str]:
    """Codes for the plain letter after `change`."""
    source = letter(tmp_path / "plain.pdf")
    with pikepdf.open(source) as pdf:
        change(pdf)
        pdf.save(tmp_path / "changed.pdf")
    return [r.code for r in lint(tmp_path / "changed.pdf", components=False)]


def script(pdf: pikepdf.Pdf) -> None:
    pdf.Root.OpenAction = Dictionary(S=Name.JavaScript, JS=String("app.alert(1)"))


def opens_page(pdf: pikepdf.Pdf) -> None:
    pdf.Root.OpenAction = Array([pdf.pages[0].obj, Name.Fit])


def page_action(pdf: pikepdf.Pdf) -> None:
    pdf.pages[0].AA = Dictionary(O=Dictionary(S=Name.Named, N=Name.NextPage))


def link(pdf: pikepdf.Pdf, action: Dictionary) -> None:
    pdf.pages[0].Annots = Array([pdf.make_indirect(Dictionary(Type=Name.Annot, Subtype=Name.Link, Rect=Array([0, 0, 9, 9]), A=action))])


def layers(pdf: pikepdf.Pdf) -> None:
    group = pdf.make_indirect(Dictionary(Type=Name.OCG, Name=String("x")))
    pdf.Root.OCProperties = Dictionary(OCGs=Array([group]), D=Dictionary())


def attached(pdf: pikepdf.Pdf) -> None:
    pdf.attachments["a.txt"] = b"x"


def field(pdf: pikepdf.Pdf, value: str, shown: bytes) -> None:
    resources = Dictionary(Font=Dictionary(F=pdf.pages[0].Resources.Font.F1))
    look = pdf.make_stream(b"/Tx BMC BT /F 10 Tf 2 5 Td (" + shown + b") Tj ET EMC", Resources=resources)
    look.stream_dict.update({"/Type": Name.XObject, "/Subtype": Name.Form, "/BBox": Array([0, 0, 100, 20])})
    widget = Dictionary(Type=Name.Annot, Subtype=Name.Widget, FT=Name.Tx, T=String("So"), V=String(value), Rect=Array([50, 50, 150, 70]))
    widget.AP, widget.P = Dictionary(N=look), pdf.pages[0].obj
    pdf.pages[0].Annots = Array([pdf.make_indirect(widget)])
    pdf.Root.AcroForm = Dictionary(Fields=Array([pdf.pages[0].Annots[0]]))


FILES: dict[str, tuple[Callable[[pikepdf.Pdf], None], list[str]]] = {
    "plain": (lambda pdf: None, []),
    "script": (script, ["lint.automatic_action", "lint.javascript"]),
    "opens a page": (opens_page, []),
    "page action": (page_action, ["lint.automatic_action"]),
    "launch": (lambda pdf: link(pdf, Dictionary(S=Name.Launch, F=String("x.exe"))), ["lint.launch"]),
    "submit": (lambda pdf: link(pdf, Dictionary(S=Name.SubmitForm, F=String("http://x.example"))), ["lint.launch"]),
    "other file": (lambda pdf: link(pdf, Dictionary(S=Name.GoToR, F=String("x.pdf"))), ["lint.external"]),
    "web link": (lambda pdf: link(pdf, Dictionary(S=Name.URI, URI=String("http://x.example"))), []),
    "layers": (layers, ["lint.optional_content"]),
    "attachment": (attached, ["lint.embedded_file"]),
    "field": (lambda pdf: field(pdf, "07/QD-X", b"07/QD-X"), ["lint.undeclared_field"]),
    "field that lies": (lambda pdf: field(pdf, "07/QD-X", b"70/QD-X"), ["lint.undeclared_field", "lint.value_differs"]),
}


@pytest.mark.parametrize("name", FILES)
def test_what_is_in_a_file_is_found(name: str, tmp_path: Path) -> None:
    change, expected = FILES[name]
    assert changed(tmp_path, change) == expected


def test_shadows_in_the_bytes_are_found(tmp_path: Path) -> None:
    plain = letter(tmp_path / "plain.pdf").read_bytes()
    extra = b"4 0 obj\n<< /Length 0 >>\nstream\n\nendstream\nendobj\n"
    twice = plain.replace(b"5 0 obj", extra + b"5 0 obj")
    at = twice.index(b"xref\n0 6")
    moved = twice[:at].index(b"5 0 obj")
    twice = twice.replace(b"%010d 00000 n" % plain.index(b"5 0 obj"), b"%010d 00000 n" % moved)
    twice = twice[: twice.index(b"startxref")] + b"startxref\n%d\n%%%%EOF\n" % at
    (tmp_path / "twice.pdf").write_bytes(twice)
    assert read_facts(tmp_path / "twice.pdf").duplicated == (4,)
    update = b"1 0 obj\n<< /Type /Catalog /Pages 2 0 R /X 1 >>\nendobj\n"
    start = len(plain)
    tail = b"xref\n1 1\n%010d 00000 n \ntrailer\n<< /Size 6 /Root 1 0 R /Prev %d >>\nstartxref\n%d\n%%%%EOF\n"
    (tmp_path / "updated.pdf").write_bytes(plain + update + tail % (start, plain.index(b"xref\n0 6"), start + len(update)))
    assert [r.code for r in lint(tmp_path / "updated.pdf", components=False)] == ["lint.revisions"]
    orphan = plain.replace(b"/Contents 4 0 R", b"/Contents null ")
    (tmp_path / "orphan.pdf").write_bytes(orphan)
    assert read_facts(tmp_path / "orphan.pdf").unreachable == (4,)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    source = letter(tmp_path / "plain.pdf")
    with pikepdf.open(source) as pdf:
        pdf.save(tmp_path / "locked.pdf", encryption=pikepdf.Encryption(owner="a", user="b"))
    (tmp_path / "noise.pdf").write_bytes(b"no PDF at all")
    (tmp_path / "cut.pdf").write_bytes(source.read_bytes()[:300])
    found = {name: [r.code for r in lint(tmp_path / f"{name}.pdf")] for name in ("locked", "noise", "cut", "missing")}
    assert found == {"locked": ["lint.encrypted"], "noise": ["lint.unreadable"], "cut": ["lint.unreadable"], "missing": ["lint.unreadable"]}


def test_signed_documents_are_no_worse_for_it(pki: Pki) -> None:
    assert lint(pki.folder / "draft.pdf", components=False) == () == lint(pki.document, components=False)


def scanned(pdf: pikepdf.Pdf, width: int, height: int, *, grey: bool = False, before: bytes = b"", after: bytes = b"") -> None:
    channels = 1 if grey else 3
    samples = zlib.compress(bytes((200,)) * width * height * channels)
    image = pdf.make_stream(samples)
    image.stream_dict = Dictionary(Type=Name.XObject, Subtype=Name.Image, Width=width, Height=height, BitsPerComponent=8, Filter=Name.FlateDecode)
    image.ColorSpace = Name.DeviceGray if grey else Name.DeviceRGB
    pdf.pages[0].Resources.XObject = Dictionary(I=image)
    pdf.pages[0].Contents = pdf.make_stream(before + b" q 595 0 0 842 0 0 cm /I Do Q " + after)


needs_pages = pytest.mark.skipif(not lint_pages.available(), reason="pages are read with pypdfium2 (extra ‘render’)")


@needs_pages
@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda pdf: scanned(pdf, 1654, 2339), []),
        (lambda pdf: scanned(pdf, 827, 1170), ["lint.resolution"]),
        (lambda pdf: scanned(pdf, 1654, 2339, grey=True), ["lint.grey"]),
        (lambda pdf: scanned(pdf, 1654, 2339, before=b"BT /F1 12 Tf 72 700 Td (hidden) Tj ET"), ["lint.hidden_text"]),
        (lambda pdf: scanned(pdf, 1654, 2339, before=b"BT 3 Tr /F1 12 Tf 72 700 Td (recognised) Tj ET"), []),
        (lambda pdf: scanned(pdf, 1654, 2339, after=b"BT /F1 12 Tf 72 700 Td (above) Tj ET"), []),
        (lambda pdf: scanned(pdf, 1654, 2339, after=b"BT /F1 12 Tf 72 -300 Td (outside) Tj ET"), ["lint.outside_page"]),
    ],
)
def test_pages(change: Callable[[pikepdf.Pdf], None], expected: list[str], tmp_path: Path) -> None:
    assert changed(tmp_path, change) == expected


@needs_pages
def test_the_letter_of_the_tests_has_no_components(tmp_path: Path) -> None:
    found = lint(letter(tmp_path / "plain.pdf"), number="7/QĐ-X")
    assert {r.code for r in found} == {"lint.component_missing"} and len(found) == 5


def test_every_warning_has_both_languages_and_a_remedy() -> None:
    for code, vi, en, remedy_vi, remedy_en in PRESENTATION:
        assert CATALOGUE[code].vi == vi and vi != en and remedy_vi.endswith(".") and remedy_en.endswith("."), code
    used = Path(__file__).read_text()
    assert [row[0] for row in PRESENTATION if row[0].startswith("lint.") and f'"{row[0]}"' not in used] == []
