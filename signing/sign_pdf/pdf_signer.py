"""pdf_signer — ký: PAdES signatures, made in place on a file handle under a temporary name.

The first signature of a document creates all fields, NguoiKy (the authorised person)
and CoQuan (the agency), and certifies the form-filling level, so that the agency's
later signature stays lawful. Order of the steps: NĐ 68/2024 Art 29.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from io import BufferedRandom
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from signing.cms import Builder
from signing.errors import PdfUnusable, SigningError
from signing.keys import Holder, Scheme, SigningKey
from signing.presentation import Appearance
from signing.report import Role
from signing.sign_pdf import pyhanko_writer, quick_writer
from signing.sign_pdf.checks import check_certificate, check_order
from signing.sign_pdf.increment import new_hash
from signing.sign_pdf.long_term import add_validation_data, archive
from signing.sign_pdf.plan import TOKEN_ROOM, FieldBox, Hole, Kind, Overfull, Plan, Profile, declared
from signing.sign_pdf.replacing import Together, copy_hashed, replacing
from signing.trust import Trust
from signing.verify_pdf.pdf_file import PdfFile
from signing.verify_pdf.pdf_objects import Unusual

Timestamp = Callable[[bytes], bytes]
_IRREGULAR = (Unusual, ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError, OverflowError, OSError)
_builders: dict[Scheme, WeakKeyDictionary[Holder, Builder]] = {scheme: WeakKeyDictionary() for scheme in Scheme}


def sign_pdf(
    source: Path,
    target: Path,
    key: SigningKey,
    *,
    now: datetime,
    role: Role,
    field: str,
    profile: Profile = Profile.B_B,
    kind: Kind = "document",
    trust: Trust | None = None,
    timestamp: Timestamp | None = None,
    scheme: Scheme = Scheme.PSS,
    reason: str = "",
    location: str = "",
    boxes: Mapping[str, FieldBox] | None = None,
    appearance: Appearance | None = None,
    group: Together | None = None,
) -> None:
    """Sign `source` into `target`, which may be the same path; otherwise `source` is left as it is.

    Args:
        now: the claimed time of signing, aware.
        field: name of the field to fill; on a first signature it is created with the others.
        profile: the least level wanted; with `timestamp` a B-B signature carries a time-stamp too.
        kind: ``document`` wants the person before the agency; ``attachment`` and ``copy`` do not.
        trust: anchors, CRLs and OCSP answers; without it only validity and key usage are checked.
        timestamp: turns a SHA-256 digest into a verified RFC 3161 token.
        scheme: how an RSA key signs (TT 15/2025: PSS); a curve key signs ECDSA.
        boxes: where declared fields stand; a field without one is invisible. Further names are declared too.
        appearance: what the field shows, by `signing.presentation.appearances`; its box is within `boxes[field]`.
        group: `target` is there, and durable, when the group ends; without, when this returns. For many files at once.

    Raises:
        CertificateUnusable: outside its validity, not for signing, or with `trust` revoked, of unknown status or without a path.
        OrderRefused: agency key on a document without a valid person's signature.
        PresentationRefused: the appearance leaves the box declared for it.
        FieldRefused: filled, locked, or not declared before the first signature.
        ValidationDataMissing: for B-LT and B-LTA some certificate's status cannot be shown.
        PdfUnusable: not a PDF that can be signed.
        TimestampUnavailable: as `timestamp` raises it.
    """
    check_certificate(key, trust, now)
    check_order(source, key, role, kind, trust, now)
    check_means(profile, trust, timestamp)
    builder = builder_for(key, scheme)
    plan = planned(builder, field, kind, now, timestamped=timestamp is not None, reason=reason, location=location, boxes=boxes, appearance=appearance)
    for _ in range(2):
        try:
            with replacing(target, group) as file:
                placed = placed_in(file, source, plan, read_again=profile not in (Profile.B_B, Profile.B_T))
                placed.fill(file, builder.detached(placed.hole.digest, timestamp=timestamp))
                lengthen(file, profile, trust, timestamp, now)
            return
        except Overfull:
            plan = replace(plan, room=2 * plan.room)  # a token larger than any seen
    raise SigningError("the time-stamp token is too large", place=field)


def check_means(profile: Profile, trust: Trust | None, timestamp: Timestamp | None) -> None:
    """Gate: what `profile` needs is there.

    Raises:
        SigningError: no time-stamp authority, or no trust anchors.
    """
    if profile is not Profile.B_B and timestamp is None:
        raise SigningError(f"{profile} wants a time-stamp authority", place="timestamp")
    if profile in (Profile.B_LT, Profile.B_LTA) and trust is None:
        raise SigningError(f"{profile} wants trust anchors", place="trust")


def builder_for(holder: Holder, scheme: Scheme) -> Builder:
    """The CMS builder of a holder, kept as long as the holder."""
    kept = _builders[scheme]
    builder = kept.get(holder)
    if builder is None:
        builder = kept[holder] = Builder(holder, scheme=scheme)
    return builder


def planned(
    builder: Builder,
    field: str,
    kind: Kind,
    now: datetime,
    *,
    timestamped: bool,
    reason: str,
    location: str,
    boxes: Mapping[str, FieldBox] | None,
    appearance: Appearance | None,
) -> Plan:
    """The plan for one signature by the builder's holder."""
    return Plan(
        field=field,
        declare=declared(field, kind, boxes or {}),
        now=now,
        digest=builder.digest,
        room=builder.size + (TOKEN_ROOM if timestamped else 0),
        signer=builder.holder.name,
        reason=reason,
        location=location,
        boxes=boxes or {},
        appearance=appearance,
    )


@dataclass(slots=True)
class Placed:
    """A hole in a file; `pending` bytes from `start` on are not written yet (None: all is)."""

    hole: Hole
    start: int = 0
    pending: bytearray | None = None

    def fill(self, file: BufferedRandom, cms: bytes) -> None:
        """Write the signature into its hole, and what is pending.

        Raises:
            Overfull: it does not fit.
        """
        filled = self.hole.filled(cms) if cms else None
        if self.pending is not None:
            if filled is not None:
                self.pending[self.hole.start - self.start : self.hole.end - self.start] = filled
            file.seek(self.start)
            file.write(self.pending)
        elif filled is not None:
            file.seek(self.hole.start)
            file.write(filled)
        file.flush()


def placed_in(file: BufferedRandom, source: Path, plan: Plan, *, read_again: bool = True) -> Placed:
    """Copy `source` into `file` and place a signature according to `plan`; `read_again`: is all of the file read once more soon?

    Raises:
        FieldRefused, PdfUnusable: as `sign_pdf`.
    """
    digest: Any = new_hash(plan.digest)
    try:
        size = copy_hashed(source, file, digest, read_again=read_again)
    except OSError as error:
        raise PdfUnusable(f"{error.strerror}", place=source.name) from error
    try:
        pdf = PdfFile.open(file.fileno(), size)
        pending, hole = quick_writer.place(pdf, plan).finish(digest)
    except SigningError:
        raise
    except _IRREGULAR:
        try:
            return Placed(pyhanko_writer.place(file, plan))
        except PdfUnusable as error:
            raise PdfUnusable(error.detail, place=source.name) from error
    return Placed(hole, size, pending)


def lengthen(file: BufferedRandom, profile: Profile, trust: Trust | None, timestamp: Timestamp | None, now: datetime) -> None:
    """Add what `profile` has beyond the signature itself."""
    if profile is Profile.B_LT and trust is not None:
        add_validation_data(file, trust, now)
    elif profile is Profile.B_LTA and trust is not None and timestamp is not None:
        archive(file, trust, timestamp, now)
