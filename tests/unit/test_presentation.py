"""Looks of signatures by NĐ 30/2020 as values: geometry, colours, times, fonts of any unit."""

from __future__ import annotations

import io
import re
import unicodedata
import zlib
from datetime import UTC, datetime, timedelta, timezone
from importlib.resources import files
from pathlib import Path

import pytest
from fontTools.subset import Options, Subsetter
from fontTools.ttLib import TTFont
from fontTools.ttLib.scaleUpem import scale_upem
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from signing.dev_images import sample_seal_png, sample_signature_png
from signing.errors import PresentationRefused
from signing.fonts import ALWAYS, SHIPPED, Typeface, load_font, plain
from signing.presentation import POINT_MM, Appearance, Box, CopyForm, Page, is_top_right, pair_is_right, read_png, rgb_colour, seal_box, vietnam_time
from signing.presentation.appearances import agency_seal, attachment_mark, copy_mark, person_image

NOW = datetime(2026, 3, 5, 7, 5, 9, 987654, tzinfo=UTC)
TONES = ("", "\u0300", "\u0301", "\u0309", "\u0303", "\u0323")
VIETNAMESE = "".join(dict.fromkeys(unicodedata.normalize("NFC", base + tone) for base in "aăâeêioôơuưyAĂÂEÊIOÔƠUƯY" for tone in TONES)) + "đĐ"


def drawn(colour: tuple[int, int, int], *, ground: int = 0, margin: int = 0) -> bytes:
    """A PNG with a thick oval; `ground` is the alpha of the rest, which is white."""
    image = Image.new("RGBA", (300 + 2 * margin, 120 + 2 * margin), (255, 255, 255, ground))
    ImageDraw.Draw(image).ellipse([margin, margin, margin + 299, margin + 119], outline=(*colour, 255), width=12)
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


@given(st.datetimes(min_value=datetime(1970, 1, 3), max_value=datetime(2200, 1, 1)), st.integers(-14 * 60, 14 * 60))
def test_every_time_shown_has_seconds_and_the_zone(naive: datetime, minutes: int) -> None:
    moment = naive.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    shown = vietnam_time(moment)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+07:00", shown)
    assert datetime.fromisoformat(shown) == moment.replace(microsecond=0)


def test_a_time_without_a_zone_is_refused() -> None:
    assert vietnam_time(NOW) == "2026-03-05T14:05:09+07:00"
    with pytest.raises(PresentationRefused):
        vietnam_time(datetime(2026, 3, 5))


@given(
    st.sampled_from([0, 90, 180, 270]),
    st.tuples(*[st.floats(-500, 500) for _ in range(2)]),
    st.tuples(*[st.floats(5, 200) for _ in range(4)]),
    st.sampled_from([1.0, 2.0]),
)
def test_a_box_goes_to_user_space_and_back(rotate: int, corner: tuple[float, float], parts: tuple[float, float, float, float], unit: float) -> None:
    media = (corner[0], corner[1], corner[0] + 700, corner[1] + 900)
    crop = (corner[0] + 20, corner[1] + 30, corner[0] + 650, corner[1] + 850)
    page = Page(1, media, crop, rotate, unit)
    box = Box(parts[0], parts[1], parts[0] + parts[2], parts[1] + parts[3])
    back = page.box(page.rect(box))
    assert all(abs(a - b) < 1e-6 for a, b in zip((box.left, box.bottom, box.right, box.top), (back.left, back.bottom, back.right, back.top), strict=True))
    wide, high = page.size
    assert page.rect(Box(0, 0, wide, high)) == pytest.approx(crop)


def test_the_size_of_a_turned_and_cropped_page() -> None:
    assert Page().size == pytest.approx((210, 297), abs=0.1)
    assert Page(rotate=90).size == pytest.approx((297, 210), abs=0.1)
    assert Page(media=(0, 0, 1000, 1000), crop=(100, 100, 172, 244)).size == pytest.approx((25.4, 50.8))
    assert Page(media=(0, 0, 100, 100), crop=(200, 200, 300, 300)).visible == (0, 0, 100, 100)  # a crop box beside the page


@given(st.floats(20, 80), st.floats(10, 40), st.floats(20, 60))
def test_the_seal_covers_a_third_on_the_left(width: float, height: float, diameter: float) -> None:
    person = Box(100, 60, 100 + width, 60 + height)
    seal = seal_box(person, diameter)
    assert seal.width == pytest.approx(diameter) and seal.height == pytest.approx(diameter)
    assert (seal.right - person.left) / person.width == pytest.approx(1 / 3)
    assert pair_is_right(person, seal) == (seal.left <= person.left)  # a seal smaller than a third of the image would lie within


