"""Findings into verdicts: every rule of the policies, on findings made by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from signing import errors
from signing.errors import PolicyUnusable, SigningError
from signing.policy import POLICIES, has_valid_person, judge
from signing.policy_rules import policy
from signing.reasons import CATALOGUE, reason
from signing.report import Check, DualSignature, Indication, MarkFact, PdfFindings, Role, SignatureFinding, State, Verdict

NOW = datetime(2026, 11, 20, tzinfo=UTC)
GOOD = tuple(Check(code, State.PASSED) for code in ("byte_range", "digest", "signature_value", "chain", "revocation", "algorithms", "later_changes"))


def signature(role: Role, revision: int, **changes: object) -> SignatureFinding:
    plain = SignatureFinding(
        field=role.value,
        role=role,
        revision=revision,
        intact=True,
        trusted=True,
        indication=Indication.PASSED,
        checks=GOOD,
        scheme="pss",
        digest="sha256",
        key="RSA-2048",
        certificate_kind="official",
        revocation="good",
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def file(*signatures: SignatureFinding, **changes: object) -> PdfFindings:
    return replace(PdfFindings("00", 1, signatures, revisions=3, judged_at=NOW), **changes)  # type: ignore[arg-type]


PERSON, AGENCY = signature(Role.PERSON, 2), signature(Role.AGENCY, 3)
BOTH = file(PERSON, AGENCY)


def test_two_signatures_in_order() -> None:
    found = judge(BOTH)
    assert (found.verdict, found.indication, found.dual_signature) == (Verdict.VALID, Indication.PASSED, DualSignature.COMPLETE)
    assert not found.reasons and not found.warnings


@pytest.mark.parametrize(
    ("findings", "dual", "verdict", "code"),
    [
        (file(AGENCY), DualSignature.PERSON_MISSING, Verdict.UNDETERMINED, "signature.person_missing"),
        (file(PERSON), DualSignature.AGENCY_MISSING, Verdict.UNDETERMINED, "signature.agency_missing"),
        (file(signature(Role.PERSON, 3), signature(Role.AGENCY, 2)), DualSignature.WRONG_ORDER, Verdict.INVALID, "signature.wrong_order"),
        (file(), DualSignature.UNSIGNED, Verdict.UNDETERMINED, "signature.none"),
        (file(signature(Role.UNKNOWN, 2)), DualSignature.PERSON_MISSING, Verdict.UNDETERMINED, "signature.person_missing"),
    ],
)
def test_the_two_signature_rule(findings: PdfFindings, dual: DualSignature, verdict: Verdict, code: str) -> None:
    found = judge(findings)
    assert (found.dual_signature, found.verdict) == (dual, verdict) and code in {r.code for r in found.reasons}


def mark(number: str) -> MarkFact:
    return MarkFact("attachment", 1, (150.0, 280.0, 200.0, 290.0), number=number)


def test_an_attachment_shows_the_number_of_its_document() -> None:
    with_mark = file(signature(Role.AGENCY, 2, mark=mark("07/QĐ-X")))
    assert judge(with_mark, kind="attachment", number="7/QĐ-X").verdict is Verdict.VALID
    other = judge(with_mark, kind="attachment", number="8/QĐ-X")
    assert other.verdict is Verdict.INVALID and {r.code for r in other.reasons} == {"mark.number_differs"}
    bare = judge(file(signature(Role.AGENCY, 2)), kind="attachment", number="7/QĐ-X")
    assert bare.verdict is Verdict.UNDETERMINED and {r.code for r in bare.reasons} == {"mark.missing"}


def test_a_copy_says_that_it_is_one() -> None:
    copy = MarkFact("copy", 1, (150.0, 280.0, 200.0, 290.0), form="SAO Y")
    assert judge(file(signature(Role.AGENCY, 2, mark=copy)), kind="copy").verdict is Verdict.VALID
    for bare in (None, mark("7/QĐ-X")):
        found = judge(file(signature(Role.AGENCY, 2, mark=bare)), kind="copy")
        assert found.verdict is Verdict.UNDETERMINED and {r.code for r in found.reasons} == {"mark.copy_missing"}
    assert judge(file(signature(Role.AGENCY, 2)), kind="copy", policy="tt15-2025").verdict is Verdict.VALID


def failing(state: State, sub: str, code: str = "signature.untrusted", check: str = "chain") -> PdfFindings:
    bad = signature(Role.AGENCY, 3, checks=(*GOOD, Check(check, state, code, "", sub)), reasons=(reason(code, "agency"),), indication=Indication.FAILED)
    return file(PERSON, bad)


def test_a_failure_counts_before_a_doubt() -> None:
    assert judge(failing(State.FAILED, "HASH_FAILURE", "signature.broken", "digest")).verdict is Verdict.INVALID
    doubt = judge(failing(State.INDETERMINATE, "NO_CERTIFICATE_CHAIN_FOUND"))
    assert (doubt.verdict, doubt.sub_indication) == (Verdict.UNDETERMINED, "NO_CERTIFICATE_CHAIN_FOUND")


def test_crypto_only_asks_for_no_path_but_keeps_what_is_known_bad() -> None:
    assert judge(failing(State.INDETERMINATE, "NO_CERTIFICATE_CHAIN_FOUND"), policy="crypto-only").verdict is Verdict.VALID
    assert judge(failing(State.INDETERMINATE, "TRY_LATER", "signature.revocation_unknown", "revocation"), policy="crypto-only").verdict is Verdict.VALID
    for sub, code in (("OUT_OF_BOUNDS_NO_POE", "signature.expired"), ("REVOKED_NO_POE", "signature.revoked")):
        assert judge(failing(State.INDETERMINATE, sub, code), policy="crypto-only").verdict is Verdict.UNDETERMINED
    assert judge(failing(State.FAILED, "REVOKED", "signature.revoked", "revocation"), policy="crypto-only").verdict is Verdict.INVALID


@pytest.mark.parametrize(
    ("changes", "verdicts"),
    [
        ({}, ("valid", "valid", "valid", "valid")),
        ({"scheme": "pkcs1v15"}, ("valid", "undetermined", "valid", "valid")),
        ({"scheme": "ecdsa", "key": "EC-secp256r1"}, ("valid",) * 4),
        ({"digest": "sha1"}, ("undetermined",) * 4),
        ({"key": "RSA-1024"}, ("undetermined",) * 4),
    ],
)
def test_algorithms_by_policy(changes: dict[str, object], verdicts: tuple[str, ...]) -> None:
    findings = file(PERSON, signature(Role.AGENCY, 3, **changes))
    assert tuple(judge(findings, policy=name).verdict.value for name in POLICIES) == verdicts
    if changes.get("scheme") == "pkcs1v15":
        assert "signature.legacy_algorithm" in {r.code for r in judge(findings, policy="legacy-accept").warnings}


def test_later_approval_is_a_warning_only_where_the_policy_says_so() -> None:
    added = failing(State.FAILED, "FORMAT_FAILURE", "signature.undeclared_field", "later_changes")
    assert [judge(added, policy=name).verdict.value for name in POLICIES] == ["invalid", "invalid", "invalid", "valid"]


def test_a_public_certificate_is_a_warning_for_official_documents() -> None:
    found = judge(file(PERSON, signature(Role.AGENCY, 3, certificate_kind="public")))
    assert found.verdict is Verdict.VALID and {r.code for r in found.warnings} == {"signature.certificate_kind"}


def test_whatever_was_raised_is_never_no_signature() -> None:
    found = judge(file(error="ValueError: x", reasons=(reason("pdf.cannot_verify"),)))
    assert (found.verdict, found.indication) == (Verdict.UNDETERMINED, Indication.INDETERMINATE)
    assert "signature.none" not in {r.code for r in found.reasons} and found.dual_signature is DualSignature.NOT_APPLICABLE


def test_bytes_that_were_changed_are_a_failure() -> None:
    found = judge(file(PERSON, AGENCY, reasons=(reason("pdf.tampered.bytes", "bytes after the last end-of-file mark"),)))
    assert found.verdict is Verdict.INVALID
    assert not has_valid_person(found.findings) and has_valid_person(BOTH)


def test_policies_are_data(tmp_path: Path) -> None:
    for name in POLICIES:
        assert policy(name).id == name and policy(name).title_vi and policy(name).title_en
    own = tmp_path / "own.toml"
    own.write_text((Path(__file__).resolve().parents[2] / "schemas" / "policies" / "nd30.toml").read_text().replace('"nd30"', '"own"'))
    assert judge(BOTH, policy=str(own)).policy == "own"
    own.write_text(own.read_text().replace("chain = true", 'chain = "yes"'))
    policy.cache_clear()
    for bad in (str(own), "nowhere", str(tmp_path / "absent.toml")):
        with pytest.raises(PolicyUnusable):
            judge(BOTH, policy=bad)


def test_every_reason_says_what_would_have_to_be_different() -> None:
    for code, text in CATALOGUE.items():
        assert text.vi and text.en and text.remedy_vi and text.remedy_en, code
        assert reason(code).vi.endswith(".") and not reason(code).en.endswith("..")


def test_every_refusal_of_a_file_says_what_would_have_to_be_different() -> None:
    """Errors about keys, signing, sources and settings go to who set them; every other one may be said about a file that is verified."""
    others = {"signing.failed", "timestamp.unavailable", "custody.log_unavailable", "policy.unusable"}
    about_files = {kind.code for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, SigningError)} - others
    about_files = {code for code in about_files if not code.startswith(("key.", "sign.", "trust.", "report.", "render."))}
    assert about_files <= set(CATALOGUE) and "evidence.invalid" in about_files


@pytest.mark.parametrize(
    ("name", "verdict"), [("nd30", Verdict.VALID), ("legacy-accept", Verdict.VALID), ("crypto-only", Verdict.VALID), ("tt15-2025", Verdict.UNDETERMINED)]
)
def test_a_certificate_named_by_sha1(name: str, verdict: Verdict) -> None:
    """Outside the list of 2025; elsewhere a warning."""
    found = judge(file(replace(PERSON, binding="sha1"), replace(AGENCY, binding="sha256")), policy=name)
    assert found.verdict is verdict
    said = found.warnings if verdict is Verdict.VALID else found.reasons
    assert [(r.code, r.place) for r in said] == [("signature.weak_binding", PERSON.field)]


@pytest.mark.parametrize("digest", ["md5", "unknown"])
@pytest.mark.parametrize("name", POLICIES)
def test_no_policy_takes_a_worse_name_than_sha1(name: str, digest: str) -> None:
    assert judge(file(PERSON, replace(AGENCY, binding=digest)), policy=name).verdict is Verdict.UNDETERMINED


@pytest.mark.parametrize(("name", "verdict"), [("nd30", Verdict.UNDETERMINED), ("tt15-2025", Verdict.UNDETERMINED), ("crypto-only", Verdict.VALID)])
def test_objects_that_nothing_leads_to(name: str, verdict: Verdict) -> None:
    found = judge(replace(BOTH, reasons=(reason("pdf.unreachable", "40 0"),)), policy=name)
    assert found.verdict is verdict
    assert "pdf.unreachable" in {r.code for r in (*found.reasons, *found.warnings)}


@pytest.mark.parametrize(("bits", "verdict"), [(256, Verdict.VALID), (233, Verdict.UNDETERMINED)])
def test_curves_have_a_smallest_size(bits: int, verdict: Verdict) -> None:
    curve = replace(AGENCY, scheme="ecdsa", key="EC-sect233r1" if bits == 233 else "EC-secp256r1", key_bits=bits)
    assert judge(file(PERSON, curve), policy="tt15-2025").verdict is verdict


def test_every_reason_is_listed() -> None:
    """Not only the first that was met (rule 11)."""
    broken = Check("digest", State.FAILED, "signature.broken", "", "HASH_FAILURE")
    both = [replace(s, checks=(*GOOD, broken), reasons=(reason("signature.broken", s.field),), indication=Indication.FAILED) for s in (PERSON, AGENCY)]
    found = judge(replace(file(*both), reasons=(reason("pdf.tampered.bytes", "x"),)))
    assert found.verdict is Verdict.INVALID
    assert {(r.code, r.place) for r in found.reasons} >= {("pdf.tampered.bytes", "x"), *(("signature.broken", s.field) for s in both)}


def test_what_only_the_policy_refuses_is_no_total_failure() -> None:
    """EN 319 102-1 table 6: SIG_CONSTRAINTS_FAILURE goes with INDETERMINATE; a broken signature beside it is TOTAL-FAILED."""
    order = judge(file(signature(Role.PERSON, 3), signature(Role.AGENCY, 2)))
    assert (order.verdict, order.indication, order.sub_indication) == (Verdict.INVALID, Indication.INDETERMINATE, "SIG_CONSTRAINTS_FAILURE")
    broken = Check("digest", State.FAILED, "signature.broken", "", "HASH_FAILURE")
    both = file(signature(Role.PERSON, 3), signature(Role.AGENCY, 2, checks=(*GOOD, broken), reasons=(reason("signature.broken", "agency"),)))
    found = judge(both)
    assert (found.verdict, found.indication, found.sub_indication) == (Verdict.INVALID, Indication.FAILED, "HASH_FAILURE")
