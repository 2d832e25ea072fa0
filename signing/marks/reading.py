"""reading — đọc lại hình thức chữ ký: from an appearance to a `MarkFact`, with what is not as prescribed.

Never raises: an appearance may be made by an attacker, and whatever cannot be read is the
reason ``mark.unreadable``. What is invisible on the page does not count as shown.
"""

from __future__ import annotations

import math
import re
import unicodedata
from datetime import datetime, timedelta

from signing.marks.content import Run, Seen, bounds, look, times
from signing.marks.ink import colour_of
from signing.marks.numbers import number_in, time_in
from signing.marks.values import Form, Matrix, Rect, Shown
from signing.presentation import POINT_MM, SIZE, Box, CopyForm, Page, is_top_right, pair_is_right
from signing.reasons import reason
from signing.report import MarkFact, Reason, Role

TIMES = ("timesnewroman", "timesroman", "times", "liberationserif", "tinos", "nimbusroman", "termes")
TIME_SLACK = timedelta(seconds=60)  # clocks of the mark's maker and of the signature may be read apart
SIZE_SLACK = 0.5
SEAL_SLACK_MM = 1.0
_FORMS = {re.sub(r"\s+", "", f.value): f for f in CopyForm}


def read_mark(shown: Shown) -> MarkFact | None:
    """What a signature shows, or None when it shows nothing (no appearance, no area, hidden).

    Problems are reasons ``mark.*``. The time of the mark is compared with `shown.time` when that is given.
    """
    if shown.form is None or shown.hidden or not all(map(math.isfinite, shown.rect)):
        return None
    left, bottom, right, top = shown.rect
    if abs(right - left) < 1e-3 or abs(top - bottom) < 1e-3:
        return None
    try:
        box = shown.page.box(shown.rect)
        return _fact(shown, shown.form, box)
    except Exception as error:  # an appearance may hold anything; the reason says what was raised
        why = reason("mark.unreadable", detail=f"{type(error).__name__}: {error}"[:120])
        return MarkFact("other", shown.page.number, (0.0, 0.0, 0.0, 0.0), problems=(why,))


def pair_problem(person: MarkFact | None, seal: MarkFact | None) -> Reason | None:
    """What is wrong with the seal's place beside the person's image, if anything (SIG-04). None when either is not shown as an image."""
    if person is None or seal is None or person.kind != "person_image" or seal.kind != "agency_seal":
        return None
    if person.page == seal.page and pair_is_right(Box(*person.box), Box(*seal.box)):
        return None
    return reason("mark.place", "agency_seal")


def seal_size_problem(seal: MarkFact, diameter_mm: float) -> Reason | None:
    """Whether the seal has its real size, the `diameter_mm` of the agency's profile (SIG-04)."""
    box = Box(*seal.box)
    if abs(max(box.width, box.height) - diameter_mm) <= SEAL_SLACK_MM:
        return None
    return reason("mark.size", "agency_seal", f"{max(box.width, box.height):.1f} mm")


def _fact(shown: Shown, form: Form, box: Box) -> MarkFact:
    seen = look(form, times(form.matrix, _placement(form, shown.rect)))
    text, lines = _text(seen.runs, shown.page)
    seen.images[:] = [p for p in seen.images if p.box[2] - p.box[0] > 1 and p.box[3] - p.box[1] > 1]
    ink = colour_of(max(seen.images, key=lambda p: (p.box[2] - p.box[0]) * (p.box[3] - p.box[1])).image) if seen.images else ""
    number, (moment, regular) = number_in(text), time_in(text)
    copy = next((f for line in lines[:2] for key, f in _FORMS.items() if _letters(line).startswith(key)), None)
    kind = _kind(bool(copy), number, moment, ink, bool(seen.images), shown.role)
    if seen.images and kind in ("person_image", "agency_seal"):
        box = _image_box(seen, shown, box)
    font, size, colour = _type(seen.runs, ink, kind, shown.page)
    problems = _problems(kind, seen, ink, shown, box)
    if kind in ("attachment", "copy"):
        problems += _text_problems(seen, shown, box, moment, regular)
    return MarkFact(
        kind=kind,
        page=shown.page.number,
        box=(round(box.left, 2), round(box.bottom, 2), round(box.right, 2), round(box.top, 2)),
        text=text[:2000],
        form=copy.value if copy else "",
        number=number,
        organisation=_organisation(lines, copy, number) if kind in ("attachment", "copy") else "",
        time=moment,
        font=font,
        size_pt=round(size, 2),
        colour=colour,
        problems=tuple(problems),
    )


def _placement(form: Form, rect: Rect) -> Matrix:
    """The matrix from the form's outer space to the page (ISO 32000-2 clause 12.5.5, algorithm 8)."""
    box = bounds(form.bbox, form.matrix)
    left, bottom, right, top = min(rect[0], rect[2]), min(rect[1], rect[3]), max(rect[0], rect[2]), max(rect[1], rect[3])
    across, up = (right - left) / (box[2] - box[0]), (top - bottom) / (box[3] - box[1])
    return across, 0, 0, up, left - box[0] * across, bottom - box[1] * up


