"""Signed pages as people see them: rendered, compared by region, and read back by the verifier."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pikepdf
import pytest
from PIL import Image, ImageChops
from pyhanko.pdf_utils.reader import PdfFileReader

from signing.dev_images import sample_seal_png, sample_signature_png
from signing.errors import PresentationRefused
from signing.fonts import load_font
from signing.marks import pair_problem, seal_size_problem
from signing.presentation import VIETNAM, Appearance, Box, CopyForm, Page, anchors
from signing.presentation.anchors import signing_place
from signing.presentation.appearances import agency_seal, attachment_mark, copy_mark, person_image
from signing.report import MarkFact, Role
from signing.sign_pdf import sign_pdf
from signing.sign_pdf.appearance import field_box, read_page
from signing.sign_pdf.looks import attachment_look, copy_look, person_look, seal_look
from signing.sign_pdf.plan import FieldBox
from signing.trust import Trust
from signing.verify_pdf.mark_reader import PlainObjects, PyHankoObjects, signature_mark
from signing.verify_pdf.pdf_file import PdfFile
from tests.house import SENDER, Pki
from tests.unit.test_presentation import VIETNAMESE

pdfium = pytest.importorskip("pypdfium2", reason="pages are rendered with pypdfium2 (extra ‘render’)")
NOW = datetime.now(UTC)
SCALE = 4.0  # pixels a point
DIAMETER = 36.0
PAGES = {
    "A4": Page(),
    "turned": Page(media=(0, 0, 842, 595), rotate=90),
    "upside": Page(rotate=180),
    "turned left": Page(media=(-100, -200, 742, 395), rotate=270),
    "cropped": Page(media=(-30, -40, 700, 950), crop=(10, 20, 605, 862)),
    "A5": Page(media=(0, 0, 420, 595)),
    "units": Page(media=(0, 0, 297.5, 421), unit=2.0),
}


def blank(path: Path, page: Page, content: bytes = b"", *, streams: bool = False) -> Path:
    """One page of that geometry, with text of a standard font."""
    with pikepdf.new() as pdf:
        font = pikepdf.Dictionary(Type=pikepdf.Name.Font, Subtype=pikepdf.Name.Type1, BaseFont=pikepdf.Name("/Times-Roman"))
        resources = pikepdf.Dictionary(Font=pikepdf.Dictionary(F1=font))
        made = pikepdf.Dictionary(
            Type=pikepdf.Name.Page, MediaBox=list(page.media), Resources=resources, Rotate=page.rotate, Contents=pdf.make_stream(content or b" ")
        )
        if page.crop:
            made.CropBox = list(page.crop)
        if page.unit != 1:
            made.UserUnit = page.unit
        pdf.pages.append(pikepdf.Page(made))
        mode = pikepdf.ObjectStreamMode.generate if streams else pikepdf.ObjectStreamMode.disable
        pdf.save(path, object_stream_mode=mode, min_version="1.6")
    return path


def picture(path: Path, index: int = 0) -> Image.Image:
    """The page as it is seen."""
    document = pdfium.PdfDocument(path)
    document.init_forms()
    page = document[index]
    image = page.render(scale=SCALE, may_draw_forms=True).to_pil().convert("RGB")
    page.close()
    document.close()
    return image


def region(image: Image.Image, box: Box, page: Page) -> Image.Image:
    """The part of the picture that a box covers."""
    across, up = image.width / page.size[0], image.height / page.size[1]
    return image.crop((round(box.left * across), round(image.height - box.top * up), round(box.right * across), round(image.height - box.bottom * up)))


def share(image: Image.Image, colour: str) -> float:
    """Which share of the pixels is red, blue or dark."""
    hue, saturation, value = image.convert("HSV").split()
    ink = {
        "red": ImageChops.multiply(saturation.point(lambda v: 255 * (v > 90)), hue.point(lambda v: 255 * (v < 14 or v > 240))),
        "blue": ImageChops.multiply(saturation.point(lambda v: 255 * (v > 90)), hue.point(lambda v: 255 * (135 < v < 190))),
        "dark": value.point(lambda v: 255 * (v < 110)),
    }[colour]
    return ink.histogram()[255] / (ink.width * ink.height)


def read_back(path: Path, field: str) -> MarkFact:
    """The mark of a field, by both readers; they must agree."""
    with path.open("rb") as file:
        reader = PdfFileReader(file)
        fields = reader.root["/AcroForm"]["/Fields"]
        found = [signature_mark(PyHankoObjects(), fields[i], time=NOW) for i in range(len(fields)) if fields[i]["/T"] == field]
        pdf = PdfFile.open(file.fileno(), path.stat().st_size)
        plain = PlainObjects(pdf, len(pdf.revisions) - 1)
        form = plain.value(plain.value(pdf.revisions[-1].trailer[b"Root"])[b"AcroForm"])
        other = [signature_mark(plain, item, time=NOW) for item in plain.value(form[b"Fields"]) if plain.value(item)[b"T"] == field.encode()]
    assert found == other and len(found) == 1 and found[0] is not None
    return found[0]


def sign_mark(pki: Pki, source: Path, target: Path, mark: Appearance, page: Page) -> Path:
    """The agency's signature with `mark` on an attachment."""
    boxes = {"CoQuan": field_box(mark, page)}
    sign_pdf(source, target, pki.seal(SENDER), now=NOW, role=Role.AGENCY, field="CoQuan", kind="attachment", boxes=boxes, appearance=mark)
    return target


