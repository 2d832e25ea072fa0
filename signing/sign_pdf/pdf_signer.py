"""sign_pdf — ký văn bản: PAdES signatures in place on a file handle.

The first signature of a document creates both fields, NguoiKy (the authorised
person) and CoQuan (the agency), and certifies the form-filling level, so that
the agency's later signature stays lawful. The agency key is refused on a
document that does not already carry a valid person's signature (NĐ 30/2020
Art 32.2.d); attachments and certified copies are excepted.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

from asn1crypto import cms
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.misc import PdfError
from pyhanko.sign import PdfSignatureMetadata, PdfSigner, fields
from pyhanko.sign.general import SigningError as PyHankoSigningError
from pyhanko.sign.signers.pdf_cms import Signer
from pyhanko_certvalidator import ValidationContext
from pyhanko_certvalidator.registry import SimpleCertificateStore

from signing.cms import Builder
from signing.errors import CertificateUnusable, OrderRefused, PdfUnusable, SigningError
from signing.keys import SigningKey
from signing.policy import has_valid_person
from signing.report import Role
from signing.trust import Trust
from signing.verify_pdf import verify_pdf

PERSON_FIELD = "NguoiKy"
AGENCY_FIELD = "CoQuan"
Kind = Literal["document", "attachment", "copy"]
RESERVED = 16_384  # hex digits of CMS: 8 KiB, a B-B signature with its chain is about 4 KiB
RESERVED_WITH_TIMESTAMP = 32_768


class Profile(StrEnum):
    """PAdES baseline levels that can be produced."""

    B_B = "B-B"
    B_T = "B-T"
    B_LT = "B-LT"


class _FastSigner(Signer):
    """Hands pyHanko a CMS made by `Builder`: one build, no key reload (signing.md 4.2)."""

    def __init__(self, builder: Builder, timestamp: Callable[[bytes], bytes] | None) -> None:
        key = builder.key
        registry = SimpleCertificateStore()  # type: ignore[no-untyped-call]
        registry.register_multiple(asn1_x509.Certificate.load(c.public_bytes(Encoding.DER)) for c in key.chain)
        super().__init__(
            signing_cert=asn1_x509.Certificate.load(key.der),
            cert_registry=registry,
            signature_mechanism=cms.SignedDigestAlgorithm({"algorithm": {"ecdsa-sha256": "sha256_ecdsa"}.get(key.algorithm(), "sha256_rsa")}),
        )
        self._builder, self._timestamp = builder, timestamp

    async def async_sign_raw(self, data: bytes, digest_algorithm: str, dry_run: bool = False) -> bytes:
        return b"\0" * 512 if dry_run else self._builder.key.sign(data, pss=self._builder.pss)

    async def async_sign(
        self,
        data_digest: bytes,
        digest_algorithm: str,
        dry_run: bool = False,
        use_pades: bool = False,
        timestamper: Any = None,
        signed_attr_settings: Any = None,
        is_pdf_sig: bool = True,
        encap_content_info: Any = None,
    ) -> cms.ContentInfo:
        if timestamper is not None or encap_content_info is not None or digest_algorithm != "sha256" or not use_pades:
            raise SigningError("the fast signer was asked for something it does not do")
        return cms.ContentInfo.load(self._builder.detached(data_digest, timestamp=self._timestamp))


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
    timestamp: Callable[[bytes], bytes] | None = None,
    pss: bool = False,
    reason: str = "",
    location: str = "",
) -> None:
    """Sign `source` into `target`; `source` is left as it is.

    Raises:
        CertificateUnusable: outside its validity, or with `trust` revoked or without a path.
        OrderRefused: agency key on a document without a valid person's signature.
        PdfUnusable: not a PDF that can be signed.
    """
    _check_certificate(key, trust, now)
    if role is Role.AGENCY and kind == "document":
        _check_order(source, trust, now)
    if profile is not Profile.B_B and timestamp is None and profile is Profile.B_T:
        raise SigningError("B-T wants a time-stamp authority")
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        shutil.copyfile(source, temporary)
        signer = _FastSigner(Builder(key, pss=pss), timestamp)
        metadata = _metadata(field, profile, trust, now, reason=reason, location=location)
        with temporary.open("rb+") as file:
            _sign(file, signer, metadata, kind=kind, field=field, reserved=RESERVED if timestamp is None else RESERVED_WITH_TIMESTAMP)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except (PdfError, PyHankoSigningError, ValueError, KeyError, TypeError) as error:
        raise PdfUnusable(f"{type(error).__name__}: {error}"[:300], place=source.name) from error
    finally:
        temporary.unlink(missing_ok=True)


def _sign(file: Any, signer: Signer, metadata: PdfSignatureMetadata, *, kind: Kind, field: str, reserved: int) -> None:
    writer = IncrementalPdfFileWriter(file)
    if writer.prev.encrypted:
        raise PdfUnusable("encrypted")
    first = not writer.prev.embedded_signatures
    if first:
        names = (PERSON_FIELD, AGENCY_FIELD) if kind == "document" else (AGENCY_FIELD,)
        for name in dict.fromkeys((*names, field)):
            fields.append_signature_field(writer, fields.SigFieldSpec(sig_field_name=name))
        metadata = _certifying(metadata)
    coroutine = PdfSigner(metadata, signer=signer).async_sign_pdf(writer, in_place=True, bytes_reserved=reserved, existing_fields_only=True, chunk_size=1 << 20)
    asyncio.run(coroutine)


def _metadata(field: str, profile: Profile, trust: Trust | None, now: datetime, *, reason: str, location: str) -> PdfSignatureMetadata:
    context = None
    if profile is Profile.B_LT:
        if trust is None:
            raise SigningError("B-LT wants trust anchors")
        context = ValidationContext(
            trust_roots=[asn1_x509.Certificate.load(c) for c in trust.anchors],
            other_certs=[asn1_x509.Certificate.load(c) for c in trust.intermediates],
            crls=list(trust.crls),
            allow_fetching=False,
            revocation_mode="soft-fail",
            moment=now,
        )
    return PdfSignatureMetadata(
        field_name=field,
        md_algorithm="sha256",
        subfilter=fields.SigSeedSubFilter.PADES,
        reason=reason or None,
        location=location or None,
        embed_validation_info=context is not None,
        validation_context=context,
    )


def _certifying(metadata: PdfSignatureMetadata) -> PdfSignatureMetadata:
    values = {**metadata.__dict__, "certify": True, "docmdp_permissions": fields.MDPPerm.FILL_FORMS}
    return PdfSignatureMetadata(**values)


def _check_certificate(key: SigningKey, trust: Trust | None, now: datetime) -> None:
    certificate: x509.Certificate = key.certificate
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        raise CertificateUnusable("outside its validity", place=certificate.subject.rfc4514_string())
    if trust is not None:
        result = trust.path(certificate, key.chain, at=now)
        if result.problem:
            raise CertificateUnusable(f"{result.problem} {result.detail}", place=certificate.subject.rfc4514_string())


def _check_order(source: Path, trust: Trust | None, now: datetime) -> None:
    if trust is None:
        raise OrderRefused("trust anchors are wanted to judge the person's signature")
    if not has_valid_person(verify_pdf(source, trust, at=now)):
        raise OrderRefused(place=source.name)
