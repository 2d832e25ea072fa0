"""cli_looks — what a signature made on the command line shows, and the warnings before it is made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.text import Text

from signing.cli_options import FILE
from signing.errors import PresentationRefused
from signing.fonts import load_font
from signing.presentation import Box, CopyForm
from signing.presentation.anchors import Place
from signing.reasons import reason
from signing.report import Reason
from signing.show import Screen
from signing.sign_pdf.appearance import read_page
from signing.sign_pdf.lint_reader import lint
from signing.sign_pdf.looks import SEAL_MM, Look, attachment_look, copy_look, person_look, seal_look

F = TypeVar("F", bound=Callable[..., Any])
FORMS = {"sao-y": CopyForm.SAO_Y, "sao-luc": CopyForm.SAO_LUC, "trich-sao": CopyForm.TRICH_SAO}
_UNMARKED = {"attachment": "mark.missing", "copy": "mark.copy_missing"}
LARGEST_IMAGE = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Shows:
    """The options of `shows` as they were given."""

    image: Path | None
    title: str
    name: str
    box: str
    seal_mm: float
    number: str
    form: str
    organisation: str
    font: Path | None
    check: bool

    def look(self, file: Path, role: str, kind: str, now: datetime) -> Look | None:
        """What the signature is to show, None for an invisible one.

        Raises:
            PresentationRefused: an image, place, text or font that cannot be used.
            PdfUnusable: not a readable PDF.
        """
        if kind == "attachment" and self.number:
            return attachment_look(file, self.number, now, organisation=self.organisation, typeface=load_font(self.font))
        if kind == "copy" and self.form:
            return copy_look(file, FORMS[self.form], self.organisation, self.number, now, typeface=load_font(self.font))
        if kind != "document" or self.image is None:
            return None
        png = _image(self.image)
        if role == "agency":
            return seal_look(file, png, seal_mm=self.seal_mm)
        return person_look(file, png, title=self.title, name=self.name, place=_place(file, self.box) if self.box else None, seal_mm=self.seal_mm)

    def warnings(self, file: Path, kind: str, look: Look | None) -> tuple[Reason, ...]:
        """What to know before the signature makes it final; a signed document is not looked at again."""
        found = look.appearance.warnings if look else (reason(_UNMARKED[kind]),) if kind in _UNMARKED else ()
        if not self.check:
            return found
        main = kind == "document"
        return (*lint(file, number=self.number if main else "", components=main), *found)


def shows(command: F) -> F:
    """The options for what is shown; the command gets a `Shows` as `shown`."""

    @wraps(command)
    def wrapped(*args: Any, image: Path | None, title: str, signer_name: str, box: str, seal_mm: float, number: str, **rest: Any) -> Any:
        form, organisation, font, check = rest.pop("copy_form") or "", rest.pop("organisation"), rest.pop("font"), not rest.pop("no_check")
        return command(*args, shown=Shows(image, title, signer_name, box, seal_mm, number, form, organisation, font, check), **rest)

    options = (
        click.option("--no-check", is_flag=True, help="Do not look for what to know before signing."),
        click.option("--font", type=FILE, envvar="VANTHU_FONT", help="TrueType file for marks, e.g. Times New Roman; else Liberation Serif."),
        click.option("--organisation", default="", help="Agency named in the mark; for a copy the copying agency."),
        click.option("--copy-form", type=click.Choice(list(FORMS)), help="Form of a certified copy, with --kind copy."),
        click.option("--number", default="", help="Number and symbol, e.g. 7/QĐ-UBND: shown on attachments and copies, compared with a document's text."),
        click.option("--seal-mm", type=float, default=SEAL_MM, show_default=True, help="Diameter of the agency's seal."),
        click.option("--box", default="", metavar="PAGE,L,B,R,T", help="Place of the person's image: page (-1 the last), mm from the lower left corner."),
        click.option("--name", "signer_name", default="", help="Full name as printed: the image stands above it."),
        click.option("--title", default="", help="Last line of the office as printed, e.g. PHÓ GIÁM ĐỐC: the image stands below it."),
        click.option("--image", type=FILE, help="PNG with transparent ground: the person's blue signature, or the agency's red seal."),
    )
    made: Any = wrapped
    for option in options:
        made = option(made)
    return made  # type: ignore[no-any-return]


def warn(screen: Screen, found: tuple[Reason, ...]) -> None:
    """Print warnings to standard error."""
    if not found or screen.as_json:
        return
    screen.err.print(Text(screen.word("Lưu ý trước khi ký", "Before signing"), style="bold yellow"))
    for each in dict.fromkeys(found):
        place = f" [{each.place}]" if each.place else ""
        screen.err.print(Text(f"  - {screen.word(each.vi, each.en)} ({each.code}){place}"))


def _image(path: Path) -> bytes:
    if path.stat().st_size > LARGEST_IMAGE:
        raise PresentationRefused("the image file is too large", place=path.name)
    return path.read_bytes()


def _place(file: Path, box: str) -> Place:
    try:
        number, left, bottom, right, top = (float(part) for part in box.split(","))
    except ValueError as error:
        raise click.UsageError("--box wants PAGE,LEFT,BOTTOM,RIGHT,TOP") from error
    if not (left < right and bottom < top):
        raise click.UsageError("--box: left < right and bottom < top are wanted")
    return Place(read_page(file, int(number)), Box(left, bottom, right, top))