def sign_both(pki: Pki, source: Path, folder: Path, page: Page, place: Box) -> tuple[Path, Appearance, Appearance]:
    """The person's, then the agency's signature with their images."""
    person = person_image(sample_signature_png(), place, page=page.number, strict=True)
    seal = agency_seal(sample_seal_png(), DIAMETER, person.box, page=page.number, strict=True)
    boxes = {"NguoiKy": field_box(person, page), "CoQuan": field_box(seal, page)}
    half, full = folder / "half.pdf", folder / "full.pdf"
    sign_pdf(source, half, pki.person(), now=NOW, role=Role.PERSON, field="NguoiKy", boxes=boxes, appearance=person)
    sign_pdf(half, full, pki.seal(SENDER), now=NOW, role=Role.AGENCY, field="CoQuan", trust=Trust.load(pki.folder / "trust"), appearance=seal)
    return full, person, seal


@pytest.mark.parametrize("name", PAGES)
def test_person_and_seal_on_any_page(name: str, pki: Pki, tmp_path: Path) -> None:
    wanted = PAGES[name]
    source = blank(tmp_path / "source.pdf", wanted)
    page = read_page(source)
    assert page.size == pytest.approx(wanted.size) and page.number == 1
    wide, high = page.size
    full, person, seal = sign_both(pki, source, tmp_path, page, Box(wide - 75, high / 3, wide - 25, high / 3 + 25))
    image = picture(full)
    right = Box(person.box.left + person.box.width * 0.4, person.box.bottom, person.box.right, person.box.top)
    left_third = Box(person.box.left, person.box.bottom, person.box.left + person.box.width / 3, person.box.top)
    assert 0.015 < share(region(image, right, page), "blue") < 0.5 and share(region(image, right, page), "red") == 0
    assert share(region(image, left_third, page), "red") > 0.015
    assert 0.1 < share(region(image, seal.box, page), "red") < 0.5  # the ground is transparent
    mostly_white = share(image, "red") + share(image, "blue")
    area = (seal.box.width * seal.box.height + person.box.width * person.box.height) / (wide * high)
    assert mostly_white < area  # nothing is drawn elsewhere
    facts = read_back(full, "NguoiKy"), read_back(full, "CoQuan")
    assert [f.kind for f in facts] == ["person_image", "agency_seal"] and [f.colour for f in facts] == ["blue", "red"]
    assert all(f.problems == () and f.page == 1 for f in facts)
    assert pair_problem(*facts) is None and seal_size_problem(facts[1], DIAMETER) is None
    assert facts[0].box == pytest.approx((person.box.left, person.box.bottom, person.box.right, person.box.top), abs=0.05)
    wrong = seal_size_problem(facts[1], 30)
    assert wrong is not None and wrong.code == "mark.size"


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("streams", [False, True])
def test_marks_on_any_page(name: str, streams: bool, pki: Pki, tmp_path: Path) -> None:
    source = blank(tmp_path / "source.pdf", PAGES[name], streams=streams)
    page = read_page(source, 1)
    mark = attachment_mark("07/QĐ-UBND", NOW, page=page, organisation="Ủy ban nhân dân (mô phỏng)")
    signed = sign_mark(pki, source, tmp_path / "signed.pdf", mark, page)
    fact = read_back(signed, "CoQuan")
    assert (fact.kind, fact.number, fact.organisation) == ("attachment", "07/QĐ-UBND", "Ủy ban nhân dân (mô phỏng)")
    assert fact.time == NOW.replace(microsecond=0) and fact.text == mark.text
    assert (fact.font, fact.size_pt, fact.colour, fact.problems) == ("LiberationSerif", 10.0, "black", ())
    image = picture(signed)
    part = region(image, mark.box, page)
    assert 0.04 < share(part, "dark") < 0.3
    even = part.reduce(6)  # smoothed letters have coloured edges that cancel out
    assert share(even, "red") < 0.01 and share(even, "blue") < 0.01
    below = Box(0, 0, page.size[0], mark.box.bottom - 0.5)
    assert share(region(image, below, page), "dark") == 0


