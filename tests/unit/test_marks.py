"""Marks are read back from what other makers write too, and nothing hostile makes the reader fall."""

from __future__ import annotations

import time
import zlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signing.dev_images import sample_seal_png, sample_signature_png
from signing.marks import Form, FormFont, FormImage, Shown, normal_number, number_in, numbers_equal, pair_problem, read_mark, time_in
from signing.presentation import POINT_MM, Box, Page, read_png
from signing.presentation.appearances import Appearance, attachment_mark
from signing.report import MarkFact, Role

NOW = datetime(2026, 3, 5, 7, 5, 9, tzinfo=UTC)
PAGE = Page()
TOP_RIGHT = PAGE.rect(Box(130, 275, 195, 290))
WIN = FormFont("TrueType", "ABCDEF+TimesNewRomanPSMT", encoding="WinAnsiEncoding")
TIME_LINE = b"(2026-03-05T14:05:09+07:00)"


def form(content: bytes, **fonts: FormFont) -> Form:
    return Form(content, (0, 0, 65 / POINT_MM, 15 / POINT_MM), fonts=fonts or {"F": WIN})


def shown(content: bytes, *, rect: tuple[float, float, float, float] = TOP_RIGHT, role: Role = Role.AGENCY, **fonts: FormFont) -> MarkFact:
    fact = read_mark(Shown(rect, PAGE, form(content, **fonts), NOW, role))
    assert fact is not None
    return fact


def codes(fact: MarkFact) -> list[str]:
    return [p.code for p in fact.problems]


def written(lines: list[bytes], size: int = 10, extra: bytes = b"") -> bytes:
    return b"q %s BT /F %d Tf 12 TL 0 30 Td " % (extra, size) + b" T* ".join(line + b" Tj" for line in lines) + b" ET Q"


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        ("7/QĐ-X", "07/QĐ-X", True),
        ("Số: 07/QĐ - UBND", "7/QĐ-UBND", True),
        ("7/qđ-ubnd", "7/QĐ-UBND", True),
        ("7/QĐ–UBND", "7/QĐ-UBND", True),
        ("30/2020/NĐ-CP", "030/2020/NĐ-CP", True),
        ("07-QĐ/TU", "7-QĐ/TU", True),
        ("7/QĐ-X", "7/QD-X", False),
        ("7/QĐ-X", "70/QĐ-X", False),
        ("7/QĐ-X", "7/QĐ-Y", False),
        ("0/X-Y", "/X-Y", False),
        ("", "", False),
    ],
)
def test_numbers_are_compared_in_one_form(a: str, b: str, same: bool) -> None:
    assert numbers_equal(a, b) is same and numbers_equal(b, a) is same


@given(st.integers(1, 10**18), st.integers(0, 3), st.sampled_from(["QĐ-UBND", "TB-STC", "SKHCN-CĐS", "BC-HĐND"]), st.sampled_from(["-", " - ", "–"]))
def test_any_spelling_of_a_number_is_found_and_equal(value: int, zeros: int, symbol: str, dash: str) -> None:
    spelled = "0" * zeros + f"{value}/" + symbol.replace("-", dash)
    assert numbers_equal(number_in(f"Số: {spelled}\n2026-03-05T14:05:09+07:00"), f"{value}/{symbol}")
    assert normal_number(spelled) == f"{value}/{symbol}"


@pytest.mark.parametrize(
    ("text", "number"),
    [("Số: 07-QĐ/TU\n2026-03-05T14:05:09+07:00", "07-QĐ/TU"), ("Số: 12 /QĐ-UBND ngày 5/3/2026", "12 /QĐ-UBND"), ("123456789/SKHCN-CĐS", "123456789/SKHCN-CĐS")],
)
def test_what_is_a_number(text: str, number: str) -> None:
    assert number_in(text) == number


@pytest.mark.parametrize("text", ["05/03/2026 14:05:09 +07:00", "ngày 5/3/2026", "Ủy ban nhân dân", "", "1/2/3", "http://a.vn/1/b"])
def test_what_is_no_number(text: str) -> None:
    assert number_in(text) == ""


