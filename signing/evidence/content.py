"""content — the documents of an evidence file: the package as its sender sealed it, and the files it carries."""

from __future__ import annotations

import hashlib

from signing.errors import EvidenceInvalid, SigningError
from signing.evidence.causes import as_written
from signing.evidence.custody import ACCEPTANCE, is_vouched, may_seal
from signing.evidence.edxml_facts import read_facts
from signing.evidence.embedded import carried_digests
from signing.evidence.findings import Verify
from signing.evidence.instructions import PACKAGE
from signing.evidence.pieces import Pieces
from signing.evidence.statutory import in_pdf, sealed
from signing.policy_rules import copy_form
from signing.report import Verdict
from signing.seal import verify_seal
from signing.wording import same_text

SEAL = f"{PACKAGE}.p7s"
FILES = "documents/files/"


def check_content(p: Pieces, verify: Verify | None) -> None:
    """The sender's seal (also when the content is withheld), the package, and each file that it carries."""
    p.has_content = PACKAGE in p.container.names
    accepted = next((e for e in p.events if e.text("ev").endswith(ACCEPTANCE)), None)
    logged = str(accepted.part("doc").get("sha256", "")) if accepted is not None else ""
    if p.has_content and p.container.digest(PACKAGE).hex() != logged:
        p.fail("evidence.other_package", PACKAGE)
    try:
        _check_seal(p, logged)
    except SigningError as error:
        p.caught(error, SEAL)
    _check_files(p, verify)


def _check_seal(p: Pieces, logged: str) -> None:
    if SEAL not in p.container.names:
        if p.has_content:
            raise EvidenceInvalid("missing", place=SEAL)
        return
    seal = p.container.read(SEAL)
    digest = p.container.digest(PACKAGE) if p.has_content else bytes.fromhex(logged)
    finding = verify_seal(digest, seal, p.trust, at=p.moment)
    p.signed.append(sealed(SEAL, seal, finding.certificate_sha256, finding.signer, at=p.moment))
    accepted = next((e for e in p.events if e.text("ev").endswith(ACCEPTANCE)), None)
    if accepted is None:
        return
    own = hashlib.sha256(seal).hexdigest()
    named = accepted.part("obj")
    if own not in (named.get("seal"), named.get("sha256")):
        p.fail("evidence.not_logged", SEAL)
        return
    if not may_seal(p, accepted, seal, finding, accepted.text("from")):
        p.fail("evidence.other_signer", SEAL, finding.signer)
        return
    if p.has_content:
        facts = read_facts(p.container.chunks(PACKAGE))
        said = (as_written(accepted, "from"), str(accepted.part("doc").get("id", "")))
        if not all(same_text(a, b) for a, b in zip(said, (facts.sender, facts.document_id), strict=True)):
            p.fail("evidence.other_document", PACKAGE)
            return
    if not is_vouched(accepted):
        p.sender_seal = finding


def _check_files(p: Pieces, verify: Verify | None) -> None:
    """Each file: (name, digest, verdict); it must be in the package's exact bytes."""
    names = p.container.under(FILES)
    carried = carried_digests(p.container.chunks(PACKAGE)) if p.has_content and names else frozenset()
    for position, name in enumerate(names):
        if p.container.digest(name) not in carried:
            p.fail("evidence.not_carried", name)
        word = ""
        if verify is not None and name.lower().endswith(".pdf"):
            with p.container.extracted(name) as file:
                result = verify(file, "document" if position == 0 else "attachment")
                if position == 0 and copy_form(result):  # a certified extract in the document's place bears one signature
                    result = verify(file, "copy")
            word = result.verdict.value
            p.signed += in_pdf(name, result)
            if result.verdict is Verdict.INVALID:
                p.reasons += [type(r)(r.code, r.vi, r.en, name) for r in result.reasons]
        p.files.append((name, p.container.digest(name).hex(), word))