def _kind(is_copy: bool, number: str, moment: datetime | None, ink: str, drawn: bool, role: Role) -> str:
    if is_copy:
        return "copy"
    if number and moment is not None:
        return "attachment"
    if drawn:
        by_role = {Role.PERSON: "person_image", Role.AGENCY: "agency_seal"}.get(role, "")
        return by_role or {"blue": "person_image", "red": "agency_seal"}.get(ink, "other")
    return "attachment" if number else "other"


def _image_box(seen: Seen, shown: Shown, widget: Box) -> Box:
    """The largest image's own box, within the widget: that is what people see."""
    rect = max(seen.images, key=lambda p: (p.box[2] - p.box[0]) * (p.box[3] - p.box[1])).box
    box = shown.page.box(rect)
    cut = Box(max(box.left, widget.left), max(box.bottom, widget.bottom), min(box.right, widget.right), min(box.top, widget.top))
    return cut if cut.width > 0 and cut.height > 0 else widget


def _problems(kind: str, seen: Seen, ink: str, shown: Shown, box: Box) -> list[Reason]:
    found = []
    wanted = {"person_image": "blue", "agency_seal": "red"}.get(kind)
    if wanted and ink and ink != wanted:
        found.append(reason("mark.colour", kind, ink))
    if wanted and not ink:
        found.append(reason("mark.unreadable", kind))
    if not Box(0, 0, *shown.page.size).holds(box):
        found.append(reason("mark.place", kind))
    if seen.hidden:
        found.append(reason("mark.hidden", kind))
    return found


def _text_problems(seen: Seen, shown: Shown, box: Box, moment: datetime | None, regular: bool) -> list[Reason]:
    found = []
    if seen.images:
        found.append(reason("mark.image"))
    if not is_top_right(shown.page, box):
        found.append(reason("mark.place"))
    if moment is None or not regular or (shown.time is not None and abs(moment - shown.time) > TIME_SLACK):
        found.append(reason("mark.time", detail=moment.isoformat() if moment else ""))
    if any(run.colour != "black" for run in seen.runs if run.text.strip()):
        found.append(reason("mark.colour"))
    if not all(_is_prescribed(run, shown.page) for run in seen.runs if run.text.strip()):
        found.append(reason("mark.font", detail=", ".join(sorted({_plain_name(run.font) for run in seen.runs}))[:80]))
    return found


def _is_prescribed(run: Run, page: Page) -> bool:
    """Times New Roman or of its metric, upright, 10 point, standing level as people see the page."""
    name = re.sub(r"[^a-z]", "", _plain_name(run.font).lower())
    angle = math.degrees(math.atan2(run.turn[1], run.turn[0])) - page.rotate
    level = abs((angle + 180) % 360 - 180) < 1
    styled = any(word in name for word in ("italic", "oblique", "bold"))
    return name.startswith(TIMES) and not styled and level and run.slant < 0.05 and abs(run.size * page.unit - SIZE) <= SIZE_SLACK


def _type(runs: list[Run], ink: str, kind: str, page: Page) -> tuple[str, float, str]:
    """(font, size in points, colour) of most of the text; an image's ink where the mark is an image."""
    shown = [run for run in runs if run.text.strip()]
    if not shown:
        return "", 0.0, ink
    most = max(shown, key=lambda run: len(run.text))
    return _plain_name(most.font), most.size * page.unit, ink if kind in ("person_image", "agency_seal") else most.colour


def _text(runs: list[Run], page: Page) -> tuple[str, list[str]]:
    """(whole text, its lines from the top), as people see the page."""
    rows: list[tuple[float, float, list[tuple[float, Run]]]] = []
    for run in runs:
        place = page.box((run.x, run.y, run.x, run.y))
        x, y, size = place.left / POINT_MM, place.bottom / POINT_MM, run.size * page.unit
        row = next((r for r in rows[-8:] if abs(r[0] - y) <= 0.4 * max(size, r[1], 1.0)), None)
        if row is None:
            rows.append((y, size, [(x, run)]))
        else:
            row[2].append((x, run))
    rows.sort(key=lambda r: -r[0])
    lines = [_line(parts) for _, _, parts in rows]
    lines = [line for line in lines if line]
    return "\n".join(lines), lines


def _line(parts: list[tuple[float, Run]]) -> str:
    text, end = "", -math.inf
    groups: list[list[tuple[float, Run]]] = []
    for x, run in parts:
        if run.joined and groups:
            groups[-1].append((x, run))
        else:
            groups.append([(x, run)])
    for group in sorted(groups, key=lambda g: g[0][0]):
        word, size = "".join(run.text for _, run in group), group[0][1].size
        text += (" " if text and group[0][0] - end > 0.2 * size else "") + word
        end = group[0][0] + 0.5 * size * len(word)
    return " ".join(unicodedata.normalize("NFC", text).split())


def _organisation(lines: list[str], copy: CopyForm | None, number: str) -> str:
    """The lines that are neither form, number nor time, as one."""
    named = [line for line in lines if time_in(line)[0] is None and not (number and number_in(line))]
    if copy is not None:
        named = [line for line in named if not _letters(line).startswith(_letters(copy.value))]
    return " ".join(named)[:300]


def _letters(line: str) -> str:
    return re.sub(r"\s+", "", line).upper()


def _plain_name(font: str) -> str:
    return re.sub(r"^[A-Z]{6}\+", "", font)[:64]
