"""What was signed is what it claims to be: levels, algorithms, sources of every shape, keys elsewhere. Judged by pyHanko too."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pikepdf
import pytest
from asn1crypto import cms
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign import PdfSignatureMetadata, PdfSigner, SimpleSigner
from pyhanko.sign.ades.report import AdESPassed
from pyhanko.sign.fields import FieldMDPAction, FieldMDPSpec, SigFieldSpec, append_signature_field
from pyhanko.sign.validation import async_validate_pdf_signature, async_validate_pdf_timestamp
from pyhanko.sign.validation.ades import ades_lta_validation
from pyhanko.sign.validation.dss import DocumentSecurityStore
from pyhanko.sign.validation.policy_decl import PdfSignatureValidationSpec, RevocationInfoGatheringSpec, SignatureValidationSpec
from pyhanko_certvalidator import ValidationContext
from pyhanko_certvalidator.context import CertValidationPolicySpec
from pyhanko_certvalidator.policy_decl import CertRevTrustPolicy, RevocationCheckingPolicy, RevocationCheckingRule
from pyhanko_certvalidator.registry import SimpleTrustManager

from signing.dev_ocsp import Responder, respond
from signing.dev_pki import make_pki
from signing.errors import CertificateUnusable, DeferredMismatch, FieldRefused, PdfUnusable, SigningError, TimestampUnavailable, ValidationDataMissing
from signing.keys import Scheme, open_key
from signing.report import Indication, Role
from signing.sign_pdf import FieldBox, Profile, Waiting, complete, prepare, renew, sign_pdf
from signing.trust import Trust
from signing.verify_pdf import verify_pdf
from tests import signing_material as material
from tests.house import SENDER, Pki, letter

KEYS = (("rsa", Scheme.PSS), ("rsa", Scheme.PKCS1V15), ("p256", Scheme.ECDSA), ("p384", Scheme.ECDSA))
CRL_OR_OCSP = RevocationCheckingRule.CRL_OR_OCSP_REQUIRED
SOURCES: dict[str, Callable[[Path], Path]] = {
    "table": letter,
    "streams": material.with_streams,
    "linearised": material.linearised,
    "no_line_end": material.without_last_line_end,
    "annotations": material.with_annotations,
    "text_field": material.with_text_field,
    "empty_fields": material.with_empty_fields,
    "hybrid": material.hybrid,
}


@pytest.fixture(scope="module")
def trust(pki: Pki) -> Trust:
    return Trust.load(pki.folder / "trust")


@pytest.fixture(scope="module")
def stamp(pki: Pki, trust: Trust) -> Callable[[bytes], bytes]:
    return material.stamper(pki, trust)


def now() -> datetime:
    return datetime.now(UTC)


def certificates(ders: tuple[bytes, ...]) -> list[asn1_x509.Certificate]:
    return [asn1_x509.Certificate.load(der) for der in ders]


def accepted(path: Path, trust: Trust, *, embedded_only: bool = False) -> list[Any]:
    """pyHanko's status of each signature; `embedded_only`: nothing but anchors and what the file holds, and
    every status must be known."""
    found = []
    with path.open("rb") as file:
        reader = PdfFileReader(file)
        for signature in reader.embedded_signatures:
            if embedded_only:
                policy = CertRevTrustPolicy(RevocationCheckingPolicy(CRL_OR_OCSP, CRL_OR_OCSP))
                arguments = {"trust_roots": certificates(trust.anchors), "allow_fetching": False, "revinfo_policy": policy}
                context = DocumentSecurityStore.read_dss(reader).as_validation_context(arguments)
            else:
                context = ValidationContext(
                    trust_roots=certificates(trust.anchors), other_certs=certificates(trust.intermediates), crls=list(trust.crls), allow_fetching=False
                )
            if signature.sig_object["/Type"] == "/DocTimeStamp":
                stamped = asyncio.run(async_validate_pdf_timestamp(signature, context))
                assert stamped.intact and stamped.valid and stamped.trusted
                found.append(stamped)
            else:
                status = asyncio.run(async_validate_pdf_signature(signature, context, ts_validation_context=context))
                assert status.bottom_line, status.pretty_print_details()
                found.append(status)
    return found


def both(source: Path, folder: Path, pki: Pki, trust: Trust) -> Path:
    """`source` signed by the person, then by the agency."""
    half, done = folder / "half.pdf", folder / "done.pdf"
    sign_pdf(source, half, pki.person(), now=now(), role=Role.PERSON, field="NguoiKy", trust=trust)
    sign_pdf(half, done, pki.seal(SENDER), now=now(), role=Role.AGENCY, field="CoQuan", trust=trust)
    return done


@pytest.mark.parametrize(("name", "scheme"), KEYS)
@pytest.mark.parametrize("profile", Profile)
def test_levels(pki: Pki, trust: Trust, stamp: Callable[[bytes], bytes], tmp_path: Path, name: str, scheme: Scheme, profile: Profile) -> None:
    source, target, key = letter(tmp_path / "x.pdf"), tmp_path / "signed.pdf", material.key_of(pki, name)
    sign_pdf(
        source,
        target,
        key,
        now=now(),
        role=Role.AGENCY,
        field="CoQuan",
        kind="attachment",
        profile=profile,
        trust=trust,
        scheme=scheme,
        timestamp=None if profile is Profile.B_B else stamp,
        reason="Phát hành",
        location="Hà Nội",
    )
    assert target.read_bytes().startswith(source.read_bytes())
    statuses = accepted(target, trust, embedded_only=profile in (Profile.B_LT, Profile.B_LTA))
    assert len(statuses) == (2 if profile is Profile.B_LTA else 1)
    assert (statuses[0].timestamp_validity is None) == (profile is Profile.B_B)
    assert statuses[0].md_algorithm == ("sha384" if name == "p384" else "sha256")
    found = verify_pdf(target, trust, at=now()).signatures
    assert [s.indication for s in found] == [Indication.PASSED] * len(statuses)
    assert (found[0].level, found[0].scheme) == (profile.value, scheme.value)


def test_a_report_reads_the_same_in_every_process(pki: Pki, trust: Trust, stamp: Callable[[bytes], bytes], tmp_path: Path) -> None:
    half, done = tmp_path / "half.pdf", tmp_path / "done.pdf"
    sign_pdf(letter(tmp_path / "x.pdf"), half, pki.person(), now=now(), role=Role.PERSON, field="NguoiKy", trust=trust)
    sign_pdf(half, done, pki.seal(SENDER), now=now(), role=Role.AGENCY, field="CoQuan", trust=trust, profile=Profile.B_LT, timestamp=stamp)
    told = []
    code = (
        "import sys; from datetime import datetime; from pathlib import Path; from signing.trust import Trust; from signing.verify_pdf import verify_pdf\n"
        "found = verify_pdf(Path(sys.argv[1]), Trust.load(Path(sys.argv[2])), at=datetime.fromisoformat(sys.argv[3]))\n"
        "print([s.changes for s in found.signatures], found.path)"
    )
    for seed in ("1", "2", "3"):
        line = [sys.executable, "-c", code, str(done), str(pki.folder / "trust"), now().isoformat()]
        told.append(subprocess.run(line, env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True).stdout)
    assert "quick" in told[0] and len(set(told)) == 1


def test_lta_holds_by_pyhanko_s_lta_process(pki: Pki, trust: Trust, stamp: Callable[[bytes], bytes], tmp_path: Path) -> None:
    target = tmp_path / "lta.pdf"
    sign_pdf(
        letter(tmp_path / "x.pdf"), target, pki.person(), now=now(), role=Role.PERSON, field="NguoiKy", profile=Profile.B_LTA, trust=trust, timestamp=stamp
    )
    renew(target, target, trust=trust, timestamp=stamp, now=now())
    rule = RevocationCheckingPolicy(CRL_OR_OCSP, CRL_OR_OCSP)
    policy = CertValidationPolicySpec(SimpleTrustManager.build(trust_roots=certificates(trust.anchors)), CertRevTrustPolicy(rule))
    spec = SignatureValidationSpec(cert_validation_policy=policy, revinfo_gathering_policy=RevocationInfoGatheringSpec())
    with target.open("rb") as file:
        signature = PdfFileReader(file).embedded_regular_signatures[0]
        result = asyncio.run(ades_lta_validation(signature, PdfSignatureValidationSpec(spec)))
    assert result.ades_subindic is AdESPassed.OK
    assert result.api_status.bottom_line


def test_renewal_keeps_everything_and_adds_a_time_stamp(pki: Pki, trust: Trust, stamp: Callable[[bytes], bytes], tmp_path: Path) -> None:
    done = both(letter(tmp_path / "x.pdf"), tmp_path, pki, trust)
    first, second = tmp_path / "first.pdf", tmp_path / "second.pdf"
    renew(done, first, trust=trust, timestamp=stamp, now=now())
    shutil.copy(first, second)
    renew(second, second, trust=trust, timestamp=stamp, now=now())
    assert first.read_bytes().startswith(done.read_bytes()) and second.read_bytes().startswith(first.read_bytes())
    assert [len(accepted(p, trust, embedded_only=True)) for p in (first, second)] == [3, 4]
    assert all(s.indication is Indication.PASSED for s in verify_pdf(second, trust, at=now()).signatures)
    bare = tmp_path / "bare.pdf"
    renew(done, bare, trust=None, timestamp=stamp, now=now(), data=False)
    assert len(accepted(bare, trust)) == 3 and b"/DSS" not in bare.read_bytes()


def test_long_term_by_ocsp(pki: Pki, trust: Trust, stamp: Callable[[bytes], bytes], tmp_path: Path) -> None:
    """The issuing CA publishes no list: its answers about the signer and the authority are embedded instead."""
    responder = Responder.open(pki.folder)
    key, tsa = pki.person(), open_key(pki.folder / "tsa" / "tsa.pem")
    answers = []
    for holder in (key, tsa):
        asked = ocsp.OCSPRequestBuilder().add_certificate(holder.certificate, holder.chain[0], hashes.SHA256()).build()
        answers.append(respond(asked.public_bytes(Encoding.DER), responder, now=now()))
    root_only = tuple(der for der in trust.crls if "Root" in x509.load_der_x509_crl(der).issuer.rfc4514_string())
    online, target = replace(trust, crls=root_only, ocsps=tuple(answers)), tmp_path / "lt.pdf"
    attempt: dict[str, Any] = {"now": now(), "role": Role.PERSON, "field": "NguoiKy", "profile": Profile.B_LT, "timestamp": stamp}
    sign_pdf(letter(tmp_path / "x.pdf"), target, key, trust=online, **attempt)
    with target.open("rb") as file:
        store = DocumentSecurityStore.read_dss(PdfFileReader(file))
        assert {o.get_object().data for o in store.ocsps} == set(answers) and len(store.crls) == 1
    (found,) = verify_pdf(target, replace(trust, crls=root_only), at=now()).signatures
    assert (found.indication, found.level, found.revocation) == (Indication.PASSED, "B-LT", "good")
    forged = answers[1][:-1] + bytes([answers[1][-1] ^ 1])
    for about_the_authority in ((), (forged,)):
        with pytest.raises(ValidationDataMissing):
            sign_pdf(tmp_path / "x.pdf", target, key, trust=replace(online, ocsps=(answers[0], *about_the_authority)), **attempt)


def test_a_level_is_refused_when_it_cannot_be_reached(pki: Pki, trust: Trust, stamp: Callable[[bytes], bytes], tmp_path: Path) -> None:
    """Nothing is written: no authority, no anchors, or an authority whose status nobody answers for."""
    draft, target = letter(tmp_path / "x.pdf"), tmp_path / "signed.pdf"
    attempt: dict[str, Any] = {"now": now(), "role": Role.PERSON, "field": "NguoiKy"}
    for profile in (Profile.B_T, Profile.B_LT, Profile.B_LTA):
        with pytest.raises(SigningError):
            sign_pdf(draft, target, pki.person(), profile=profile, trust=trust, **attempt)
    with pytest.raises(SigningError):
        sign_pdf(draft, target, pki.person(), profile=Profile.B_LT, timestamp=stamp, **attempt)
    make_pki(tmp_path / "other", now=now(), agencies=[], persons=[])
    other = Trust.load(tmp_path / "other" / "trust")
    mixed = Trust((*trust.anchors, *other.anchors), (*trust.intermediates, *other.intermediates), trust.crls)
    foreign = material.stamper(Pki(tmp_path / "other", now(), draft, draft), mixed)
    with pytest.raises(ValidationDataMissing):
        sign_pdf(draft, target, pki.person(), profile=Profile.B_LT, trust=mixed, timestamp=foreign, **attempt)
    with pytest.raises(CertificateUnusable):
        sign_pdf(draft, target, pki.person(), trust=replace(trust, crls=()), **attempt)

    def down(_: bytes) -> bytes:
        raise TimestampUnavailable("down")

    with pytest.raises(TimestampUnavailable):
        sign_pdf(draft, target, pki.person(), profile=Profile.B_T, timestamp=down, **attempt)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["other", "x.pdf"]


def test_a_token_larger_than_its_room(pki: Pki, trust: Trust, stamp: Callable[[bytes], bytes], tmp_path: Path) -> None:
    spare = material.key_of(pki, "p256").der

    def large(digest: bytes) -> bytes:
        token = cms.ContentInfo.load(stamp(digest))
        token["content"]["certificates"] = [*token["content"]["certificates"], *[asn1_x509.Certificate.load(spare)] * 25]
        swollen: bytes = token.dump(force=True)
        assert 12_288 < len(swollen) < 24_576
        return swollen

    target = tmp_path / "signed.pdf"
    sign_pdf(letter(tmp_path / "x.pdf"), target, pki.person(), now=now(), role=Role.PERSON, field="NguoiKy", profile=Profile.B_T, trust=trust, timestamp=large)
    assert accepted(target, trust)[0].timestamp_validity.valid


@pytest.mark.parametrize("shape", SOURCES)
def test_sources_of_every_shape(pki: Pki, trust: Trust, tmp_path: Path, shape: str) -> None:
    source = SOURCES[shape](tmp_path / "x.pdf")
    done = both(source, tmp_path, pki, trust)
    assert done.read_bytes().startswith(source.read_bytes()) == (shape != "hybrid")
    assert len(accepted(done, trust)) == 2
    findings = verify_pdf(done, trust, at=now())
    assert [(s.field, s.indication, s.revision) for s in findings.signatures] == [
        ("NguoiKy", Indication.PASSED, findings.signatures[0].revision),
        ("CoQuan", Indication.PASSED, findings.signatures[0].revision + 1),
    ], findings.reasons
    assert not findings.degraded
    with pikepdf.open(done) as pdf:
        assert {str(f.T) for f in pdf.Root.AcroForm.Fields} >= {"NguoiKy", "CoQuan"}
        assert {n.objgen for n in pdf.pages[0].Annots} >= {f.objgen for f in pdf.Root.AcroForm.Fields if f.FT == "/Sig"}
        assert len(pdf.pages[0].Annots) == {"annotations": 3, "text_field": 3}.get(shape, 2)
        assert pdf.Root.Perms.DocMDP.Reference[0].TransformParams.P == 2


def test_long_term_on_a_form(pki: Pki, trust: Trust, stamp: Callable[[bytes], bytes], tmp_path: Path) -> None:
    """The other writer: placed by pyHanko, continued with validation data and a document time-stamp; a key elsewhere too."""
    source, target, waiting = material.with_text_field(tmp_path / "x.pdf"), tmp_path / "signed.pdf", tmp_path / "waiting.pdf"
    person: dict[str, Any] = {"now": now(), "role": Role.PERSON, "field": "NguoiKy", "trust": trust}
    sign_pdf(source, target, pki.person(), profile=Profile.B_LTA, timestamp=stamp, **person)
    state = prepare(source, waiting, pki.person(), **person)
    elsewhere = tmp_path / "elsewhere.pdf"
    complete(waiting, state, pki.person().sign(base64.b64decode(state.to_sign)), elsewhere, now=now(), profile=Profile.B_LTA, trust=trust, timestamp=stamp)
    for file in (target, elsewhere):
        assert len(accepted(file, trust, embedded_only=True)) == 2
        assert [s.level for s in verify_pdf(file, trust, at=now()).signatures][:1] == ["B-LTA"]


def test_what_cannot_be_signed(pki: Pki, trust: Trust, tmp_path: Path) -> None:
    target = tmp_path / "signed.pdf"
    attempt: dict[str, Any] = {"now": now(), "role": Role.PERSON, "field": "NguoiKy", "trust": trust}
    trailing = letter(tmp_path / "t.pdf")
    trailing.write_bytes(trailing.read_bytes() + b"rac o cuoi tep")
    foreign = SimpleSigner.load_pkcs12(pki.folder / "agencies" / SENDER / "seal.p12", passphrase=b"vanthu-demo")
    signed_hybrid = tmp_path / "s.pdf"
    with material.hybrid(tmp_path / "h.pdf").open("rb") as file, signed_hybrid.open("wb") as out:
        PdfSigner(PdfSignatureMetadata(field_name="Khac"), foreign).sign_pdf(IncrementalPdfFileWriter(file, strict=False), output=out)
    text = tmp_path / "text.pdf"
    text.write_text("không phải PDF")
    for source in (material.encrypted(tmp_path / "e.pdf"), text, tmp_path / "absent.pdf", trailing, signed_hybrid):
        with pytest.raises(PdfUnusable) as refused:
            sign_pdf(source, target, pki.person(), **attempt)
        assert refused.value.place == source.name
    assert not target.exists()


def test_fields_that_may_not_be_signed(pki: Pki, trust: Trust, tmp_path: Path) -> None:
    """A filled field, a document signed without declaring the field, one certified against changes, a page that is not there."""
    half, target = tmp_path / "half.pdf", tmp_path / "again.pdf"
    person: dict[str, Any] = {"now": now(), "role": Role.PERSON, "trust": trust}
    sign_pdf(letter(tmp_path / "x.pdf"), half, pki.person(), field="NguoiKy", **person)
    for field in ("NguoiKy", "Khac"):
        with pytest.raises(FieldRefused) as refused:
            sign_pdf(half, target, pki.person(), field=field, **person)
        assert refused.value.place == field
    locked = tmp_path / "locked.pdf"
    data = half.read_bytes()
    locked.write_bytes(data.replace(b"/P 2 /V /1.2", b"/P 1 /V /1.2"))
    with pytest.raises(FieldRefused):
        sign_pdf(locked, target, pki.seal(SENDER), now=now(), role=Role.AGENCY, field="CoQuan", kind="copy", trust=trust)
    with pytest.raises(FieldRefused):
        sign_pdf(tmp_path / "x.pdf", target, pki.person(), field="NguoiKy", boxes={"NguoiKy": FieldBox(2, (0, 0, 9, 9))}, **person)
    assert not target.exists()


@pytest.mark.parametrize("locks", [True, False])
def test_a_field_locked_by_an_earlier_signature(pki: Pki, trust: Trust, tmp_path: Path, locks: bool) -> None:
    """Somebody else's signature with a field lock (FieldMDP) on our field, or on another one."""
    foreign = SimpleSigner.load_pkcs12(pki.folder / "agencies" / SENDER / "seal.p12", passphrase=b"vanthu-demo")
    signed, target = tmp_path / "signed.pdf", tmp_path / "again.pdf"
    with letter(tmp_path / "x.pdf").open("rb") as file, signed.open("w+b") as out:
        writer = IncrementalPdfFileWriter(file)
        append_signature_field(writer, SigFieldSpec("CoQuan"))
        locked = FieldMDPSpec(FieldMDPAction.INCLUDE, ["CoQuan" if locks else "Khac nua"])
        append_signature_field(writer, SigFieldSpec("Khac", field_mdp_spec=locked))
        PdfSigner(PdfSignatureMetadata(field_name="Khac"), foreign).sign_pdf(writer, output=out)
    copy: dict[str, Any] = {"now": now(), "role": Role.AGENCY, "field": "CoQuan", "kind": "copy", "trust": trust}
    if locks:
        with pytest.raises(FieldRefused, match="locks"):
            sign_pdf(signed, target, pki.seal(SENDER), **copy)
    else:
        sign_pdf(signed, target, pki.seal(SENDER), **copy)
        assert len(accepted(target, trust)) == 2


