"""long_term — what keeps a signature checkable: validation data (DSS) and document time-stamps (EN 319 142-1 5.4, 5.5).

B-LT is a time-stamped signature plus the data for its chain and the authority's; B-LTA
adds a document time-stamp over all of it. `renew` does the same again later, before the
last time-stamp's certificate or algorithms grow old.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import datetime
from io import BufferedRandom
from pathlib import Path
from typing import Any

from asn1crypto import cms, core, crl, ocsp
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.general import SigningError as PyHankoSigningError
from pyhanko.sign.signers.pdf_signer import PdfTimeStamper
from pyhanko.sign.timestamps import TimeStamper
from pyhanko.sign.validation.dss import DocumentSecurityStore
from pyhanko.sign.validation.errors import ValidationInfoReadingError

from signing.errors import FieldRefused, PdfUnusable, ValidationDataMissing
from signing.sign_pdf.increment import new_hash
from signing.sign_pdf.plan import TOKEN_ROOM
from signing.sign_pdf.pyhanko_writer import BROKEN, CHUNK, check_end, opened, unusable
from signing.sign_pdf.replacing import copy_hashed, replacing
from signing.sign_pdf.validation_data import Stored, ValidationData
from signing.trust import Trust


class _Stamper(TimeStamper):
    """pyHanko's view of a callable that turns a SHA-256 digest into a token."""

    def __init__(self, timestamp: Callable[[bytes], bytes]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._timestamp = timestamp

    async def async_timestamp(self, message_digest: bytes, md_algorithm: str) -> cms.ContentInfo:
        return cms.ContentInfo.load(self._timestamp(message_digest))


def renew(
    source: Path,
    target: Path,
    *,
    trust: Trust | None,
    timestamp: Callable[[bytes], bytes],
    now: datetime,
    data: bool = True,
) -> None:
    """Add fresh validation data and a document time-stamp to `source`; the result is `target` (the same path: in place).

    Args:
        timestamp: turns a SHA-256 digest into a verified RFC 3161 token.
        data: False adds the time-stamp alone.

    Raises:
        ValidationDataMissing: nothing says whether some certificate was revoked.
        PdfUnusable: not a PDF that can be extended.
        TimestampUnavailable: as the callable raises it.
    """
    with replacing(target) as file:
        try:
            copy_hashed(source, file, new_hash("sha256"))
            check_end(file)
        except OSError as error:
            raise PdfUnusable(f"{error.strerror}", place=source.name) from error
        if data and trust is not None:
            archive(file, trust, timestamp, now)
        elif data:
            raise ValidationDataMissing("trust anchors are wanted", place=source.name)
        else:
            add_document_timestamp(file, timestamp)


def archive(file: BufferedRandom, trust: Trust, timestamp: Callable[[bytes], bytes], now: datetime) -> None:
    """Validation data for everything in `file`, a document time-stamp over it, and the data for that one's authority
    when they are not there yet (another authority may have answered)."""
    add_validation_data(file, trust, now)
    add_document_timestamp(file, timestamp)
    add_validation_data(file, trust, now)


def add_validation_data(file: BufferedRandom, trust: Trust, now: datetime) -> bool:
    """Append the data that are not in `file` yet, in place; was there anything?

    Raises:
        ValidationDataMissing: neither `trust` nor the file has an answer for some certificate.
    """
    try:
        writer = opened(file)
        data = ValidationData(_stored(writer.prev))
        for leaf, others in _certificates(writer.prev):
            data.add(leaf, others, trust, now=now)
        if data.missing:
            raise ValidationDataMissing("; ".join(data.missing)[:300])
        certificates, crls, ocsps = data.fresh()
        if not (certificates or crls or ocsps):
            return False
        DocumentSecurityStore.supply_dss_in_writer(
            writer,
            None,
            certs=[asn1_x509.Certificate.load(der) for der in certificates],
            crls=[crl.CertificateList.load(der) for der in crls],
            ocsps=[ocsp.OCSPResponse.load(der) for der in ocsps],
        )
        writer.write_in_place()  # type: ignore[no-untyped-call]
        file.flush()
        return True
    except BROKEN as error:
        raise unusable(error) from error


def add_document_timestamp(file: BufferedRandom, timestamp: Callable[[bytes], bytes]) -> None:
    """Append a document time-stamp (ETSI.RFC3161) over the whole of `file`, in place.

    Raises:
        FieldRefused: the document allows no further change.
        PdfUnusable: not a PDF that can be extended.
    """
    try:
        writer = opened(file)
        stamper = PdfTimeStamper(_Stamper(timestamp))
        asyncio.run(stamper.async_timestamp_pdf(writer, "sha256", bytes_reserved=2 * TOKEN_ROOM, in_place=True, chunk_size=CHUNK))
        file.flush()
    except PyHankoSigningError as error:
        raise FieldRefused(f"{error}"[:300]) from error
    except BROKEN as error:
        raise unusable(error) from error


def _certificates(reader: PdfFileReader) -> Iterator[tuple[x509.Certificate, list[x509.Certificate]]]:
    """Signer certificates of all signatures, document time-stamps and time-stamps inside signatures, each with its company."""
    for embedded in reader.embedded_signatures:
        yield _converted(embedded.signer_cert, embedded.other_embedded_certs)
        attributes = embedded.signer_info["unsigned_attrs"]
        for attribute in [] if isinstance(attributes, core.Void) else attributes:
            if attribute["type"].native == "signature_time_stamp_token":
                for token in attribute["values"]:
                    yield _signer_of(token["content"])


def _signer_of(token: Any) -> tuple[x509.Certificate, list[x509.Certificate]]:
    wanted = token["signer_infos"][0]["sid"].chosen
    held = [c.chosen for c in token["certificates"]]
    for certificate in held:
        if certificate.serial_number == wanted["serial_number"].native and certificate.issuer.dump() == wanted["issuer"].dump():
            return _converted(certificate, held)
    raise PdfUnusable("a time-stamp does not carry its authority's certificate")


def _converted(leaf: Any, others: Any) -> tuple[x509.Certificate, list[x509.Certificate]]:
    certificate = x509.load_der_x509_certificate(leaf.dump())
    return certificate, [x509.load_der_x509_certificate(c.dump()) for c in others if c.dump() != leaf.dump()]


def _stored(reader: PdfFileReader) -> Stored:
    try:
        store = DocumentSecurityStore.read_dss(reader)
    except ValidationInfoReadingError:
        return Stored()
    read = [tuple(ref.get_object().data for ref in refs) for refs in (store.certs.values(), store.crls, store.ocsps)]
    return Stored(*read)