def test_the_time_shown_is_the_time_signed(pki: Pki, tmp_path: Path) -> None:
    source = blank(tmp_path / "source.pdf", Page())
    signed = sign_mark(pki, source, tmp_path / "signed.pdf", attachment_mark("1/QĐ-X", NOW), Page())
    with signed.open("rb") as file:
        stamp = PdfFileReader(file).embedded_signatures[0].sig_object["/M"]
        assert stamp == NOW.astimezone(VIETNAM).strftime("D:%Y%m%d%H%M%S+07'00'")


def test_letters_are_as_large_and_as_wide_as_they_should(pki: Pki, tmp_path: Path) -> None:
    """Ten point: a capital is 6.6 points high, and the line as wide as its widths say (no double spacing)."""
    source = blank(tmp_path / "source.pdf", Page())
    mark = attachment_mark("HHHHHH/HH-HHHH", NOW)
    image = picture(sign_mark(pki, source, tmp_path / "signed.pdf", mark, Page()))
    line = Box(mark.box.left - 2, mark.box.top - 12 * 25.4 / 72, mark.box.right + 2, mark.box.top)
    ink = ImageChops.invert(region(image, line, Page()).convert("L")).point(lambda v: 255 * (v > 128)).getbbox()
    assert ink is not None
    assert (ink[2] - ink[0]) / SCALE == pytest.approx(load_font().subset("H/-").width("HHHHHH/HH-HHHH", 10), abs=1.0)
    assert (ink[3] - ink[1]) / SCALE == pytest.approx(6.7, abs=0.6)


def chunks() -> Iterator[str]:
    for start in range(0, len(VIETNAMESE), 24):
        yield VIETNAMESE[start : start + 24]


def test_every_vietnamese_letter_is_read_back_and_found_by_others(pki: Pki, tmp_path: Path) -> None:
    source = blank(tmp_path / "source.pdf", Page())
    name = " ".join(chunks())
    signed = sign_mark(pki, source, tmp_path / "signed.pdf", attachment_mark("1/QĐ-X", NOW, organisation=name), Page())
    assert read_back(signed, "CoQuan").organisation == name
    with pikepdf.open(signed) as pdf:  # the appearance as page content, so that another reader extracts it
        form = pdf.pages[0].Annots[-1].AP.N
        pdf.pages[0].Resources.XObject = pikepdf.Dictionary(A=form)
        pdf.pages[0].Contents = pdf.make_stream(b"q 1 0 0 1 200 500 cm /A Do Q")
        pdf.save(tmp_path / "flat.pdf")
    text = anchors.text_of(tmp_path / "flat.pdf")[0]
    assert set(VIETNAMESE) <= set(text)