def test_places_of_fields(pki: Pki, trust: Trust, tmp_path: Path) -> None:
    boxes = {
        "NguoiKy": FieldBox(1, (300.0, 100.0, 450.5, 160.0)),
        "CoQuan": FieldBox(-1, (250.0, 90.0, 350.0, 190.0)),
        "Thu": FieldBox(1, (1.0, 2.0, 3.0, 4.0)),
    }
    for shape in ("table", "text_field"):  # written directly, and by pyHanko
        target = tmp_path / f"{shape}.pdf"
        source = SOURCES[shape](tmp_path / f"{shape}.source.pdf")
        sign_pdf(source, target, pki.person(), now=now(), role=Role.PERSON, field="NguoiKy", trust=trust, boxes=boxes)
        accepted(target, trust)
        with pikepdf.open(target) as pdf:
            placed = {str(f.T): [float(n) for n in f.Rect.as_list()] for f in pdf.Root.AcroForm.Fields if f.FT == "/Sig"}
        assert placed == {name: list(box.rect) for name, box in boxes.items()}


def test_in_place(pki: Pki, trust: Trust, tmp_path: Path) -> None:
    file = letter(tmp_path / "x.pdf")
    file.chmod(0o640)
    before = file.read_bytes()
    sign_pdf(file, file, pki.person(), now=now(), role=Role.PERSON, field="NguoiKy", trust=trust)
    assert file.read_bytes().startswith(before) and file.stat().st_mode & 0o777 == 0o640
    assert [p.name for p in tmp_path.iterdir()] == ["x.pdf"]
    accepted(file, trust)


