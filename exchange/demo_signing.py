"""demo_signing — the demonstration's clerk: signs a letter and its attachment with what NĐ 30/2020 lets them show.

The person's blue image stands between title and name where the text can be read, else above
the foot of the last page; the agency's red seal covers its left third; the attachment
shows the letter's number and the signing time at its top right. All visibly fictitious.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from signing.dev_images import sample_seal_png, sample_signature_png
from signing.errors import PresentationRefused
from signing.keys import SigningKey
from signing.presentation import Box, Page
from signing.presentation.anchors import signing_place
from signing.presentation.appearances import agency_seal, attachment_mark, person_image
from signing.report import Role
from signing.sign_pdf import AGENCY_FIELD, PERSON_FIELD, Profile, sign_pdf
from signing.sign_pdf.appearance import field_box, read_page
from signing.trust import Trust

TITLE, NAME = "PHÓ GIÁM ĐỐC", "Nguyễn Văn A (mô phỏng)"
SEAL_MM = 36.0
Timestamp = Callable[[bytes], bytes]


def sign_letter(
    source: Path, target: Path, *, person: SigningKey, agency: SigningKey, organisation: str, now: datetime, trust: Trust, timestamp: Timestamp | None
) -> None:
    """The person signs, then the agency (NĐ 30/2020 Art 5.1); with `timestamp` the agency's signature is B-LT.

    Raises:
        SigningError: as `sign_pdf` raises it.
    """
    page, box = _place(source)
    image = person_image(sample_signature_png(), box, page=page.number)
    seal = agency_seal(sample_seal_png(organisation), SEAL_MM, image.box, page=page.number)
    boxes = {PERSON_FIELD: field_box(image, page), AGENCY_FIELD: field_box(seal, page)}
    half = target.with_name(f".{target.stem}.half.pdf")
    try:
        sign_pdf(source, half, person, now=now, role=Role.PERSON, field=PERSON_FIELD, trust=trust, boxes=boxes, appearance=image)
        profile = Profile.B_LT if timestamp is not None else Profile.B_B
        sign_pdf(half, target, agency, now=now, role=Role.AGENCY, field=AGENCY_FIELD, profile=profile, trust=trust, timestamp=timestamp, appearance=seal)
    finally:
        half.unlink(missing_ok=True)


def sign_attachment(source: Path, target: Path, *, agency: SigningKey, number: str, now: datetime, trust: Trust | None, timestamp: Timestamp | None) -> None:
    """The agency signs a separate attachment; its mark shows the letter's `number` (Annex I-I-II.8.b).

    Raises:
        SigningError: as `sign_pdf` raises it.
    """
    page = read_page(source, 1)
    mark = attachment_mark(number, now, page=page)
    boxes = {AGENCY_FIELD: field_box(mark, page)}
    profile = Profile.B_B if timestamp is None else Profile.B_LT if trust is not None else Profile.B_T
    sign_pdf(
        source,
        target,
        agency,
        now=now,
        role=Role.AGENCY,
        field=AGENCY_FIELD,
        profile=profile,
        kind="attachment",
        trust=trust,
        timestamp=timestamp,
        boxes=boxes,
        appearance=mark,
    )


def _place(source: Path) -> tuple[Page, Box]:
    try:
        found = signing_place(source, TITLE, NAME)
        return found.page, found.box
    except PresentationRefused:
        page = read_page(source, -1)
        width, _ = page.size
        right = width - 25.0
        return page, Box(right - 50.0, 45.0, right, 70.0)