@pytest.mark.parametrize(
    ("text", "hours", "right"),
    [
        ("2026-03-05T14:05:09+07:00", 0, True),
        ("Thời gian ký: 05/03/2026 14:05:09 +07:00", 0, True),
        ("05.03.2026 14:05:09 +0700", 0, True),
        ("2026-03-05 14:05:09", 0, False),
        ("2026-03-05T07:05:09Z", 0, False),
        ("2026-03-05T08:05:09+01:00", 0, False),
        ("2026-03-05T15:05:09+07:00", 1, True),
    ],
)
def test_times_are_read(text: str, hours: int, right: bool) -> None:
    assert time_in(text) == (NOW + timedelta(hours=hours), right)


@pytest.mark.parametrize("text", ["2026-13-05T14:05:09+07:00", "2026-03-05", "99/99/2026 14:05:09", "", "2026-03-05T14:05+07:00"])
def test_what_is_no_time(text: str) -> None:
    assert time_in(text) == (None, False)


def to_unicode(*blocks: bytes) -> bytes:
    return b"begincmap 1 begincodespacerange <0000> <FFFF> endcodespacerange " + b" ".join(blocks) + b" endcmap"


@pytest.mark.parametrize(
    ("content", "font", "text"),
    [
        (b"BT /F 10 Tf 1 20 Td (a\\(b\\)\\\\c\\101(d)) Tj ET", WIN, "a(b)\\cA(d)"),
        (b"BT /F 10 Tf 1 20 Td <61 62 6> Tj ET", WIN, "ab`"),
        (b"BT /F 10 Tf 1 20 Td [(So) -20 (n) -300 (La)] TJ ET", WIN, "Son La"),
        (b"BT /F 10 Tf 12 TL 1 30 Td (a) Tj (b) ' 1 2 (c) \" ET", WIN, "a\nb\nc"),
        (b"BT /F 10 Tf 1 30 Td (line\\\n1) Tj 0 -12 TD (2) Tj T* (3) Tj ET", WIN, "line1\n2\n3"),
        (b"BT /F 10 Tf 1 0 0 1 40 20 Tm (right) Tj 1 0 0 1 1 20 Tm (left) Tj ET", WIN, "left right"),
        (b"BT /F 10 Tf 1 20 Td (\x80\xe9) Tj ET", WIN, "€é"),
        (b"BT /F 10 Tf 1 20 Td (\x01\x02) Tj ET", FormFont("Type1", "X", encoding="WinAnsiEncoding", differences={1: "Uhorngrave", 2: "uni1EDF"}), "Ừở"),
        (b"BT /F 10 Tf 1 20 Td <00010002> Tj ET", FormFont("Type0", "X", to_unicode(b"2 beginbfchar <0001> <1EEA> <0002> <00690308> endbfchar")), "Ừï"),
        (b"BT /F 10 Tf 1 20 Td <00110012> Tj ET", FormFont("Type0", "X", to_unicode(b"1 beginbfrange <0010> <0020> <0041> endbfrange")), "BC"),
        (
            b"BT /F 10 Tf 1 20 Td <00110010> Tj ET",
            FormFont("Type0", "X", to_unicode(b"1 beginbfrange <0010> <0011> [<0110> <1EA0>] endbfrange")),
            "ẠĐ",
        ),
        (b"BT /F 10 Tf 1 20 Td [<005B>] TJ ET", FormFont("Type0", "X", to_unicode(b"1 beginbfchar <005B> <005B> endbfchar")), "["),
        (b"% note\nBT /F 10 Tf 1 20 Td (x) Tj BI /W 1 /H 1 ID \x00(Tj EI (y) Tj ET", WIN, "xy"),
    ],
)
def test_text_is_read_however_it_is_written(content: bytes, font: FormFont, text: str) -> None:
    assert shown(content, F=font).text == text


