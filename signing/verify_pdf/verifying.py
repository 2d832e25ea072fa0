"""verifying — one PDF through the quick path, else the full one; whatever is raised is a finding."""

from __future__ import annotations

import hashlib
import os
import time
import warnings
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO

from pyhanko.pdf_utils.misc import PdfError

from signing.reasons import reason
from signing.report import PdfFindings, Reason, SignatureFinding
from signing.trust import Trust
from signing.verify_pdf.conclusions import conclude
from signing.verify_pdf.full_path import Encrypted, FullReading, read_fully
from signing.verify_pdf.pdf_file import PdfFile
from signing.verify_pdf.pdf_objects import TooMany, Unusual
from signing.verify_pdf.quick_path import read_quickly

# Met in real files, verified as far as that goes, and said.
_DEGRADING = {"not_der", "timestamp_typed_sig", "unsupported_subfilter", "direct_signature", "odd_key", "unknown_digest"}


@dataclass(slots=True)
class _Outcome:
    signatures: tuple[SignatureFinding, ...] = ()
    revisions: int = 0
    reasons: tuple[Reason, ...] = ()
    syntax: tuple[str, ...] = ()
    empty_fields: tuple[str, ...] = ()
    degraded: bool = False
    sha256: str = ""
    path: str = "full"


def verify_pdf(path: Path, trust: Trust, *, at: datetime, full: bool = False) -> PdfFindings:
    """Report: everything found about the signatures of `path`, judged at the moment `at` (aware).

    Never raises; whatever went wrong is in `error`. `full` leaves the quick path out.
    """
    started = time.process_time()
    outcome, error, sha256, size = _Outcome(), "", "", 0
    try:
        with path.open("rb") as file:
            before = os.fstat(file.fileno())
            size = before.st_size
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # odd certificates are findings, not messages
                    outcome = _look(file, size, trust, at, full)
            except Exception as problem:  # anything raised is "cannot be verified"
                code = "pdf.encrypted" if isinstance(problem, Encrypted) else "pdf.cannot_verify"
                outcome.reasons = (reason(code, "", type(problem).__name__),)
                error = f"{type(problem).__name__}: {problem}"[:300]
            sha256 = outcome.sha256 or _digest(file)
            if _written(before, os.fstat(file.fileno())):  # findings and digest may be about different bytes
                outcome, error = _Outcome(reasons=(reason("pdf.changed_meanwhile"),)), "the file was written to while it was read"
    except OSError as problem:
        outcome.reasons = (reason("pdf.cannot_verify", "", type(problem).__name__),)
        error = f"{type(problem).__name__}: {problem}"[:300]
    return PdfFindings(
        sha256=sha256,
        size=size,
        signatures=outcome.signatures,
        revisions=outcome.revisions,
        degraded=outcome.degraded,
        reasons=outcome.reasons,
        error=error,
        elapsed_ms=(time.process_time() - started) * 1000,
        syntax=outcome.syntax,
        empty_fields=outcome.empty_fields,
        path=outcome.path,
        judged_at=at,
        name=path.name,
    )


def _written(before: os.stat_result, after: os.stat_result) -> bool:
    """Was an open file written to, or cut, in between? A rename over it is no harm: what is open stays what it was."""
    return (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns)


def _look(file: IO[bytes], size: int, trust: Trust, at: datetime, full: bool) -> _Outcome:
    if not full:
        try:
            reading = read_quickly(PdfFile.open(file.fileno(), size))
            signatures = conclude(reading.signatures, reading.material, trust, at)
            return _Outcome(signatures, reading.revisions, empty_fields=reading.empty_fields, sha256=reading.sha256.hex(), path="quick")
        except TooMany:
            raise
        except Unusual:
            pass  # the full path decides
    try:
        found, degraded = read_fully(file, trust, at, strict=True), False
    except (MemoryError, Encrypted):
        raise
    except Exception as problem:  # lenient syntax is tried, and the result marked
        found, degraded = read_fully(file, trust, at, strict=False), True
        found.syntax.append("not_strict")
        if "clobbered" in str(problem):
            found.syntax.append("clobbered_xref_stream")
    return _concluded(found, trust, at, degraded)


def _concluded(found: FullReading, trust: Trust, at: datetime, degraded: bool) -> _Outcome:
    signatures = (*conclude(found.signatures, found.material, trust, at), *found.odd)
    if not signatures and found.reasons:
        raise PdfError("; ".join(r.place for r in found.reasons))
    reasons = list(found.reasons)
    codes = {r.code for s in signatures for r in s.reasons}
    found.syntax += ["odd_key"] if "signature.certificate_unreadable" in codes else []
    degraded = degraded or bool(_DEGRADING & set(found.syntax))
    if degraded:
        reasons.append(reason("pdf.degraded"))
    return _Outcome(signatures, found.revisions, tuple(reasons), tuple(dict.fromkeys(found.syntax)), found.empty_fields, degraded)


def _digest(file: IO[bytes]) -> str:
    file.seek(0)
    digest = hashlib.sha256()
    while data := file.read(1 << 20):
        digest.update(data)
    return digest.hexdigest()