@pytest.mark.parametrize(("name", "scheme"), KEYS)
def test_a_key_elsewhere(pki: Pki, trust: Trust, stamp: Callable[[bytes], bytes], tmp_path: Path, name: str, scheme: Scheme) -> None:
    key, waiting, target = material.key_of(pki, name), tmp_path / "waiting.pdf", tmp_path / "signed.pdf"
    state = prepare(letter(tmp_path / "x.pdf"), waiting, key, now=now(), role=Role.AGENCY, field="CoQuan", kind="attachment", trust=trust, scheme=scheme)
    state = Waiting.from_json(state.to_json())
    value = key.sign(base64.b64decode(state.to_sign), scheme)
    complete(waiting, state, value, target, now=now(), profile=Profile.B_LTA, trust=trust, timestamp=stamp)
    assert len(accepted(target, trust, embedded_only=True)) == 2
    (found, _) = verify_pdf(target, trust, at=now()).signatures
    assert (found.indication, found.scheme, found.level) == (Indication.PASSED, scheme.value, "B-LTA")


def test_what_completes_nothing(pki: Pki, trust: Trust, tmp_path: Path) -> None:
    """Another value, another key, a changed file, a changed state: refused, and nothing is written."""
    key, waiting, target = pki.seal(SENDER), tmp_path / "waiting.pdf", tmp_path / "signed.pdf"
    state = prepare(letter(tmp_path / "x.pdf"), waiting, key, now=now(), role=Role.AGENCY, field="CoQuan", kind="attachment", trust=trust)
    to_sign = base64.b64decode(state.to_sign)
    value = key.sign(to_sign)
    other = prepare(letter(tmp_path / "y.pdf", "Khac"), tmp_path / "w2.pdf", key, now=now(), role=Role.AGENCY, field="CoQuan", kind="attachment", trust=trust)
    changed = tmp_path / "changed.pdf"
    changed.write_bytes(waiting.read_bytes().replace(b"Cong van", b"Cong vac"))
    unfit = replace(state, file_sha256=hashlib.sha256(changed.read_bytes()).hexdigest())
    person = base64.b64encode(pki.person().der).decode()
    attempts: list[tuple[Path, Waiting, bytes]] = [
        (waiting, state, bytes(256)),
        (waiting, state, key.sign(to_sign, Scheme.PKCS1V15)),
        (waiting, state, pki.person().sign(to_sign)),
        (waiting, other, value),
        (changed, state, value),
        (changed, unfit, value),
        (waiting, replace(state, certificate=person), value),
        (waiting, replace(state, start=state.start + 2), value),
        (waiting, replace(state, start=10, end=40), value),
        (waiting, replace(state, scheme="pkcs1v15"), value),
        (waiting, replace(state, digest="sha384"), value),
        (waiting, replace(state, certificate="AAAA"), value),
    ]
    for file, described, given in attempts:
        with pytest.raises(DeferredMismatch):
            complete(file, described, given, target, now=now(), trust=trust)
    for text in ("{}", "[]", "no json", json.dumps({**json.loads(state.to_json()), "format": "other"})):
        with pytest.raises(DeferredMismatch):
            Waiting.from_json(text)
    with pytest.raises(DeferredMismatch, match="does not describe"):
        complete(changed, unfit, value, target, now=now(), trust=trust)
    assert not target.exists()
    complete(waiting, state, value, target, now=now(), trust=trust)
    accepted(target, trust)


