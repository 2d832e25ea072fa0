"""Signed PDFs changed in many ways: none is accepted, none crashes."""

from __future__ import annotations

import os
import re
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signing.dev_pki import write_crls
from signing.errors import CertificateUnusable, OrderRefused, PdfUnusable
from signing.policy import judge
from signing.report import DualSignature, Indication, Role, Verdict
from signing.sandbox import Sandbox
from signing.sign_pdf import Profile, sign_pdf
from signing.trust import Trust
from signing.verify_pdf import verify_pdf
from tests.house import SENDER, Pki, letter, make_house_pki
from tests.signing_material import stamper

CORPUS = Path(__file__).resolve().parents[2].parent / "shared" / "corpus" / "pdf"


@pytest.fixture(scope="module")
def trust(pki: Pki) -> Trust:
    return Trust.load(pki.folder / "trust")


def verdict(path: Path, trust: Trust, kind: str = "document") -> Verdict:
    return judge(verify_pdf(path, trust, at=datetime.now(UTC)), kind=kind).verdict


def write(tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / "changed.pdf"
    path.write_bytes(data)
    return path


def update(data: bytes, objects: dict[int, bytes], *, root: int = 1) -> bytes:
    """A well-formed incremental update."""
    start_old = int(re.findall(rb"startxref\s+(\d+)", data)[-1])
    out, offsets = bytearray(data), {}
    for number, body in objects.items():
        offsets[number] = len(out)
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(out)
    out += b"xref\n"
    for number, offset in sorted(offsets.items()):
        out += b"%d 1\n%010d 00000 n \n" % (number, offset)
    size = max(200, *offsets)
    out += b"trailer\n<< /Size %d /Root %d 0 R /Prev %d >>\nstartxref\n%d\n%%%%EOF\n" % (size + 1, root, start_old, start)
    return bytes(out)


def test_the_untouched_document_holds(pki: Pki, trust: Trust) -> None:
    found = judge(verify_pdf(pki.document, trust, at=datetime.now(UTC)))
    assert (found.verdict, found.dual_signature) == (Verdict.VALID, DualSignature.COMPLETE)
    assert [s.role for s in found.findings.signatures] == [Role.PERSON, Role.AGENCY]
    assert verdict(pki.attachment, trust, "attachment") is Verdict.VALID


PAGE = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 100 100] /Contents 4 0 R >>"
CONTENT = b"<< /Length 44 >>\nstream\nBT /F1 18 Tf 72 720 Td (Forged text) Tj ET  \nendstream"


