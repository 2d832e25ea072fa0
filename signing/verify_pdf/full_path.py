"""full_path — any PDF, by pyHanko's reader and difference analysis, with rules of our own on top.

pyHanko's status and its AdES process must both hold, and so must our own check of the CMS
value and the byte-level rules; strict syntax is tried first, lenient syntax is marked. Later
changes may only be validation data or the filling of signature fields that were declared.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import IO, Any

from asn1crypto import x509 as asn1_x509
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.misc import PdfError, PdfStrictReadError
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.ades.report import AdESFailure, AdESIndeterminate
from pyhanko.sign.diff_analysis import ModificationLevel
from pyhanko.sign.fields import enumerate_sig_fields
from pyhanko.sign.validation import async_validate_pdf_signature
from pyhanko.sign.validation.ades import ades_basic_validation
from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature
from pyhanko.sign.validation.policy_decl import RevinfoOnlineFetchingRule, RevocationInfoGatheringSpec, SignatureValidationSpec
from pyhanko.sign.validation.settings import KeyUsageConstraints
from pyhanko_certvalidator import ValidationContext
from pyhanko_certvalidator.context import CertValidationPolicySpec
from pyhanko_certvalidator.ltv.types import ValidationTimingInfo
from pyhanko_certvalidator.policy_decl import CertRevTrustPolicy, RevocationCheckingPolicy, RevocationCheckingRule
from pyhanko_certvalidator.registry import SimpleTrustManager

from signing.der import size_of
from signing.errors import NotDer
from signing.reasons import reason
from signing.report import Check, Indication, Reason, Role, SignatureFinding, State
from signing.signed_data import SignedData, read_signed_data
from signing.trust import Trust
from signing.verify_pdf import speedups
from signing.verify_pdf.byte_rules import TamperSigns, check_end, check_listed, check_range, count_ranges
from signing.verify_pdf.definite import definite
from signing.verify_pdf.history import added_fields, changes_between, filled_fields, resolved, touched_form_fields
from signing.verify_pdf.later_rules import catalog_problem, check_structure, form_problem, metadata_problem
from signing.verify_pdf.mark_reader import PyHankoObjects, signature_mark
from signing.verify_pdf.newest_first import NewestFirst
from signing.verify_pdf.orphans import orphans_after
from signing.verify_pdf.reading import TIMESTAMP, Material, Signature
from signing.verify_pdf.stamps import best_time_of

assert speedups.APPLIED
MOST_SIGNATURES = 64
MOST_REVISIONS = 256
_PYHANKO = PyHankoObjects()
_NEWEST_FIRST = NewestFirst()
_FACTS = {"end-of-file": "trailing_bytes", "do not grow": "overlapping_ranges"}
_LEVELS = {
    ModificationLevel.NONE: "none",
    ModificationLevel.LTA_UPDATES: "lta_updates",
    ModificationLevel.FORM_FILLING: "form_filling",
    ModificationLevel.ANNOTATIONS: "annotations",
    ModificationLevel.OTHER: "other",
}
_USAGE = KeyUsageConstraints(key_usage={"digital_signature", "non_repudiation"}, match_all_key_usages=False)
_NO_REVOCATION = RevocationCheckingPolicy(RevocationCheckingRule.NO_CHECK, RevocationCheckingRule.NO_CHECK)
_NO_FETCHING = RevocationInfoGatheringSpec(online_fetching_rule=RevinfoOnlineFetchingRule.LOCAL_ONLY)
# What pyHanko says about the path and its times is judged by `trust`, with revocation data it does not see here.
_PATH_MATTERS = {
    "NO_CERTIFICATE_CHAIN_FOUND",
    "CERTIFICATE_CHAIN_GENERAL_FAILURE",
    "CHAIN_CONSTRAINTS_FAILURE",
    "NO_SIGNING_CERTIFICATE_FOUND",
    "OUT_OF_BOUNDS_NO_POE",
    "OUT_OF_BOUNDS_NOT_REVOKED",
    "EXPIRED",
    "NOT_YET_VALID",
    "TRY_LATER",
    "NO_POE",
}


@dataclass(slots=True)
class FullReading:
    """What the full path read; `odd` are signatures of which no more than a finding could be made."""

    revisions: int
    signatures: list[Signature] = field(default_factory=list)
    odd: list[SignatureFinding] = field(default_factory=list)
    material: Material = field(default_factory=Material)
    reasons: list[Reason] = field(default_factory=list)
    syntax: list[str] = field(default_factory=list)
    empty_fields: tuple[str, ...] = ()


class Encrypted(PdfError):
    """The file is encrypted."""

    def __init__(self) -> None:
        super().__init__("encrypted")


def read_fully(file: IO[bytes], trust: Trust, at: datetime, *, strict: bool) -> FullReading:
    """Every signature of the file, judged by pyHanko at the best proven time.

    Raises:
        PdfError and whatever a hostile file makes the reader raise.
    """
    signs = TamperSigns()
    reader = PdfFileReader(file, strict=strict)
    if reader.encrypted:
        raise Encrypted
    check_end(file, reader, signs)
    found = FullReading(reader.xrefs.total_revisions)
    if reader.xrefs.hybrid_xrefs_present:
        found.syntax.append("hybrid_xref")
        if strict:
            raise PdfError("hybrid cross-references")
    fields = [(str(name), value, ref) for name, value, ref in enumerate_sig_fields(reader)]
    # fpdf2 writes the dictionary inside its field: which revision wrote it cannot be told, and pyHanko fails on it.
    if within := [name for name, value, _ in fields if isinstance(value, generic.DictionaryObject)]:
        found.syntax.append("direct_signature")
        found.odd += [_odd(name, found.revisions, "signature.unsupported", "not an indirect object") for name in within]
        return found
    embedded = list(reader.embedded_signatures)
    if len(embedded) > MOST_SIGNATURES or found.revisions > MOST_REVISIONS:
        raise PdfError("too many signatures or revisions")
    found.empty_fields = tuple(name for name, value, _ in fields if value is None)
    filled = [(name, value) for name, value, _ in fields if value is not None]
    _check_counts(file, found, filled, embedded, signs)
    found.material = _material(reader)
    pairs = [(e, s) for e in embedded if (s := _read_one(file, reader, e, found, signs)) is not None]
    for one, signature in pairs:
        if not _ask(one, signature, trust, best_time_of(signature, [s for _, s in pairs], found.material, trust, at), found):
            continue
        found.signatures.append(signature)
    if signs.ends:
        check_listed(file, reader, min(signs.ends), signs)
        check_structure(file, reader, min(signs.ends), signs)
        _check_orphans(file, reader, found, signs, strict=strict)
    if signs.found and not embedded and not found.odd:
        raise PdfError("; ".join(signs.found))
    found.reasons += [reason("pdf.tampered.bytes", sign) for sign in signs.found]
    found.syntax += [fact for words, fact in _FACTS.items() if any(words in sign for sign in signs.found)]
    return found


def _check_orphans(file: IO[bytes], reader: Any, found: FullReading, signs: TamperSigns, *, strict: bool) -> None:
    """Objects that an update adds although nothing leads to them: what could be shown is a sign, the rest is said."""
    first = min((s.revision for s in found.signatures), default=0)
    if not first:
        return
    orphans = orphans_after(file, reader, first - 1, strict=strict)
    if orphans.named:
        signs.add(f"object {orphans.named[0]} was named before it was added")
    if orphans.parts:
        signs.add(f"object {orphans.parts[0]} was added and nothing leads to it")
    if orphans.idle:
        found.reasons.append(reason("pdf.unreachable", " ".join(orphans.idle[:5])))


def _check_counts(file: IO[bytes], found: FullReading, filled: Sequence[tuple[str, Any]], embedded: Sequence[Any], signs: TamperSigns) -> None:
    """pyHanko skips what it does not know; nothing may be skipped (signing.md T15)."""
    known = {str(e.field_name) for e in embedded}
    names = [name for name, _ in filled]
    for name, value in filled:
        if name not in known:
            held = resolved(value)
            subfilter = str(held.get("/SubFilter", "")) if isinstance(held, dict) else ""
            found.syntax.append("unsupported_subfilter")
            found.odd.append(_odd(name, found.revisions, "signature.unsupported", subfilter))
    if len(set(names)) != len(names):
        found.syntax.append("duplicate_fields")
        signs.add("two fields have one name")
    references = [getattr(e.sig_object, "container_ref", None) for e in embedded]
    if len(references) != len({(r.idnum, r.generation) for r in references if isinstance(r, generic.Reference)}):
        found.syntax.append("shared_signature")
        signs.add("fields share a signature object")
    ranges = count_ranges(file)
    if ranges != len(filled) and (filled or ranges):
        signs.add("signature count differs from the signature dictionaries in the file")


def _odd(name: str, revisions: int, code: str, detail: str = "", *, role: Role = Role.UNKNOWN) -> SignatureFinding:
    return SignatureFinding(
        field=name,
        role=role,
        revisions=revisions,
        indication=Indication.INDETERMINATE,
        sub_indication="FORMAT_FAILURE",
        reasons=(reason(code, name, detail),),
        checks=(Check("format", State.INDETERMINATE, code, detail, "FORMAT_FAILURE"),),
    )


def _read_one(file: IO[bytes], reader: Any, embedded: EmbeddedPdfSignature, found: FullReading, signs: TamperSigns) -> Signature | None:
    """One signature; whatever it raises is its own finding, not the end of the others'."""
    name = str(embedded.field_name)
    try:
        check_range(file, reader, embedded, signs)
        return _signature(reader, embedded, found)
    except NotDer as error:
        if "algorithm" in error.detail:
            found.syntax.append("unknown_digest")
        found.odd.append(_odd(name, found.revisions, "signature.malformed", error.detail))
    except (MemoryError, RecursionError, PdfStrictReadError):
        raise  # what only strict syntax forbids is read leniently
    except Exception as problem:  # anything raised is "cannot be verified"
        found.odd.append(_odd(name, found.revisions, "signature.malformed", type(problem).__name__))
    return None