def test_a_mark_by_others_is_read_in_nested_forms() -> None:
    """As Acrobat writes: /FRM draws /n0 and /n2, the text is in the innermost."""
    inner = Form(written([b"(12/SY-VP)", TIME_LINE]), (0, 0, 184, 42), fonts={"F": WIN})
    empty = Form(b"% DSBlank", (0, 0, 100, 100))
    frame = Form(b"q 1 0 0 1 0 0 cm /n0 Do Q q 1 0 0 1 5 1 cm /n2 Do Q", (0, 0, 184, 42), forms={"n0": empty, "n2": inner})
    outer = Form(b"q 1 0 0 1 0 0 cm /FRM Do Q", (0, 0, 184.252, 42.5197), forms={"FRM": frame})
    fact = read_mark(Shown(TOP_RIGHT, PAGE, outer, NOW, Role.AGENCY))
    assert fact is not None and (fact.kind, fact.number, fact.time, codes(fact)) == ("attachment", "12/SY-VP", NOW, [])


@pytest.mark.parametrize(
    ("content", "problems"),
    [
        (written([b"(7/Q-X)", TIME_LINE]), []),
        (written([b"(7/Q-X)", TIME_LINE], size=12), ["mark.font"]),
        (written([b"(7/Q-X)", TIME_LINE], extra=b"1 0 0 rg"), ["mark.colour"]),
        (written([b"(7/Q-X)", TIME_LINE], extra=b"0 0 0 1 k"), []),
        (written([b"(7/Q-X)", TIME_LINE], extra=b"1 0 0.3 1 0 0 cm"), ["mark.font"]),
        (written([b"(7/Q-X)", TIME_LINE], extra=b"0.5 0 0 0.5 0 0 cm"), ["mark.font"]),
        (written([b"(7/Q-X)", b"(2026-03-05 14:05:09)"]), ["mark.time"]),
        (written([b"(7/Q-X)", b"(2026-03-05T15:05:09+07:00)"]), ["mark.time"]),
        (written([b"(7/Q-X)"]), ["mark.time"]),
        (written([b"(7/Q-X)", TIME_LINE]) + b" BT /F 10 Tf 1 5 Td 3 Tr (hidden) Tj ET", ["mark.hidden"]),
        (written([b"(7/Q-X)", TIME_LINE]) + b" BT /F 10 Tf 1 500 Td (beside) Tj ET", ["mark.hidden"]),
    ],
)
def test_what_is_not_as_prescribed_is_named(content: bytes, problems: list[str]) -> None:
    fact = shown(content)
    assert (fact.kind, fact.number, codes(fact)) == ("attachment", "7/Q-X", problems)
    assert "hidden" not in fact.text and "beside" not in fact.text


@pytest.mark.parametrize("extra", [b"1 g", b"1 1 1 rg", b"0 0 0 0 k", b"/DeviceRGB cs 1 1 1 sc", b"0.1 0 0 0.1 0 0 cm"])
def test_white_or_tiny_text_shows_nothing(extra: bytes) -> None:
    fact = shown(written([b"(7/Q-X)", TIME_LINE], extra=extra))
    assert (fact.kind, fact.number, fact.text, codes(fact)) == ("other", "", "", ["mark.hidden"])


@pytest.mark.parametrize("name", ["ArialMT", "TimesNewRomanPS-ItalicMT", "TimesNewRomanPS-BoldMT", "Courier"])
def test_other_fonts_are_named(name: str) -> None:
    fact = shown(written([b"(7/Q-X)", TIME_LINE]), F=replace(WIN, name=name))
    assert codes(fact) == ["mark.font"] and fact.font == name


@pytest.mark.parametrize("box", [Box(20, 275, 85, 290), Box(130, 100, 195, 115), Box(180, 275, 245, 290)])
def test_a_mark_elsewhere_is_named(box: Box) -> None:
    fact = shown(written([b"(7/Q-X)", TIME_LINE]), rect=PAGE.rect(box))
    assert "mark.place" in codes(fact)
    second = read_mark(Shown(TOP_RIGHT, replace(PAGE, number=2), form(written([b"(7/Q-X)", TIME_LINE])), NOW, Role.AGENCY))
    assert second is not None and "mark.place" in codes(second)


def image(png: bytes, **changes: object) -> FormImage:
    picture = read_png(png, 50, 50)
    alpha = FormImage(picture.width, picture.height, picture.alpha, space="L", filters=("FlateDecode",))
    made = FormImage(picture.width, picture.height, picture.rgb, filters=("FlateDecode",), alpha=alpha)
    return replace(made, **changes)  # type: ignore[arg-type]


