"""A14 changes of pages and of what belongs to the whole document."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from tests.security.attacks.builders import Pdf, stream, update, with_entry
from tests.security.attacks.drafts import CATALOG, CONTENT2, FONTS, FORGED, META, PAGE, PAGE2, PAGES, page
from tests.security.attacks.workshop import Case, Must, Workshop

Change = Callable[[Pdf], dict[int, bytes]]


def _catalog(entry: bytes, *more: bytes) -> Change:
    """An entry of the catalog; {n} is the first of the new objects `more`."""

    def change(pdf: Pdf) -> dict[int, bytes]:
        named = entry.replace(b"{n}", b"%d 0 R" % pdf.size)
        return {CATALOG: with_entry(pdf.body(CATALOG), named), **{pdf.size + i: body for i, body in enumerate(more)}}

    return change


def _page(entry: bytes, number: int = PAGE) -> Change:
    return lambda pdf: {number: with_entry(pdf.body(number), entry)}


def _kids(kids: bytes, count: int) -> Change:
    return lambda pdf: {PAGES: b"<< /Type /Pages /Kids [%s] /Count %d >>" % (kids, count)}


def _added(pdf: Pdf) -> dict[int, bytes]:
    new = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents %d 0 R /Resources << %s >> >>" % (pdf.size + 1, FONTS)
    return {pdf.size: new, pdf.size + 1: stream(FORGED), **_kids(b"3 0 R 13 0 R %d 0 R" % pdf.size, 3)(pdf)}


SCRIPT = b"<< /S /JavaScript /JS (app.alert(1)) >>"
CHANGES: dict[str, Change] = {
    "page-added": _added,
    "page-removed": _kids(b"3 0 R", 1),
    "first-page-removed": _kids(b"13 0 R", 1),
    "pages-swapped": _kids(b"13 0 R 3 0 R", 2),
    "page-twice": _kids(b"3 0 R 13 0 R 3 0 R", 3),
    "no-pages": _kids(b"", 0),
    "count-only": _kids(b"3 0 R 13 0 R", 1),
    "nested-pages": lambda p: {
        PAGES: b"<< /Type /Pages /Kids [%d 0 R] /Count 2 >>" % p.size,
        p.size: b"<< /Type /Pages /Parent 2 0 R /Kids [3 0 R 13 0 R] /Count 2 >>",
    },
    "media-box": lambda p: {PAGE: p.body(PAGE).replace(b"[0 0 595 842]", b"[0 0 595 600]")},
    "media-box-inherited": lambda p: {PAGES: with_entry(p.body(PAGES), b"/MediaBox [0 0 10 10]")},
    "crop-box": _page(b"/CropBox [0 0 595 600]"),
    "crop-box-inherited": lambda p: {PAGES: with_entry(p.body(PAGES), b"/CropBox [0 0 595 600]")},
    "rotate": _page(b"/Rotate 180"),
    "rotate-inherited": lambda p: {PAGES: with_entry(p.body(PAGES), b"/Rotate 90")},
    "unit": _page(b"/UserUnit 10"),
    "group": _page(b"/Group << /S /Transparency /K true >>"),
    "duration": _page(b"/Dur 1 /Trans << /S /Wipe >>"),
    "page-action": _page(b"/AA << /O " + SCRIPT + b" >>"),
    "page-pieces": _page(b"/PieceInfo << /X << /Private 1 >> >>"),
    "page-metadata": lambda p: {PAGE: with_entry(p.body(PAGE), b"/Metadata 16 0 R")},
    "second-page-content": lambda p: {CONTENT2: stream(FORGED)},
    "second-page-annotation": lambda p: {
        PAGE2: with_entry(p.body(PAGE2), b"/Annots [%d 0 R]" % p.size),
        p.size: b"<< /Type /Annot /Subtype /Square /IC [1 1 1] /Rect [0 0 595 842] >>",
    },
    "content-array": lambda p: {PAGE: page(b"[4 0 R 14 0 R]")},
    "content-gone": lambda p: {PAGE: page(b"null")},
    "resources-swapped": lambda p: {PAGE: p.body(PAGE).replace(b"/Im0 12 0 R /Fx0 17 0 R", b"/Im0 17 0 R /Fx0 12 0 R")},
    "graphics-state": lambda p: {PAGE: p.body(PAGE).replace(b"/XObject <<", b"/ExtGState << /G << /ca 0 >> >> /XObject <<")},
    "tabs": _page(b"/Tabs /S"),
    "struct-parents": _page(b"/StructParents 0"),
    "layers-off": _catalog(b"/OCProperties << /OCGs [19 0 R] /D << /OFF [19 0 R] >> >>"),
    "layers-default": _catalog(b"/OCProperties << /OCGs [19 0 R] /D << /BaseState /OFF >> >>"),
    "open-action-script": _catalog(b"/OpenAction " + SCRIPT),
    "open-action-go": _catalog(b"/OpenAction [13 0 R /Fit]"),
    "open-action-launch": _catalog(b"/OpenAction << /S /Launch /F (x.exe) >>"),
    "document-actions": _catalog(b"/AA << /WC " + SCRIPT + b" >>"),
    "scripts": _catalog(b"/Names << /JavaScript << /Names [(a) " + SCRIPT + b"] >> >>"),
    "embedded-file": _catalog(b"/Names << /EmbeddedFiles << /Names [(a) {n}] >> >>", b"<< /Type /Filespec /F (a.exe) >>"),
    "associated-file": _catalog(b"/AF [{n}]", b"<< /Type /Filespec /F (a.xml) >>"),
    "destinations": _catalog(b"/Dests << /a [13 0 R /Fit] >>"),
    "structure": _catalog(b"/StructTreeRoot {n} /MarkInfo << /Marked true >>", b"<< /Type /StructTreeRoot >>"),
    "outlines": _catalog(b"/Outlines {n}", b"<< /Type /Outlines /Count 0 >>"),
    "page-labels": _catalog(b"/PageLabels << /Nums [0 << /P (X) >>] >>"),
    "page-mode": _catalog(b"/PageMode /FullScreen"),
    "page-layout": _catalog(b"/PageLayout /TwoColumnLeft"),
    "preferences": _catalog(b"/ViewerPreferences << /HideToolbar true /Direction /R2L >>"),
    "language": _catalog(b"/Lang (en)"),
    "threads": _catalog(b"/Threads []"),
    "address": _catalog(b"/URI << /Base (https://example.vn/) >>"),
    "output-intent": _catalog(b"/OutputIntents [<< /Type /OutputIntent /S /GTS_PDFA1 /OutputConditionIdentifier (x) >>]"),
    "collection": _catalog(b"/Collection << /View /D >>"),
    "requirements": _catalog(b"/Requirements [<< /S /EnableJavaScripts >>]"),
    "needs-rendering": _catalog(b"/NeedsRendering true"),
    "pieces": _catalog(b"/PieceInfo << /X << /Private 1 >> >>"),
    "version": _catalog(b"/Version /1.3"),
    "metadata": lambda p: {META: stream(b"<x:xmpmeta xmlns:x='adobe:ns:meta/'><title>Khac</title></x:xmpmeta>", b"/Type /Metadata /Subtype /XML ")},
    "metadata-gone": lambda p: {CATALOG: p.body(CATALOG).replace(b"/Metadata 16 0 R", b"")},
}


def changed(shape: str, style: str, change: Change, w: Workshop) -> bytes:
    pdf = w.base(shape, style)
    return update(pdf, change(pdf)).data


def cases() -> Iterator[Case]:
    for shape, style in (("plain", "table-lf"), ("lta", "objects-lf")):
        for name, change in CHANGES.items():
            # A /Version entry alone shows nobody anything; it need not be refused.
            must = Must.ANSWER if name == "version" else Must.REFUSE
            yield Case("A14", f"{name}@{shape}-{style}", partial(changed, shape, style, change), must)
    for name in ("page-added", "pages-swapped", "media-box", "open-action-script", "layers-off", "metadata"):
        yield Case("A14", f"{name}@two-stream-crlf", partial(changed, "two", "stream-crlf", CHANGES[name]))
        yield Case("A14", f"{name}@p3-table-cr", partial(changed, "p3", "table-cr", CHANGES[name]))
