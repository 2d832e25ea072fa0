"""lint_pages — what stands on the pages: scans, text below images, content outside the page (pypdfium2, extra ``render``)."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from signing.lint import Scan
from signing.presentation import POINT_MM

try:
    import pypdfium2 as pdfium
    from pypdfium2 import raw as pdfium_raw
except ImportError:  # the extra is not installed
    pdfium = pdfium_raw = None

MOST_PAGES = 200
MOST_OBJECTS = 20_000
SCAN_SHARE = 0.7
COVERED_SHARE = 0.8
OUTSIDE_POINTS = 5.0
_INVISIBLE = 3  # text render mode of what recognition software puts over a scan

Rect = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class PageFacts:
    """Pages (from 1) with text below an opaque image, with content outside, and scanned ones."""

    covered: tuple[int, ...] = ()
    outside: tuple[int, ...] = ()
    scans: tuple[Scan, ...] = ()


def available() -> bool:
    """Whether pages can be read here."""
    return pdfium is not None


def read_pages(path: Path) -> PageFacts:
    """What stands on the pages of the PDF at `path`; nothing when pypdfium2 is not there or cannot read it."""
    if pdfium is None:
        return PageFacts()
    try:
        document = pdfium.PdfDocument(path)
    except (pdfium.PdfiumError, OSError):
        return PageFacts()  # the other reader says why
    covered, outside, scans = list[int](), list[int](), list[Scan]()
    with closing(document):
        for index in range(min(len(document), MOST_PAGES)):
            with closing(document[index]) as page:
                hidden, beyond, scan = _page(page, index + 1)
            if hidden:
                covered.append(index + 1)
            if beyond:
                outside.append(index + 1)
            if scan is not None:
                scans.append(scan)
    return PageFacts(tuple(covered), tuple(outside), tuple(scans))


def _page(page: Any, number: int) -> tuple[bool, bool, Scan | None]:
    media, crop = page.get_mediabox(), page.get_cropbox()
    visible: Rect = (max(media[0], crop[0]), max(media[1], crop[1]), min(media[2], crop[2]), min(media[3], crop[3]))
    texts, hidden, beyond, scan = list[Rect](), False, False, None
    for count, item in enumerate(page.get_objects(max_depth=1)):
        if count >= MOST_OBJECTS:
            break
        try:
            box: Rect = item.get_bounds()
        except pdfium.PdfiumError:
            continue
        beyond = beyond or _is_outside(box, visible)
        if isinstance(item, pdfium.PdfTextObj):
            if pdfium_raw.FPDFTextObj_GetTextRenderMode(item) != _INVISIBLE:
                texts.append(box)
        elif isinstance(item, pdfium.PdfImage):
            if not pdfium_raw.FPDFPageObj_HasTransparency(item):
                hidden = hidden or any(_share(text, box) >= COVERED_SHARE for text in texts)
            if scan is None and _share(visible, box) >= SCAN_SHARE:
                scan = _scan(item, box, visible, number)
    return hidden, beyond, scan


def _scan(image: Any, box: Rect, visible: Rect, number: int) -> Scan:
    known = image.get_metadata()
    grey = known.colorspace in (pdfium_raw.FPDF_COLORSPACE_DEVICEGRAY, pdfium_raw.FPDF_COLORSPACE_CALGRAY) or known.bits_per_pixel <= 8
    width, height = (box[2] - box[0]) / 72, (box[3] - box[1]) / 72
    dpi = min(known.width / max(width, 1e-6), known.height / max(height, 1e-6))
    size = ((visible[2] - visible[0]) * POINT_MM, (visible[3] - visible[1]) * POINT_MM)
    return Scan(number, dpi, not grey, min(1.0, _share(visible, box)), size)


def _share(part: Rect, whole: Rect) -> float:
    """Which share of `part` lies within `whole`."""
    area = (part[2] - part[0]) * (part[3] - part[1])
    across = min(part[2], whole[2]) - max(part[0], whole[0])
    up = min(part[3], whole[3]) - max(part[1], whole[1])
    return across * up / area if across > 0 and up > 0 and area > 0 else 0.0


def _is_outside(box: Rect, visible: Rect) -> bool:
    far = OUTSIDE_POINTS
    flat = box[2] - box[0] <= 0 and box[3] - box[1] <= 0
    return not flat and (box[2] < visible[0] - far or box[0] > visible[2] + far or box[3] < visible[1] - far or box[1] > visible[3] + far)