@pytest.mark.parametrize(
    "change",
    [
        lambda d: update(d, {3: PAGE}),
        lambda d: update(d, {4: CONTENT}),
        lambda d: update(d, {1: b"<< /Type /Catalog /Pages 2 0 R >>"}),
        lambda d: update(d, {2: b"<< /Type /Pages /Kids [] /Count 0 >>"}),
        lambda d: d + b"4 0 obj\n" + CONTENT + b"\nendobj\n",
        lambda d: d + b"4 0 obj\n" + CONTENT + b"\nendobj\ntrailer << /Root 1 0 R >>\nstartxref\n0\n",
        lambda d: d + b"garbage",
        lambda d: d + d,
        lambda d: d.replace(b"Cong van", b"Cong vaN"),
        lambda d: re.sub(rb"/ByteRange \[\d+ \d+", b"/ByteRange [0 99", d),
        lambda d: d[: len(d) // 2],
        lambda d: d.replace(b"/ByteRange", b"/ByteRangX"),
        lambda d: d.replace(b"/Contents <", b"/Contents >"),
        lambda d: d.replace(b"/Type /Sig", b"/Type /Sag"),
        lambda d: d[:-6],
        lambda d: b"",
        lambda d: b"%PDF-1.7\n%%EOF",
    ],
)
def test_changed_documents_are_not_accepted(pki: Pki, trust: Trust, tmp_path: Path, change: object) -> None:
    data = change(pki.document.read_bytes())  # type: ignore[operator]
    assert verdict(write(tmp_path, data), trust) is not Verdict.VALID


def test_a_redefined_signature_object_is_refused(pki: Pki, trust: Trust, tmp_path: Path) -> None:
    data = pki.document.read_bytes()
    ranges = [m.start() for m in re.finditer(rb"/ByteRange", data)]
    assert len(ranges) == 2
    for place in ranges:
        opened = list(re.finditer(rb"(?<!\d)(\d{1,6}) 0 obj", data[:place]))[-1]
        body = data[opened.end() : data.index(b"endobj", place)].strip()
        assert verdict(write(tmp_path, update(data, {int(opened.group(1)): body})), trust) is not Verdict.VALID


@settings(max_examples=60, deadline=None)
@given(where=st.integers(0, 2**31), what=st.binary(min_size=1, max_size=4))
def test_no_single_change_is_accepted(pki: Pki, tmp_path_factory: pytest.TempPathFactory, where: int, what: bytes) -> None:
    trust = Trust.load(pki.folder / "trust")
    data = bytearray(pki.document.read_bytes())
    place = where % (len(data) - 4)
    if data[place : place + len(what)] == what:
        return
    before = bytes(data)
    # The newest CMS value itself is outside what it signs; its padding is not.
    _, b, c, _ = (int(n) for n in re.findall(rb"/ByteRange \[(\d+) (\d+) (\d+) (\d+)", before)[-1])
    size = 4 + int.from_bytes(bytes.fromhex(before[b + 5 : b + 9].decode()), "big")
    if b - 4 < place < b + 1 + 2 * size:
        return
    data[place : place + len(what)] = what
    path = tmp_path_factory.mktemp("x") / "x.pdf"
    path.write_bytes(data)
    if bytes(data).rstrip() != before.rstrip():
        assert verdict(path, trust) is not Verdict.VALID


def test_the_agency_signs_after_the_person(pki: Pki, trust: Trust, tmp_path: Path) -> None:
    draft = letter(tmp_path / "draft.pdf")
    now = datetime.now(UTC)
    with pytest.raises(OrderRefused):
        sign_pdf(draft, tmp_path / "x.pdf", pki.seal(SENDER), now=now, role=Role.AGENCY, field="CoQuan", trust=trust)
    assert not (tmp_path / "x.pdf").exists()
    # Somebody whose software does not care: the verifier does.
    sign_pdf(draft, tmp_path / "a.pdf", pki.seal(SENDER), now=now, role=Role.AGENCY, field="CoQuan", kind="copy", trust=trust)
    found = judge(verify_pdf(tmp_path / "a.pdf", trust, at=now))
    assert found.dual_signature is DualSignature.PERSON_MISSING
    with pytest.raises(PdfUnusable):
        sign_pdf(write(tmp_path, b"no pdf"), tmp_path / "x.pdf", pki.person(), now=now, role=Role.PERSON, field="NguoiKy")


def test_certificates_are_checked_before_signing(pki: Pki, trust: Trust, tmp_path: Path) -> None:
    with pytest.raises(CertificateUnusable):
        late = datetime.now(UTC) + timedelta(days=4000)
        sign_pdf(pki.document, tmp_path / "x.pdf", pki.person(), now=late, role=Role.PERSON, field="NguoiKy")


def test_revoked_and_unknown(tmp_path: Path) -> None:
    pki = make_house_pki(tmp_path / "own")
    write_crls(pki.folder, now=datetime.now(UTC), revoked=[pki.person().certificate.serial_number])
    revoked = Trust.load(pki.folder / "trust")
    assert verdict(pki.document, revoked) is Verdict.INVALID
    with pytest.raises(CertificateUnusable):
        sign_pdf(letter(tmp_path / "d.pdf"), tmp_path / "x.pdf", pki.person(), now=datetime.now(UTC), role=Role.PERSON, field="NguoiKy", trust=revoked)
    unknown = Trust(revoked.anchors, revoked.intermediates)
    found = judge(verify_pdf(pki.document, unknown, at=datetime.now(UTC)))
    assert found.verdict is Verdict.UNDETERMINED
    assert "signature.revocation_unknown" in {r.code for r in found.reasons}


def test_long_term_profile(pki: Pki, trust: Trust, tmp_path: Path) -> None:
    target = tmp_path / "lt.pdf"
    now = datetime.now(UTC)
    level = {"profile": Profile.B_LT, "trust": trust, "timestamp": stamper(pki, trust)}
    sign_pdf(letter(tmp_path / "d.pdf"), target, pki.seal(SENDER), now=now, role=Role.AGENCY, field="CoQuan", kind="attachment", **level)
    (signature,) = verify_pdf(target, trust, at=now).signatures
    assert signature.indication is Indication.PASSED and signature.level == "B-LT"


def test_the_cage_survives_anything(pki: Pki, trust: Trust, tmp_path: Path, sandbox: Sandbox) -> None:
    now = datetime.now(UTC)
    bomb = pki.document.read_bytes() + b"<" + b"00" * 2_000_000 + b">\n%%EOF\n"
    assert sandbox.verify(write(tmp_path, bomb), trust, at=now).verdict is not Verdict.VALID
    assert sandbox.verify(tmp_path / "absent.pdf", trust, at=now).verdict is Verdict.UNDETERMINED
    hurried = Sandbox(workers=1, wall_seconds=0.0)
    late = hurried.verify(pki.document, trust, at=now)
    hurried.close()
    assert late.verdict is Verdict.UNDETERMINED and late.reasons[0].code == "pdf.limit"
    assert sandbox.verify(pki.document, trust, at=now).verdict is Verdict.VALID


def laborious(pki: Pki, trust: Trust, folder: Path) -> Path:
    """A signed document of so many objects that to check it takes 0.1 s of CPU, on whatever machine: ten ticks of the slowest kernel."""
    draft, half, whole = folder / "draft.pdf", folder / "half.pdf", folder / "whole.pdf"
    now, count, spent = datetime.now(UTC), 50_000, 0.0
    while spent < 0.1:
        count *= 2
        letter(draft, more=count)
        sign_pdf(draft, half, pki.person(), now=now, role=Role.PERSON, field="NguoiKy")
        sign_pdf(half, whole, pki.seal(SENDER), now=now, role=Role.AGENCY, field="CoQuan", trust=trust)
        start = time.process_time()
        verify_pdf(whole, trust, at=now)
        spent = time.process_time() - start
    return whole


def test_the_share_of_cpu_ends_a_worker(pki: Pki, trust: Trust, tmp_path: Path) -> None:
    """What is valid without the limit is "cannot be determined" within it, and the next file gets an answer too."""
    path, found = laborious(pki, trust, tmp_path), []
    for seconds, times in ((60.0, 1), (0.001, 2)):
        cage = Sandbox(workers=1, cpu_seconds=seconds, wall_seconds=120)
        found += [cage.verify(path, trust, at=datetime.now(UTC)) for _ in range(times)]
        cage.close()
    valid, *limited = found
    assert valid.verdict is Verdict.VALID
    assert [(f.verdict, f.reasons[0].code) for f in limited] == [(Verdict.UNDETERMINED, "pdf.limit")] * 2
    assert not any("wall clock" in f.findings.error for f in limited)


def test_a_file_that_is_written_to_meanwhile_has_no_verdict(pki: Pki, trust: Trust, tmp_path: Path) -> None:
    """What was found and what was digested may be different bytes then; a file that was renamed over is another matter."""
    path, stop = laborious(pki, trust, tmp_path), threading.Event()

    def write_on() -> None:
        with path.open("r+b") as file:
            while not stop.is_set():
                os.pwrite(file.fileno(), b"%", 0)
                time.sleep(0.001)

    writer = threading.Thread(target=write_on)
    writer.start()
    try:
        found = [judge(verify_pdf(path, trust, at=datetime.now(UTC), full=full)) for full in (False, True)]
    finally:
        stop.set()
        writer.join()
    assert [(f.verdict, f.reasons[0].code) for f in found] == [(Verdict.UNDETERMINED, "pdf.changed_meanwhile")] * 2
    assert judge(verify_pdf(path, trust, at=datetime.now(UTC))).verdict is Verdict.VALID


def test_public_files_never_crash(trust: Trust) -> None:
    files = sorted(CORPUS.rglob("*.pdf"))
    if not files:
        pytest.skip("the public files are not beside this checkout")
    for path in files[::5]:
        found = judge(verify_pdf(path, trust, at=datetime.now(UTC)))
        assert found.verdict is not Verdict.VALID  # nobody there is under our anchors