@pytest.mark.skipif(shutil.which("pdfsig") is None, reason="poppler-utils is not installed")
@pytest.mark.parametrize(("name", "scheme"), KEYS)
def test_pdfsig_agrees(pki: Pki, trust: Trust, tmp_path: Path, name: str, scheme: Scheme) -> None:
    target = tmp_path / "signed.pdf"
    sign_pdf(
        material.with_streams(tmp_path / "x.pdf"), target, material.key_of(pki, name), now=now(), role=Role.AGENCY, field="CoQuan", kind="copy", scheme=scheme
    )
    said = subprocess.run(["pdfsig", str(target)], capture_output=True, text=True).stdout
    assert "Signature is Valid." in said and "Total document signed" in said


@pytest.mark.skipif(shutil.which("qpdf") is None, reason="qpdf is not installed")
@pytest.mark.parametrize("shape", SOURCES)
def test_qpdf_finds_no_fault(pki: Pki, trust: Trust, tmp_path: Path, shape: str) -> None:
    done = both(SOURCES[shape](tmp_path / "x.pdf"), tmp_path, pki, trust)
    checked = subprocess.run(["qpdf", "--check", str(done)], capture_output=True, text=True)
    assert checked.returncode == 0 and "WARNING" not in checked.stderr, checked.stderr


def test_openssl_key_file_kinds(pki: Pki, trust: Trust, tmp_path: Path) -> None:
    key = open_key(pki.folder / "agencies" / SENDER / "seal.p12", password=b"vanthu-demo")
    target = tmp_path / "signed.pdf"
    sign_pdf(letter(tmp_path / "x.pdf"), target, key, now=now(), role=Role.AGENCY, field="CoQuan", kind="attachment", trust=trust)
    accepted(target, trust)
