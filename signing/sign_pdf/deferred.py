"""deferred — ký từ xa: a signature whose private key is elsewhere, in two steps.

`prepare` writes the document with an empty signature and says what is to be signed;
`complete` takes the signature value, checks that it and the waiting file belong to what
was prepared, and only then writes the signed document. The state is plain JSON.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from io import BufferedRandom
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding

from signing.cms import Builder
from signing.errors import DeferredMismatch
from signing.keys import Holder, Scheme
from signing.presentation import Appearance
from signing.report import Role
from signing.sign_pdf.checks import check_certificate, check_order
from signing.sign_pdf.increment import new_hash
from signing.sign_pdf.pdf_signer import Placed, Timestamp, builder_for, check_means, lengthen, placed_in, planned
from signing.sign_pdf.plan import FieldBox, Hole, Kind, Overfull, Profile
from signing.sign_pdf.replacing import BLOCK, copy_hashed, replacing
from signing.trust import Trust

FORMAT = "vanthu-deferred-1"


@dataclass(frozen=True, slots=True)
class Waiting:
    """What must be known to complete a signature. Bytes are base64 text, digests lower hex.

    A signer that hashes by itself signs `to_sign` (DER of the signed attributes); one that
    wants a digest signs `to_sign_digest`, by the hash named in `digest`. `scheme` says how.
    """

    format: str
    file_sha256: str
    size: int
    field: str
    start: int
    end: int
    digest: str
    scheme: str
    to_sign: str
    to_sign_digest: str
    certificate: str
    chain: tuple[str, ...]

    def to_json(self) -> str:
        """The state as JSON text."""
        return json.dumps(asdict(self), ensure_ascii=False, indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Waiting:
        """Read `to_json`'s text.

        Raises:
            DeferredMismatch: it is not such a state.
        """
        try:
            read = json.loads(text)
            state = cls(**{**read, "chain": tuple(read["chain"])})
        except (ValueError, TypeError, KeyError) as error:
            raise DeferredMismatch(f"state: {error}"[:200]) from error
        if state.format != FORMAT:
            raise DeferredMismatch("state of another format")
        return state

    def builder(self) -> Builder:
        """The CMS builder for the certificate in the state.

        Raises:
            DeferredMismatch: a certificate, scheme or digest that is none.
        """
        try:
            certificates = [x509.load_der_x509_certificate(base64.b64decode(c, validate=True)) for c in (self.certificate, *self.chain)]
            builder = Builder(Holder(certificates[0], tuple(certificates[1:])), scheme=Scheme(self.scheme))
        except (ValueError, TypeError) as error:
            raise DeferredMismatch(f"state: {error}"[:200]) from error
        if builder.digest != self.digest or builder.scheme != self.scheme:
            raise DeferredMismatch("state: the digest or scheme does not fit the key")
        return builder


def prepare(
    source: Path,
    waiting: Path,
    holder: Holder,
    *,
    now: datetime,
    role: Role,
    field: str,
    kind: Kind = "document",
    trust: Trust | None = None,
    scheme: Scheme = Scheme.PSS,
    reason: str = "",
    location: str = "",
    boxes: Mapping[str, FieldBox] | None = None,
    appearance: Appearance | None = None,
) -> Waiting:
    """Write `waiting`, the document with an empty signature; return what is to be signed. Arguments and refusals as `sign_pdf`."""
    check_certificate(holder, trust, now)
    check_order(source, holder, role, kind, trust, now)
    builder = builder_for(holder, scheme)
    plan = planned(builder, field, kind, now, timestamped=True, reason=reason, location=location, boxes=boxes, appearance=appearance)
    with replacing(waiting) as file:
        placed = placed_in(file, source, plan)
        placed.fill(file, b"")
        file.seek(0)
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        size = file.seek(0, 2)
    to_sign = builder.to_sign(builder.attributes(placed.hole.digest))
    return Waiting(
        format=FORMAT,
        file_sha256=sha256,
        size=size,
        field=field,
        start=placed.hole.start,
        end=placed.hole.end,
        digest=builder.digest,
        scheme=builder.scheme.value,
        to_sign=_base64(to_sign),
        to_sign_digest=hashlib.new(builder.digest, to_sign).hexdigest(),
        certificate=_base64(holder.der),
        chain=tuple(_base64(c.public_bytes(Encoding.DER)) for c in holder.chain),
    )


def complete(
    waiting: Path,
    state: Waiting,
    signature: bytes,
    target: Path,
    *,
    now: datetime,
    profile: Profile = Profile.B_B,
    trust: Trust | None = None,
    timestamp: Timestamp | None = None,
) -> None:
    """Put `signature` into the waiting document and write `target`; `waiting` is left as it is.

    Args:
        signature: the value over `state.to_sign`; for ECDSA DER, or both numbers one after the other.

    Raises:
        DeferredMismatch: the file or the state changed, or the value was not made by the certificate's key over it.
        CertificateUnusable, ValidationDataMissing, TimestampUnavailable: as `sign_pdf`.
    """
    check_means(profile, trust, timestamp)
    builder = state.builder()
    check_certificate(builder.holder, trust, now)
    with replacing(target) as file:
        whole = new_hash("sha256")
        if copy_hashed(waiting, file, whole) != state.size or whole.hexdigest() != state.file_sha256:
            raise DeferredMismatch("the waiting file is not the one that was prepared", place=waiting.name)
        hole = _hole(file, state, builder.digest)
        attributes = builder.attributes(hole.digest)
        to_sign = builder.to_sign(attributes)
        if _base64(to_sign) != state.to_sign:
            raise DeferredMismatch("the state does not describe the waiting file", place=waiting.name)
        value = _checked(builder, to_sign, signature)
        try:
            Placed(hole).fill(file, builder.assembled(attributes, value, timestamp=timestamp))
        except Overfull as error:
            raise DeferredMismatch(f"the time-stamp token is too large: {error}") from error
        lengthen(file, profile, trust, timestamp, now)


def _hole(handle: BufferedRandom, state: Waiting, digest: str) -> Hole:
    """The hole of the waiting file, with the digest computed anew.

    Raises:
        DeferredMismatch: there is no empty signature.
    """
    if not 0 < state.start < state.end - 2 < state.size:
        raise DeferredMismatch("state: no room for a signature")
    hashed = new_hash(digest)
    for begin, end in ((0, state.start), (state.end, state.size)):
        handle.seek(begin)
        left = end - begin
        while left:
            block = handle.read(min(BLOCK, left))
            hashed.update(block)
            left -= len(block)
    handle.seek(state.start)
    gap = handle.read(state.end - state.start)
    if gap[:1] != b"<" or gap[-1:] != b">" or gap[1:-1].strip(b"0"):
        raise DeferredMismatch("the waiting file has no empty signature there")
    return Hole(state.start, state.end, hashed.digest())


def _checked(builder: Builder, to_sign: bytes, signature: bytes) -> bytes:
    """`signature` in the form that goes into the CMS.

    Raises:
        DeferredMismatch: it does not verify with the certificate.
    """
    candidates = [signature]
    public = builder.holder.public
    if isinstance(public, ec.EllipticCurvePublicKey) and len(signature) == 2 * ((public.key_size + 7) // 8):
        half = len(signature) // 2
        candidates.append(encode_dss_signature(int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big")))
    for candidate in candidates:
        if builder.holder.holds(candidate, to_sign, builder.scheme, builder.digest):
            return candidate
    raise DeferredMismatch("the signature value was not made over this document by the certificate's key")


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