def with_image(picture: FormImage, role: Role, rect: Box | None = None) -> MarkFact:
    shape = Form(b"q 100 0 0 50 0 0 cm /I Do Q", (0, 0, 100, 50), images={"I": picture})
    fact = read_mark(Shown(PAGE.rect(rect or Box(100, 60, 150, 85)), PAGE, shape, NOW, role))
    assert fact is not None
    return fact


def test_images_are_told_by_their_ink_and_their_signer() -> None:
    person, seal = image(sample_signature_png()), image(sample_seal_png())
    told = {
        "person": with_image(person, Role.PERSON),
        "seal": with_image(seal, Role.AGENCY),
        "by ink": with_image(seal, Role.UNKNOWN),
        "wrong ink": with_image(person, Role.AGENCY),
        "unknown filter": with_image(replace(seal, filters=("JPXDecode",)), Role.AGENCY),
        "short data": with_image(replace(seal, data=zlib.compress(b"abc"), alpha=None), Role.AGENCY),
    }
    assert {k: (f.kind, f.colour, codes(f)) for k, f in told.items()} == {
        "person": ("person_image", "blue", []),
        "seal": ("agency_seal", "red", []),
        "by ink": ("agency_seal", "red", []),
        "wrong ink": ("agency_seal", "blue", ["mark.colour"]),
        "unknown filter": ("agency_seal", "", ["mark.unreadable"]),
        "short data": ("agency_seal", "", ["mark.unreadable"]),
    }


def test_samples_in_other_encodings_have_the_same_colour() -> None:
    width, height, red = 40, 30, bytes((200, 10, 10))
    rows = b"".join(b"\0" + red * width for _ in range(height))
    indexed = FormImage(width, height, zlib.compress(bytes(width * height)), space="P", filters=("FlateDecode",), palette=red)
    kinds = [
        FormImage(width, height, red * width * height),
        FormImage(width, height, zlib.compress(rows), filters=("FlateDecode",), predictor=15),
        indexed,
        FormImage(width, height, bytes((0, 250, 250, 40)) * width * height, space="CMYK"),
    ]
    assert [with_image(k, Role.UNKNOWN).colour for k in kinds] == ["red"] * 4


def test_a_seal_image_in_a_text_mark_is_named() -> None:
    drawn = Form(written([b"(7/Q-X)", TIME_LINE]) + b" q 50 0 0 40 130 0 cm /I Do Q", (0, 0, 184, 42), fonts={"F": WIN}, images={"I": image(sample_seal_png())})
    fact = read_mark(Shown(TOP_RIGHT, PAGE, drawn, NOW, Role.AGENCY))
    assert fact is not None and fact.kind == "attachment" and codes(fact) == ["mark.image"]


def test_pairs() -> None:
    person, seal = image(sample_signature_png()), image(sample_seal_png())
    left = with_image(person, Role.PERSON)
    right_place, wrong_place = with_image(seal, Role.AGENCY, Box(80, 54, 116, 90)), with_image(seal, Role.AGENCY, Box(150, 54, 186, 90))
    assert pair_problem(left, right_place) is None
    wrong = pair_problem(left, wrong_place)
    assert wrong is not None and wrong.code == "mark.place"
    assert pair_problem(left, None) is None and pair_problem(None, right_place) is None


def test_what_is_not_seen_is_no_mark() -> None:
    content = form(written([b"(7/Q-X)", TIME_LINE]))
    assert read_mark(Shown(TOP_RIGHT, PAGE, None)) is None
    assert read_mark(Shown((0, 0, 0, 0), PAGE, content)) is None
    assert read_mark(Shown(TOP_RIGHT, PAGE, content, hidden=True)) is None
    assert read_mark(Shown((0, 0, float("inf"), 10), PAGE, content)) is None


def ours() -> tuple[Appearance, Form]:
    mark = attachment_mark("07/QĐ-UBND", NOW, organisation="Ủy ban nhân dân (mô phỏng)")
    subset = mark.fonts["F0"]
    font = FormFont("Type0", subset.name, zlib.decompress(subset.to_unicode), "Identity-H")
    return mark, Form(mark.content, (0, 0, *mark.size), fonts={"F0": font})


