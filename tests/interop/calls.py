"""The two calls of the signing room that the matrix and the benchmarks make, in one place and light enough for a fresh child process."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from signing.keys import SigningKey
from signing.policy import judge
from signing.report import PdfVerdict, Role
from signing.sign_pdf import AGENCY_FIELD, PERSON_FIELD, Kind, Profile, sign_pdf
from signing.trust import Trust
from signing.verify_pdf import verify_pdf

LEVELS = tuple(p.value for p in Profile)


def sign(
    source: Path,
    target: Path,
    key: SigningKey,
    trust: Trust,
    *,
    role: Role,
    kind: Kind,
    pss: bool = False,
    level: str = "B-B",
    stamp: Callable[[bytes], bytes] | None = None,
) -> None:
    """Sign as production does: the certificate is checked against `trust` and the order is enforced."""
    sign_pdf(
        source,
        target,
        key,
        now=datetime.now(UTC),
        role=role,
        field=PERSON_FIELD if role is Role.PERSON else AGENCY_FIELD,
        profile=Profile(level),
        kind=kind,
        trust=trust,
        timestamp=stamp,
        pss=pss,
    )


def judged(path: Path, trust: Trust, *, kind: Kind) -> PdfVerdict:
    """Findings and verdict under the full policy `nd30`."""
    return judge(verify_pdf(path, trust, at=datetime.now(UTC)), kind=kind)
