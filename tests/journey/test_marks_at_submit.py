"""What the hub makes of the marks on attachments, and of doubts that no source can settle."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from exchange.demo_signing import sign_attachment
from exchange.errors import SignatureIncomplete, SignatureRefused
from exchange.receipt import from_bytes
from signing.report import Role
from signing.sign_pdf import sign_pdf
from tests.house import NUMBER, SENDER, House, letter


def mark(house: House, package: Path) -> str:
    envelope = from_bytes(house.submit(package)).envelope
    return str(house.hub.timeline(SENDER, envelope)["mark"])


def test_an_attachment_with_the_number_of_its_document_is_effective(house: House) -> None:
    assert mark(house, house.package()) == ""


def test_an_attachment_of_another_document_is_refused(house: House, tmp_path: Path) -> None:
    other = tmp_path / "other.pdf"
    now = datetime.now(UTC)
    sign_attachment(letter(tmp_path / "t.pdf"), other, agency=house.pki.seal(SENDER), number="126/QĐ-UBND", now=now, trust=None, timestamp=None)
    with pytest.raises(SignatureRefused) as refused:
        house.submit(house.package(attachment=other))
    assert "mark.number_differs" in refused.value.detail and refused.value.place == "AttachmentEncoded/Attachment[2]"


def test_an_attachment_without_the_mark_is_for_reference_only(house: House, tmp_path: Path) -> None:
    bare = tmp_path / "bare.pdf"
    now = datetime.now(UTC)
    sign_pdf(letter(tmp_path / "t.pdf"), bare, house.pki.seal(SENDER), now=now, role=Role.AGENCY, field="CoQuan", kind="attachment")
    package = house.package(attachment=bare)
    assert mark(house, package) == "reference_only"
    house.register_strict(SENDER)
    with pytest.raises(SignatureIncomplete):
        house.submit(house.package(f"{SENDER},2026/11/20,127/QĐ", attachment=bare))


def test_numbers_are_compared_as_numbers(house: House, tmp_path: Path) -> None:
    padded = tmp_path / "padded.pdf"
    assert NUMBER == "125/QĐ-UBND"
    now = datetime.now(UTC)
    sign_attachment(letter(tmp_path / "t.pdf"), padded, agency=house.pki.seal(SENDER), number="0125/QĐ-UBND", now=now, trust=None, timestamp=None)
    assert mark(house, house.package(attachment=padded)) == ""