@given(st.data())
def test_no_change_of_a_stream_makes_the_reader_fall(data: st.DataObject) -> None:
    mark, made = ours()
    content = bytearray(made.content)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content)))
        telling = st.sampled_from([b" q ", b" Q ", b"/F0", b"(", b"<", b"[", b"1e9", b" 0 0 0 0 0 0 cm "])
        content[at : at + data.draw(st.integers(0, 6))] = data.draw(st.binary(max_size=8) | telling)
    read_mark(Shown(PAGE.rect(mark.box), PAGE, replace(made, content=bytes(content)), NOW, Role.AGENCY))


@given(st.binary(max_size=300), st.tuples(*[st.floats(allow_nan=True, allow_infinity=True)] * 4), st.tuples(*[st.floats()] * 6))
def test_no_bytes_make_the_reader_fall(content: bytes, bbox: tuple[float, float, float, float], matrix: tuple[float, ...]) -> None:
    odd = Form(content, bbox, matrix, fonts={"F": replace(WIN, to_unicode=content)})  # type: ignore[arg-type]
    read_mark(Shown(TOP_RIGHT, PAGE, odd, NOW))
    read_mark(Shown((0, 0, 1e308, 1e308), replace(PAGE, media=bbox), form(b"BT /F 1 Tf (x) Tj ET"), NOW))


BOMBS = {
    "white space": b" " * 400_000 + b"\xff",
    "comments": b"%\n" * 200_000 + b"\xff",
    "operators": b"n " * 200_000,
    "states": b"q " * 1_000,
    "operands": b"1 " * 200_000,
    "letters": b"BT /F 10 Tf 1 20 Td " + b"(aaaaaaaaaaaaaaaaaaaa) Tj " * 10_000,
    "parentheses": b"(" * 400_000,
    "brackets": b"[ 1 " * 100_000,
    "size": b"n " * 300_000,
    "inline": b"BI " * 100_000,
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_are_unreadable_and_quick(name: str) -> None:
    start = time.process_time()
    fact = shown(BOMBS[name])
    assert codes(fact) == ["mark.unreadable"] and time.process_time() - start < 2


TABLES = {
    "ranges": b"1 beginbfrange " + b"<0000> <FFFF> <0041> " * 5_000 + b"endbfrange",
    "open blocks": b"beginbfchar " * 20_000,
    "brackets": b"1 beginbfrange <00> <01> [ " + b"<41> " * 1_000 + b"endbfrange",
    "size": b"x" * 1_000_000,
    "no code": b"1 beginbfchar <0002> <0041> endbfchar",
}


@pytest.mark.parametrize("name", TABLES)
def test_tables_that_cannot_be_used(name: str) -> None:
    start = time.process_time()
    fact = shown(b"BT /F 10 Tf 1 20 Td <0001> Tj ET", F=FormFont("Type0", "X", TABLES[name]))
    assert codes(fact) == ["mark.unreadable"] and time.process_time() - start < 1


def test_forms_in_forms_end() -> None:
    nested = Form(b"/A Do", (0, 0, 10, 10))
    for _ in range(12):
        nested = Form(b"/A Do " * 2, (0, 0, 10, 10), forms={"A": nested})
    fact = read_mark(Shown(TOP_RIGHT, PAGE, nested, NOW))
    assert fact is not None and codes(fact) == ["mark.unreadable"]


def test_a_large_image_is_not_decoded() -> None:
    huge = FormImage(60_000, 60_000, zlib.compress(bytes(1000)), filters=("FlateDecode",))
    start = time.process_time()
    assert codes(with_image(huge, Role.AGENCY)) == ["mark.unreadable"] and time.process_time() - start < 0.5


def test_reading_is_quick() -> None:
    mark, made = ours()
    subject = Shown(PAGE.rect(mark.box), PAGE, made, NOW, Role.AGENCY)
    read_mark(subject)
    start = time.process_time()
    for _ in range(50):
        fact = read_mark(subject)
        assert fact is not None and fact.problems == ()
    assert (time.process_time() - start) / 50 < 0.003