def test_pairs_that_are_wrong() -> None:
    person, right = Box(100, 60, 150, 85), seal_box(Box(100, 60, 150, 85), 36)
    moved = {"far": -20, "centre": 17, "right": 40}
    assert pair_is_right(person, right)
    for how, by in moved.items():
        assert not pair_is_right(person, Box(right.left + by, right.bottom, right.right + by, right.top)), how
    assert not pair_is_right(person, Box(right.left, right.bottom + 40, right.right, right.top + 40))
    assert not pair_is_right(Box(0, 0, 0, 0), right)


def test_images_in_the_right_colour_pass_and_others_are_named() -> None:
    assert person_image(drawn((20, 40, 160)), Box(100, 60, 150, 85)).warnings == ()
    person = Box(100, 60, 150, 85)
    codes = {
        "red person": [r.code for r in person_image(drawn((200, 0, 0)), person).warnings],
        "black person": [r.code for r in person_image(drawn((10, 10, 10)), person).warnings],
        "opaque": [r.code for r in person_image(drawn((20, 40, 160), ground=255), person).warnings],
        "blue seal": [r.code for r in agency_seal(drawn((20, 40, 160)), 36, person).warnings],
        "red seal": [r.code for r in agency_seal(sample_seal_png(), 36, person).warnings],
    }
    assert codes == {
        "red person": ["mark.colour"],
        "black person": ["mark.colour"],
        "opaque": ["mark.transparency"],
        "blue seal": ["mark.colour"],
        "red seal": [],
    }
    with pytest.raises(PresentationRefused):
        person_image(drawn((200, 0, 0)), person, strict=True)


def test_margins_do_not_count_and_the_image_keeps_its_shape() -> None:
    box = Box(100, 60, 150, 85)
    tight, wide = person_image(drawn((20, 40, 160)), box), person_image(drawn((20, 40, 160), margin=200), box)
    assert tight.box == wide.box and tight.box.centre == pytest.approx(box.centre)
    picture = next(iter(tight.images.values()))
    assert tight.box.width / tight.box.height == pytest.approx(picture.width / picture.height)
    assert box.holds(tight.box, 1e-6)


def test_images_that_cannot_be_used() -> None:
    empty = io.BytesIO()
    Image.new("RGBA", (50, 50), (0, 0, 255, 0)).save(empty, "PNG")
    for data in (b"", b"GIF89a", empty.getvalue(), drawn((0, 0, 255))[:-40], b"\x89PNG\r\n\x1a\n" + b"\0" * 40):
        with pytest.raises(PresentationRefused):
            read_png(data, 50, 25)
    with pytest.raises(PresentationRefused):
        agency_seal(sample_seal_png(), 5, Box(100, 60, 150, 85))


def test_an_image_is_no_finer_than_print() -> None:
    picture = read_png(sample_seal_png(), 20, 20)
    assert max(picture.width, picture.height) == round(20 / 25.4 * 300)
    assert len(picture.rgb) < 2000  # one ink: only the transparency carries the shape
    assert zlib.decompress(picture.alpha) and len(zlib.decompress(picture.rgb)) == 3 * picture.width * picture.height


def test_names_of_fill_colours() -> None:
    named = {(0, 0, 0): "black", (1, 0, 0): "red", (0.8, 0.1, 0.1): "red", (0, 0, 1): "blue", (0, 0.2, 0.6): "blue", (0, 1, 0): "other", (1, 1, 1): "other"}
    assert {rgb: rgb_colour(*rgb) for rgb in named} == named


def check_text(mark: Appearance, page: Page) -> None:
    assert is_top_right(page, mark.box)
    assert b" 10 Tf" in mark.content and b"0 g" in mark.content and not mark.images


@pytest.mark.parametrize("page", [Page(), Page(rotate=90), Page(media=(0, 0, 420, 595)), Page(media=(-50, -50, 900, 1300)), Page(media=(0, 0, 842, 595))])
def test_marks_stand_at_the_top_right_of_any_page(page: Page) -> None:
    mark = attachment_mark("07/QĐ-UBND", NOW, page=page, organisation="Ủy ban nhân dân xã Một (mô phỏng)")
    check_text(mark, page)
    assert mark.text.splitlines()[0] == "07/QĐ-UBND" and mark.text.endswith("2026-03-05T14:05:09+07:00") and mark.time == NOW
    copy = copy_mark(CopyForm.TRICH_SAO, "Sở Khoa học (mô phỏng)", "12/TrS-SKHCN", NOW, page=page, below=None)
    check_text(copy, page)
    assert copy.box.bottom >= page.size[1] - 20  # four lines still stand within the top margin
    assert copy.text.splitlines() == ["TRÍCH SAO", "Sở Khoa học (mô phỏng)", "12/TrS-SKHCN", "2026-03-05T14:05:09+07:00"]


def test_a_second_mark_goes_below_the_first_and_long_names_wrap() -> None:
    name = "Ban Quản lý dự án đầu tư xây dựng công trình giao thông và nông nghiệp tỉnh mô phỏng (mô phỏng)"
    first = attachment_mark("1/QĐ-X", NOW, organisation=name)
    second = copy_mark(CopyForm.SAO_Y, name, "", NOW, below=first.box)
    assert second.box.top < first.box.bottom and first.box.height / POINT_MM / 12 == pytest.approx(4)
    assert name in first.text