def _ask(embedded: EmbeddedPdfSignature, signature: Signature, trust: Trust, moment: datetime, found: FullReading) -> bool:
    """Ask pyHanko for its opinions; False when it raised, and the finding says so."""
    try:
        _opinions(embedded, signature, trust, moment)
    except (MemoryError, RecursionError, PdfStrictReadError):
        raise
    except Exception as problem:  # anything raised is "cannot be verified"
        code = "signature.certificate_unreadable" if "math domain" in str(problem) else "signature.malformed"
        found.odd.append(_odd(signature.field, found.revisions, code, type(problem).__name__))
        return False
    return True


def _signature(reader: Any, embedded: EmbeddedPdfSignature, found: FullReading) -> Signature | None:
    dictionary, name = embedded.sig_object, str(embedded.field_name)
    subfilter = str(dictionary.get("/SubFilter", ""))[1:]
    is_timestamp = str(dictionary.get("/Type", "/Sig")) == "/DocTimeStamp"
    if subfilter == TIMESTAMP and not is_timestamp:
        found.syntax.append("timestamp_typed_sig")
        found.odd.append(_odd(name, found.revisions, "signature.timestamp_type", role=Role.TIMESTAMP))
        return None
    signed, regular = _signed_data(embedded)
    if not regular:
        found.syntax.append("not_der")
    locks = embedded.fieldmdp
    # pyHanko takes every field for changed whose page was reached another way; the locks are kept below instead.
    setattr(embedded, "_fieldmdp", None)  # noqa: B010
    embedded.compute_integrity_info(diff_policy=_NEWEST_FIRST)  # type: ignore[no-untyped-call]
    computed = embedded.compute_digest()
    changes_after, lawful, checks = _later(reader, embedded, locks)
    revision, time = embedded.signed_revision + 1, embedded.self_reported_timestamp
    held = _PYHANKO.value(embedded.sig_field)
    return Signature(
        field=name,
        subfilter=subfilter,
        is_timestamp=is_timestamp,
        revision=revision,
        revisions=found.revisions,
        byte_range=tuple(int(v) for v in dictionary["/ByteRange"]),
        covers_whole_file=revision == found.revisions,
        signed=signed,
        digest=computed,
        claimed_time=time,
        changes=changes_between(reader, revision, lawful=lawful),
        changes_after=changes_after,
        checks=[Check("byte_range", State.PASSED), *checks],
        show=lambda role: signature_mark(_PYHANKO, held, time=time, role=role),
    )


