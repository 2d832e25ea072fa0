"""vanthu sign with images and marks, and the warnings before: as a clerk uses it."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from signing.dev_images import sample_seal_png, sample_signature_png
from signing.policy import judge
from signing.presentation import anchors
from signing.report import MarkFact, Verdict
from signing.trust import Trust
from signing.verify_pdf import verify_pdf
from tests.house import SENDER, Pki, letter
from tests.unit.test_signing_cli import vanthu


@pytest.fixture
def pictures(tmp_path: Path) -> tuple[Path, Path]:
    (tmp_path / "signature.png").write_bytes(sample_signature_png())
    (tmp_path / "seal.png").write_bytes(sample_seal_png())
    return tmp_path / "signature.png", tmp_path / "seal.png"


def marks(path: Path, pki: Pki) -> list[MarkFact | None]:
    return [s.mark for s in verify_pdf(path, Trust.load(pki.folder / "trust"), at=datetime.now(UTC)).signatures]


def person(pki: Pki) -> tuple[object, ...]:
    return ("--key", pki.folder / "persons" / "lanh-dao.pem", "--role", "person")


def agency(pki: Pki) -> tuple[object, ...]:
    return ("--key", pki.folder / "agencies" / SENDER / "seal.pem", "--role", "agency", "--trust", pki.folder / "trust")


def test_person_then_seal(pki: Pki, pictures: tuple[Path, Path], tmp_path: Path) -> None:
    file = letter(tmp_path / "x.pdf")
    vanthu("sign", file, *person(pki), "--image", pictures[0], "--box", "-1,125,60,175,85", "--in-place", "--no-check")
    vanthu("sign", file, *agency(pki), "--image", pictures[1], "--in-place")
    found = marks(file, pki)
    assert [m and (m.kind, m.page, m.problems) for m in found] == [("person_image", 1, ()), ("agency_seal", 1, ())]


def test_attachment_and_copy(pki: Pki, tmp_path: Path) -> None:
    file = letter(tmp_path / "x.pdf")
    told = vanthu("sign", file, *agency(pki), "--kind", "attachment", "--number", "7/QĐ-UBND", "-o", tmp_path / "a.pdf", "--json")
    assert json.loads(told.stdout)["font"] == "Liberation Serif" and json.loads(told.stdout)["warnings"] == []
    copy = ("--kind", "copy", "--copy-form", "sao-luc", "--organisation", "Văn phòng (mô phỏng)")
    vanthu("sign", file, *agency(pki), *copy, "-o", tmp_path / "c.pdf")
    attachment, copied = marks(tmp_path / "a.pdf", pki)[0], marks(tmp_path / "c.pdf", pki)[0]
    assert attachment and (attachment.kind, attachment.number, attachment.problems) == ("attachment", "7/QĐ-UBND", ())
    assert copied and (copied.kind, copied.form, copied.organisation, copied.problems) == ("copy", "SAO LỤC", "Văn phòng (mô phỏng)", ())


def test_a_number_is_read_back_or_refused(pki: Pki, tmp_path: Path) -> None:
    file = letter(tmp_path / "x.pdf")
    for number in ("1234567890/SKHCN-CĐS", "07-QĐ/TU"):
        vanthu("sign", file, *agency(pki), "--kind", "attachment", "--number", number, "-o", tmp_path / "a.pdf")
        found = verify_pdf(tmp_path / "a.pdf", Trust.load(pki.folder / "trust"), at=datetime.now(UTC))
        assert judge(found, kind="attachment", number=number).verdict is Verdict.VALID
    refused = vanthu("sign", file, *agency(pki), "--kind", "attachment", "--number", "QĐ-UBND", "-o", tmp_path / "b.pdf", code=1)
    assert "sign.presentation" in refused.stderr and not (tmp_path / "b.pdf").exists()


def test_an_attachment_without_its_mark_is_warned_about(pki: Pki, tmp_path: Path) -> None:
    told = vanthu("sign", letter(tmp_path / "x.pdf"), *agency(pki), "--kind", "attachment", "-o", tmp_path / "a.pdf")
    assert "mark.missing" in told.stderr


def test_what_is_odd_is_said_before_signing(pki: Pki, pictures: tuple[Path, Path], tmp_path: Path) -> None:
    file = letter(tmp_path / "x.pdf")
    told = vanthu("sign", file, *person(pki), "--image", pictures[1], "--box", "1,125,60,175,85", "-o", tmp_path / "y.pdf", "--lang", "en")
    wanted = "lint.component_missing" if anchors.available() else "lint.text_not_checked"
    assert "mark.colour" in told.stderr and wanted in told.stderr.replace("\n", "")
    silent = vanthu("sign", file, *person(pki), "--no-check", "-o", tmp_path / "z.pdf")
    assert "lint." not in silent.stderr


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--box", "1,2,3"), 2),
        (("--box", "1,175,60,125,85"), 2),
        (("--box", "9,125,60,175,85"), 1),
        (("--box", "1,125,60,175,85", "--seal-mm", "0"), 1),
        (("--box", "1,125,60,175,85", "--seal-mm", "42"), 0),
    ],
)
def test_places_that_are_none(words: tuple[str, ...], code: int, pki: Pki, pictures: tuple[Path, Path], tmp_path: Path) -> None:
    file = letter(tmp_path / "x.pdf")
    result = vanthu("sign", file, *person(pki), "--image", pictures[0], "--no-check", "-o", tmp_path / "y.pdf", *words, code=code)
    assert (tmp_path / "y.pdf").exists() == (code == 0), result.output


def test_an_image_that_is_none(pki: Pki, tmp_path: Path) -> None:
    file, noise = letter(tmp_path / "x.pdf"), tmp_path / "noise.png"
    noise.write_bytes(b"no image")
    result = vanthu("sign", file, *person(pki), "--image", noise, "--box", "1,125,60,175,85", "-o", tmp_path / "y.pdf", code=1)
    assert "sign.presentation" in result.output and not (tmp_path / "y.pdf").exists()


def test_a_key_that_is_elsewhere_gets_the_mark_too(pki: Pki, tmp_path: Path) -> None:
    """Digest out, signature in: the page shows what it would with the key at hand."""
    pem = (pki.folder / "agencies" / SENDER / "seal.pem").read_bytes()
    (tmp_path / "certificates.pem").write_bytes(b"".join(c.public_bytes(Encoding.PEM) for c in x509.load_pem_x509_certificates(pem)))
    file, waiting, state = letter(tmp_path / "x.pdf"), tmp_path / "w.pdf", tmp_path / "state.json"
    what = ("--role", "agency", "--kind", "attachment", "--number", "7/QĐ-UBND", "--scheme", "pkcs1v15")
    vanthu("sign-prepare", file, "--certificate", tmp_path / "certificates.pem", *what, "-o", waiting, "--state", state)
    key = load_pem_private_key(pem, None)
    assert isinstance(key, rsa.RSAPrivateKey)
    value = key.sign(base64.b64decode(json.loads(state.read_text())["to_sign"]), padding.PKCS1v15(), hashes.SHA256())
    (tmp_path / "value").write_bytes(base64.b64encode(value))
    vanthu("sign-complete", waiting, "--state", state, "--signature", tmp_path / "value", "-o", tmp_path / "a.pdf")
    mark = marks(tmp_path / "a.pdf", pki)[0]
    assert mark and (mark.kind, mark.number, mark.problems) == ("attachment", "7/QĐ-UBND", ())