def test_texts_that_cannot_be_shown() -> None:
    small = Page(media=(0, 0, 150, 150))
    for number, page in (("", Page()), ("x" * 400, Page()), ("1/漢-X", Page()), ("1/QĐ\x00", Page()), ("1/" + "W" * 90, Page()), ("1/QĐ-X", small)):
        with pytest.raises(PresentationRefused):
            attachment_mark(number, NOW, page=page)


def shipped() -> TTFont:
    """The shipped font, cut to what the tests write: scaling and saving is quick then."""
    font = TTFont(io.BytesIO((files("schemas") / "fonts" / SHIPPED).read_bytes()))
    cut = Subsetter(Options(name_IDs=["*"], drop_tables=["FFTM", "GSUB", "GPOS", "GDEF", "kern"]))
    cut.populate(text=VIETNAMESE + ALWAYS + "abcdefghijklmnopqrstuvwxyz")
    cut.subset(font)
    return font


def scaled(units: int, folder: Path) -> Path:
    font = shipped()
    scale_upem(font, units)
    path = folder / f"serif-{units}.ttf"
    font.save(path)
    return path


def test_widths_are_the_same_whatever_the_units_of_the_font(tmp_path: Path) -> None:
    """Trap: widths in the font's own units make letters stand twice as far apart as they should."""
    text = "Ủy ban nhân dân (mô phỏng) 2026-03-05T14:05:09+07:00"
    widths = {}
    for units in (1000, 1024, 2048):
        face = load_font(scaled(units, tmp_path))
        assert not face.shipped and face.characters >= set(VIETNAMESE)
        widths[units] = face.subset(text).width(text, 10)
    shipped = load_font().subset(text).width(text, 10)
    assert all(abs(width - shipped) < 0.3 for width in widths.values()), widths
    digits = load_font().subset("0")
    assert digits.widths[digits.glyphs["0"]] == 500  # Times New Roman's digit is half an em


def test_the_shipped_font_has_every_vietnamese_letter() -> None:
    face = load_font()
    assert face.shipped and face.family == "Liberation Serif" and len(VIETNAMESE) == 146
    assert face.characters >= set(VIETNAMESE) | set(ALWAYS)
    assert (files("schemas") / "fonts" / "LICENSE-LiberationSerif.txt").read_text().count("SIL OPEN FONT LICENSE") == 1


def test_a_subset_is_small_kept_and_complete() -> None:
    face = load_font()
    one, same = face.subset("07/QĐ-UBND 2026"), face.subset("99/QĐ-BND 1970")
    assert one is same  # digits and capitals are always there: another number or time costs nothing
    assert len(one.program) < 6000 and len(zlib.decompress(one.program)) == one.length
    font = TTFont(io.BytesIO(zlib.decompress(one.program)))
    assert {"glyf", "loca", "head", "hhea", "hmtx", "maxp"} <= set(font.keys()) and "GSUB" not in font
    assert len(one.widths) == font["maxp"].numGlyphs
    with pytest.raises(PresentationRefused):
        face.subset("漢")


def test_input_is_composed_and_spaced_once() -> None:
    assert plain(" Ủy \u00a0ban\n" + unicodedata.normalize("NFD", "Đống Đa")) == "Ủy ban Đống Đa"


def test_fonts_that_may_not_be_used(tmp_path: Path) -> None:
    restricted = shipped()
    restricted["OS/2"].fsType = 0x0002
    restricted.save(tmp_path / "restricted.ttf")
    (tmp_path / "broken.ttf").write_bytes(b"\0\1\0\0" + b"\xff" * 60)
    for name in ("restricted.ttf", "broken.ttf", "missing.ttf"):
        with pytest.raises(PresentationRefused):
            load_font(tmp_path / name)


def test_a_configured_font_is_used_and_named(tmp_path: Path) -> None:
    path = scaled(1000, tmp_path)
    font = TTFont(path)
    for record in font["name"].names:
        if record.nameID in (1, 6):
            record.string = "Times New Roman" if record.nameID == 1 else "TimesNewRomanPSMT"
    font.save(path)
    face: Typeface = load_font(path)
    mark = attachment_mark("1/QĐ-X", NOW, typeface=face)
    assert mark.font == "Times New Roman" and next(iter(mark.fonts.values())).name.endswith("+TimesNewRomanPSMT")
    assert attachment_mark("1/QĐ-X", NOW).font == "Liberation Serif"


def test_samples_are_visibly_samples() -> None:
    assert sample_signature_png(1) != sample_signature_png(2)
    assert read_png(sample_signature_png(), 50, 25).colour == "blue" and read_png(sample_seal_png(), 36, 36).colour == "red"