@pytest.mark.parametrize("form", list(CopyForm))
def test_copies(form: CopyForm, pki: Pki, tmp_path: Path) -> None:
    source = blank(tmp_path / "source.pdf", Page())
    mark = copy_mark(form, "Văn phòng (mô phỏng)", "12/SY-VP", NOW)
    sign_pdf(
        source,
        tmp_path / "copy.pdf",
        pki.seal(SENDER),
        now=NOW,
        role=Role.AGENCY,
        field="CoQuan",
        kind="copy",
        boxes={"CoQuan": field_box(mark, Page())},
        appearance=mark,
    )
    fact = read_back(tmp_path / "copy.pdf", "CoQuan")
    assert (fact.kind, fact.form, fact.organisation, fact.number, fact.problems) == ("copy", form.value, "Văn phòng (mô phỏng)", "12/SY-VP", ())


def test_an_appearance_stays_in_its_declared_box(pki: Pki, tmp_path: Path) -> None:
    source = blank(tmp_path / "source.pdf", Page())
    mark = attachment_mark("1/QĐ-X", NOW)
    inside = {"CoQuan": FieldBox(1, Page().rect(Box(100, 230, 205, 296)))}  # a larger box: the mark keeps its size and place
    sign_pdf(source, tmp_path / "a.pdf", pki.seal(SENDER), now=NOW, role=Role.AGENCY, field="CoQuan", kind="attachment", boxes=inside, appearance=mark)
    fact = read_back(tmp_path / "a.pdf", "CoQuan")
    assert fact.size_pt == pytest.approx(10, abs=0.01)
    outside = {"CoQuan": FieldBox(1, Page().rect(Box(10, 10, 60, 40)))}
    with pytest.raises(PresentationRefused):
        sign_pdf(source, tmp_path / "b.pdf", pki.seal(SENDER), now=NOW, role=Role.AGENCY, field="CoQuan", kind="attachment", boxes=outside, appearance=mark)
    assert not (tmp_path / "b.pdf").exists()


def test_a_mark_costs_little(pki: Pki, tmp_path: Path) -> None:
    source = blank(tmp_path / "source.pdf", Page())
    plain = tmp_path / "plain.pdf"
    sign_pdf(source, plain, pki.seal(SENDER), now=NOW, role=Role.AGENCY, field="CoQuan", kind="attachment")
    marked = sign_mark(pki, source, tmp_path / "marked.pdf", attachment_mark("125/QĐ-UBND", NOW), Page())
    assert marked.stat().st_size - plain.stat().st_size < 8_000


LETTER = b"BT /F1 13 Tf 330 200 Td (KT. GIAM DOC) Tj 0 -16 Td (PHO GIAM DOC) Tj 0 -90 Td (Nguyen Van A) Tj ET BT /F1 13 Tf 60 700 Td (Nguyen Van A) Tj ET"


@pytest.mark.parametrize("name", ["A4", "cropped"])
def test_the_place_is_found_between_title_and_name(name: str, tmp_path: Path) -> None:
    source = blank(tmp_path / "letter.pdf", PAGES[name], LETTER)
    place = signing_place(source, "pho giam doc", "NGUYEN  VAN A")
    page = place.page
    title, below = page.box((330, 184, 420, 193)), page.box((330, 94, 410, 103))
    assert below.top < place.box.bottom < place.box.top < title.bottom
    assert abs(place.box.centre[0] - below.centre[0]) < 5 and place.box.height == pytest.approx(25, abs=0.1)
    with pytest.raises(PresentationRefused):
        signing_place(source, "CHỦ TỊCH", "Nguyen Van A")


def test_a_name_above_the_title_is_another_one(tmp_path: Path) -> None:
    source = blank(tmp_path / "letter.pdf", Page(), LETTER.replace(b"60 700 Td (Nguyen Van A)", b"330 700 Td (Tran Van B)"))
    with pytest.raises(PresentationRefused, match="no page"):
        signing_place(source, "PHO GIAM DOC", "Tran Van B")


def test_no_room_is_no_place(tmp_path: Path) -> None:
    source = blank(tmp_path / "letter.pdf", Page(), LETTER.replace(b"0 -90 Td", b"0 -20 Td"))
    with pytest.raises(PresentationRefused, match="no room"):
        signing_place(source, "PHO GIAM DOC", "Nguyen Van A")