def _signed_data(embedded: EmbeddedPdfSignature) -> tuple[SignedData, bool]:
    """The CMS value, read strictly; what is BER gets definite lengths first, and that is said."""
    contents = bytes(embedded.pkcs7_content)
    try:
        return read_signed_data(contents[: size_of(contents)]), True
    except NotDer:
        if contents[1:2] != b"\x80":  # only an indefinite length is honest BER; anything else is read differently elsewhere
            raise
        return read_signed_data(definite(contents)), False


def _later(reader: Any, embedded: EmbeddedPdfSignature, locks: Any) -> tuple[str, bool, list[Check]]:
    """Kind of the later changes, whether they are lawful, and the checks that say so."""
    result = embedded.diff_result
    level = getattr(result, "modification_level", ModificationLevel.OTHER)
    name = _LEVELS.get(level, "unknown")
    checks: list[Check] = []
    if name == "none":
        return name, True, [Check("docmdp", State.PASSED)]
    docmdp = _strictest(reader)
    for added, signed in added_fields(reader, embedded.signed_revision):
        # A certification that allows filling does not allow new fields (signing.md T6).
        code = "signature.docmdp" if docmdp else "signature.undeclared_field" if signed else "pdf.tampered.changed"
        checks.append(Check("later_changes", State.FAILED, code, added[:100], "FORMAT_FAILURE"))
    for rule in (form_problem, metadata_problem, catalog_problem):
        if problem := rule(reader, embedded.signed_revision):
            checks.append(Check("later_changes", State.FAILED, "pdf.tampered.changed", problem, "FORMAT_FAILURE"))
    for filled in filled_fields(reader, embedded.signed_revision) if locks is not None else ():
        if locks.is_locked(filled):
            checks.append(Check("later_changes", State.FAILED, "signature.docmdp", f"{filled} is locked", "FORMAT_FAILURE"))
    for field_name, was_empty in touched_form_fields(reader, embedded.signed_revision):
        code = "signature.form_filled" if docmdp >= 2 and was_empty else "pdf.tampered.changed"
        checks.append(Check("later_changes", State.FAILED, code, field_name[:100], "FORMAT_FAILURE"))
    lawful = name in ("lta_updates", "form_filling")
    if docmdp == 1 and name == "form_filling" or not _docmdp_ok(embedded, level):
        checks.append(Check("docmdp", State.FAILED, "signature.docmdp", f"P={docmdp}", "FORMAT_FAILURE"))
        lawful = False
    return name, lawful, checks


