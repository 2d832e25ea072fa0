"""The two calls of the signing room that the matrix and the benchmarks make, in one place and light enough for a fresh child process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from signing.keys import Scheme, SigningKey
from signing.policy import judge
from signing.presentation import Appearance
from signing.report import PdfVerdict, Role
from signing.sign_pdf import AGENCY_FIELD, PERSON_FIELD, FieldBox, Kind, Profile, Together, sign_pdf
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
    scheme: str = "pss",
    level: str = "B-B",
    stamp: Callable[[bytes], bytes] | None = None,
    boxes: Mapping[str, FieldBox] | None = None,
    appearance: Appearance | None = None,
    group: Together | None = None,
) -> None:
    """Sign as production does: the certificate is checked against `trust` and the order is enforced.

    `scheme` is the end of a name as in `material.SCHEMES`; a curve key signs ECDSA whatever it says.
    """
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
        scheme=Scheme.PKCS1V15 if scheme.endswith("pkcs1") else Scheme.PSS,
        boxes=boxes,
        appearance=appearance,
        group=group,
    )


def judged(path: Path, trust: Trust, *, kind: Kind, policy: str = "nd30", full: bool = False) -> PdfVerdict:
    """Findings and verdict; `full` leaves the quick path out."""
    return judge(verify_pdf(path, trust, at=datetime.now(UTC), full=full), policy=policy, kind=kind)