def test_looks_from_the_file_alone(pki: Pki, tmp_path: Path) -> None:
    source, half, full = blank(tmp_path / "letter.pdf", Page(), LETTER), tmp_path / "half.pdf", tmp_path / "full.pdf"
    look = person_look(source, sample_signature_png(), title="PHO GIAM DOC", name="Nguyen Van A", strict=True)
    sign_pdf(source, half, pki.person(), now=NOW, role=Role.PERSON, field="NguoiKy", appearance=look.appearance, boxes=look.boxes)
    seal = seal_look(half, sample_seal_png(), strict=True)
    sign_pdf(half, full, pki.seal(SENDER), now=NOW, role=Role.AGENCY, field="CoQuan", trust=Trust.load(pki.folder / "trust"), appearance=seal.appearance)
    facts = read_back(full, "NguoiKy"), read_back(full, "CoQuan")
    assert pair_problem(*facts) is None and all(f.problems == () for f in facts)
    with pytest.raises(PresentationRefused):
        seal_look(source, sample_seal_png())
    with pytest.raises(PresentationRefused):  # not the size that was declared
        larger = seal_look(half, sample_seal_png(), seal_mm=48)
        sign_pdf(half, full, pki.seal(SENDER), now=NOW, role=Role.AGENCY, field="CoQuan", trust=Trust.load(pki.folder / "trust"), appearance=larger.appearance)


def test_a_copy_of_a_marked_attachment_has_both_marks(pki: Pki, tmp_path: Path) -> None:
    source, once, twice = blank(tmp_path / "s.pdf", Page()), tmp_path / "once.pdf", tmp_path / "twice.pdf"
    first = attachment_look(source, "7/QĐ-X", NOW)
    later = {"SaoY": FieldBox(1, Page().rect(Box(110, 225, 200, first.appearance.box.bottom - 1)))}
    key = pki.seal(SENDER)
    sign_pdf(source, once, key, now=NOW, role=Role.AGENCY, field="CoQuan", kind="attachment", boxes={**first.boxes, **later}, appearance=first.appearance)
    mark = copy_mark(CopyForm.SAO_Y, "Văn phòng (mô phỏng)", "", NOW, below=first.appearance.box)
    sign_pdf(once, twice, key, now=NOW, role=Role.AGENCY, field="SaoY", kind="copy", appearance=mark)
    assert [read_back(twice, name).kind for name in ("CoQuan", "SaoY")] == ["attachment", "copy"]
    assert copy_look(source, CopyForm.SAO_LUC, "Văn phòng (mô phỏng)", "", NOW).appearance.text.startswith("SAO LỤC")


def test_a_form_of_other_fields_is_drawn_too(pki: Pki, tmp_path: Path) -> None:
    """Not the common shape: the update is written by pyHanko, and shows the same."""
    source = blank(tmp_path / "source.pdf", PAGES["turned"])
    with pikepdf.open(source, allow_overwriting_input=True) as pdf:
        field = pikepdf.Dictionary(Type=pikepdf.Name.Annot, Subtype=pikepdf.Name.Widget, FT=pikepdf.Name.Tx, T=pikepdf.String("So"), Rect=[10, 10, 60, 30])
        pdf.pages[0].Annots = pikepdf.Array([pdf.make_indirect(field)])
        pdf.Root.AcroForm = pikepdf.Dictionary(Fields=pikepdf.Array([pdf.pages[0].Annots[0]]))
        pdf.save(source)
    page = read_page(source)
    full, person, seal = sign_both(pki, source, tmp_path, page, Box(page.size[0] - 75, 90, page.size[0] - 25, 115))
    assert (read_back(full, "NguoiKy").problems, read_back(full, "CoQuan").problems) == ((), ())
    assert share(region(picture(full), seal.box, page), "red") > 0.1
    mark = attachment_mark("07/QĐ-UBND", NOW, page=page)
    assert read_back(sign_mark(pki, source, tmp_path / "m.pdf", mark, page), "CoQuan").text == mark.text


def widget(pdf: pikepdf.Pdf, **changes: object) -> pikepdf.Dictionary:
    """A signature widget that shows a mark in a standard font; `changes` replace entries, None removes one."""
    resources = pikepdf.Dictionary(Font=pikepdf.Dictionary(F=pdf.pages[0].Resources.Font.F1))
    look = pdf.make_stream(b"BT /F 10 Tf 2 5 Td (7/QD-X) Tj ET", Resources=resources)
    look.stream_dict.update({"/Subtype": pikepdf.Name.Form, "/BBox": pikepdf.Array([0, 0, 100, 20])})
    made = pikepdf.Dictionary(FT=pikepdf.Name.Sig, T=pikepdf.String("S"), Rect=[400, 800, 500, 820], P=pdf.pages[0].obj, AP=pikepdf.Dictionary(N=look))
    for key, value in changes.items():
        if value is None:
            del made["/" + key]
        else:
            made["/" + key] = value
    return made