def _strictest(reader: Any) -> int:
    """The strictest certification of all signatures; 0 when there is none."""
    levels = [e.docmdp_level.value for e in reader.embedded_signatures if e.docmdp_level is not None]
    return min(levels, default=0)


def _docmdp_ok(embedded: EmbeddedPdfSignature, level: ModificationLevel) -> bool:
    permitted = embedded.docmdp_level
    return permitted is None or level <= ModificationLevel(permitted.value + 1)


def _opinions(embedded: EmbeddedPdfSignature, signature: Signature, trust: Trust, moment: datetime) -> None:
    """pyHanko's two opinions on one signature as checks."""
    if signature.is_timestamp:
        return
    status = asyncio.run(_status(embedded, trust, moment))
    intact = bool(status.intact and status.valid)
    signature.opinion = intact
    problem = _problem_of(status.trust_problem_indic)
    if not status.seed_value_ok or not status.docmdp_ok:
        why = "signature.docmdp" if embedded.docmdp_level is not None or not status.seed_value_ok else "pdf.tampered.changed"
        signature.checks.append(Check("status", State.FAILED, why, "", "FORMAT_FAILURE"))
    elif problem and problem not in _PATH_MATTERS:
        signature.checks.append(_doubt("status", problem))
    ades = asyncio.run(_ades(embedded, trust, moment))
    if isinstance(ades, AdESFailure) and intact:
        signature.checks.append(Check("ades", State.FAILED, "signature.ades", ades.name, ades.name))
    elif isinstance(ades, AdESIndeterminate) and ades.name not in _PATH_MATTERS:
        signature.checks.append(_doubt("ades", ades.name))


def _doubt(code: str, problem: str) -> Check:
    why = "signature.weak_algorithm" if problem.startswith("CRYPTO_CONSTRAINTS") else "signature.ades"
    return Check(code, State.INDETERMINATE, why, problem, problem)


def _problem_of(indication: Any) -> str:
    return str(indication.name) if indication is not None else ""


async def _status(embedded: EmbeddedPdfSignature, trust: Trust, moment: datetime) -> Any:
    context = ValidationContext(
        trust_roots=_certificates(trust.anchors),
        other_certs=_certificates(trust.intermediates),
        allow_fetching=False,
        revocation_mode="soft-fail",
        moment=moment,
    )
    # The differences were analysed when the signature was read, and that result is still there (`embedded.diff_result`).
    return await async_validate_pdf_signature(embedded, context, ts_validation_context=context, key_usage_settings=_USAGE, skip_diff=True)


async def _ades(embedded: EmbeddedPdfSignature, trust: Trust, moment: datetime) -> Any:
    """EN 319 102-1 5.3 at the best proven time; time-stamps and archives are our own matter."""
    policy = CertValidationPolicySpec(SimpleTrustManager.build(trust_roots=_certificates(trust.anchors)), CertRevTrustPolicy(_NO_REVOCATION))
    specification = SignatureValidationSpec(policy, revinfo_gathering_policy=_NO_FETCHING, key_usage_settings=_USAGE)
    timing = ValidationTimingInfo(moment, moment, point_in_time_validation=True)
    result = await ades_basic_validation(embedded.signed_data, specification, timing_info=timing, raw_digest=embedded.compute_digest())
    return result.ades_subindic


def _certificates(ders: Sequence[bytes]) -> list[Any]:
    return [asn1_x509.Certificate.load(der) for der in ders]


def _material(reader: Any) -> Material:
    """Certificates and revocation data of the document's security store."""
    store = resolved(reader.root.get("/DSS"))
    if not isinstance(store, generic.DictionaryObject):
        return Material()
    return Material(*(_streams(store.get(key)) for key in ("/Certs", "/CRLs", "/OCSPs")))


def _streams(item: Any) -> tuple[bytes, ...]:
    return tuple(bytes(resolved(part).data) for part in resolved(item) or ())
