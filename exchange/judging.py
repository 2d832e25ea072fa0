"""judging — thẩm định: the verdict on each PDF of a package, and how the document must be shown."""

from __future__ import annotations

from exchange.agency import Agency
from exchange.copies import judge_file
from exchange.envelope import Attachment, Package, document_code
from exchange.errors import SignatureIncomplete, SignatureRefused
from exchange.office import Office
from exchange.store import agencies
from signing.report import DualSignature, PdfVerdict, Verdict

REFERENCE_ONLY = "reference_only"  # chỉ để biết, tham khảo (QĐ 28/2018 Art 4.2)
UNVERIFIED = "unverified"
# Doubts that a source which is back, or a new anchor, can settle; the others stay as they are.
HEALS = {"signature.revocation_unknown", "signature.untrusted", "signature.timestamp_untrusted", "pdf.limit", "pdf.changed_meanwhile"}
BROKEN = "signature_invalid"  # found only by a later check


def check_signatures(office: Office, package: Package) -> dict[int, PdfVerdict]:
    """Verdict per PDF by position, each in the sandbox.

    Raises:
        SignatureRefused: one is broken or changed.
    """
    trust, now, code = office.trust(), office.clock(), document_code(package.header)
    verdicts: dict[int, PdfVerdict] = {}
    for attachment in package.attachments:
        if attachment.media_type != "application/pdf" or attachment.path is None:
            continue
        verdict = judge_file(office.sandbox, attachment, trust, at=now, number=code)
        if verdict.verdict is Verdict.INVALID:
            reasons = "; ".join(dict.fromkeys(r.code for r in verdict.reasons))
            raise SignatureRefused(f"{attachment.name}: {reasons}"[:300], place=_place(attachment))
        verdicts[attachment.position] = verdict
    return verdicts


def mark_of(office: Office, package: Package, verdicts: dict[int, PdfVerdict], recipients: list[Agency]) -> str:
    """ "" when fully effective, else how the document must be shown (SIG-01).

    Raises:
        SignatureIncomplete: half-signed, and the sender or a recipient is strict.
    """
    strict = any(agency.strict for agency in recipients)
    with office.store.read() as connection:
        sender = agencies.get(connection, package.header.sender.code)
        strict = strict or bool(sender and sender.strict)
    half_signed = [a for a in package.attachments if not _complete(a, verdicts.get(a.position))]
    if half_signed:
        if strict:
            first = half_signed[0]
            raise SignatureIncomplete(first.name, place=_place(first))
        return REFERENCE_ONLY
    open_questions = [v for v in verdicts.values() if v.verdict is Verdict.UNDETERMINED]
    if any(not {r.code for r in v.reasons} <= HEALS for v in open_questions):
        return REFERENCE_ONLY
    return UNVERIFIED if open_questions else ""


def _complete(attachment: Attachment, verdict: PdfVerdict | None) -> bool:
    if attachment.position == 0:
        return verdict is not None and verdict.dual_signature is DualSignature.COMPLETE
    # Annex I-I-II.8.b: each separate file is signed and shows it; only PDF can carry the mark.
    if verdict is None or verdict.findings.error:
        return True
    return bool(verdict.findings.signatures) and "mark.missing" not in {r.code for r in verdict.reasons}


def _place(attachment: Attachment) -> str:
    return f"AttachmentEncoded/Attachment[{attachment.position + 1}]"