def own_form(pdf: pikepdf.Pdf, made: pikepdf.Dictionary) -> None:
    look = pdf.make_indirect(made.AP.N)
    look.Resources.XObject = pikepdf.Dictionary({f"/X{i}": look for i in range(20)})
    made.AP.N = look


def many_images(pdf: pikepdf.Pdf, made: pikepdf.Dictionary) -> None:
    noise = random.Random(1).randbytes(200_000)
    image = pdf.make_stream(noise, Width=1000, Height=200, BitsPerComponent=8, ColorSpace=pikepdf.Name.DeviceGray, Subtype=pikepdf.Name.Image)
    made.AP.N.Resources.XObject = pikepdf.Dictionary({f"/X{i}": image for i in range(100)})


def no_change(pdf: pikepdf.Pdf, made: pikepdf.Dictionary) -> None:
    """As it is."""


def bad_box(pdf: pikepdf.Pdf, made: pikepdf.Dictionary) -> None:
    made.AP.N.BBox = pikepdf.Array([0, 0, 0, 0])


def bad_parent(pdf: pikepdf.Pdf, made: pikepdf.Dictionary) -> None:
    page = pdf.make_indirect(pikepdf.Dictionary(Type=pikepdf.Name.Page, MediaBox=[0, 0, 595, 842]))
    page.Parent = page
    made.P = page


def bad_font(pdf: pikepdf.Pdf, made: pikepdf.Dictionary) -> None:
    made.AP.N.Resources.Font.F = pikepdf.Array([1, 2])


UNREADABLE = ["mark.unreadable"]
WIDGETS = {
    "good": ({}, no_change, "attachment"),
    "no appearance": ({"AP": None}, no_change, None),
    "no area": ({"Rect": [10, 10, 10, 10]}, no_change, None),
    "hidden": ({"F": 2}, no_change, None),
    "no page": ({"P": None}, no_change, UNREADABLE),
    "odd rectangle": ({"Rect": [1, 2]}, no_change, UNREADABLE),
    "rectangle of names": ({"Rect": [pikepdf.Name.A] * 4}, no_change, UNREADABLE),
    "draws itself": ({}, own_form, UNREADABLE),
    "many images": ({}, many_images, UNREADABLE),
    "empty box": ({}, bad_box, UNREADABLE),
    "page without end": ({}, bad_parent, UNREADABLE),
    "font that is none": ({}, bad_font, UNREADABLE),
}


@pytest.mark.parametrize("name", WIDGETS)
def test_odd_widgets_are_read_or_named(name: str, tmp_path: Path) -> None:
    entries, change, expected = WIDGETS[name]
    with pikepdf.open(blank(tmp_path / "s.pdf", Page())) as pdf:
        made = pdf.make_indirect(widget(pdf, **entries))
        change(pdf, made)
        pdf.pages[0].Annots = pikepdf.Array([made])
        pdf.Root.AcroForm = pikepdf.Dictionary(Fields=pikepdf.Array([made]))
        pdf.save(tmp_path / "w.pdf", object_stream_mode=pikepdf.ObjectStreamMode.disable)
    with (tmp_path / "w.pdf").open("rb") as file:
        read = PdfFile.open(file.fileno(), (tmp_path / "w.pdf").stat().st_size)
        plain = PlainObjects(read, 0)
        form = plain.value(plain.value(read.revisions[0].trailer[b"Root"])[b"AcroForm"])
        facts = [signature_mark(plain, form[b"Fields"][0]), signature_mark(PyHankoObjects(), PdfFileReader(file).root["/AcroForm"]["/Fields"][0])]
    for fact in facts:
        told = None if fact is None else fact.kind if isinstance(expected, str) else [p.code for p in fact.problems]
        assert told == expected
