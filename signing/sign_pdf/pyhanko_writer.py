"""pyhanko_writer — the update that places a signature into any other PDF, written by pyHanko in place.

For forms with other fields, seed values and locks, visible appearances, and whatever
syntax the quick writer does not take.
"""

from __future__ import annotations

import asyncio
import errno
import shutil
import tempfile
from io import BufferedRandom

from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.misc import PdfError
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.pdf_utils.writer import copy_into_new_writer
from pyhanko.sign import PdfSignatureMetadata, PdfSigner, fields
from pyhanko.sign.general import SigningError as PyHankoSigningError
from pyhanko.sign.signers.pdf_cms import ExternalSigner

from signing.errors import FieldRefused, PdfUnusable
from signing.sign_pdf.appearance import stamp_style
from signing.sign_pdf.plan import Hole, Plan

CHUNK = 1 << 18
BROKEN = (PdfError, ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError, OSError)


def unusable(error: Exception) -> Exception:
    """The refusal for what reading a broken file raised; a full or failing disk stays what it is.

    Raises nothing; the caller does.
    """
    if isinstance(error, OSError) and error.errno != errno.EINVAL:  # EINVAL: an offset before the start of the file
        return error
    return PdfUnusable(f"{type(error).__name__}: {error}"[:300])


def place(file: BufferedRandom, plan: Plan) -> Hole:
    """Append the update for `plan` to `file`; its hole is still empty.

    Raises:
        FieldRefused: it may not be signed there.
        PdfUnusable: encrypted, or not a PDF that can be signed.
    """
    try:
        check_end(file)
        writer = opened(file)
        if writer.prev.xrefs.hybrid_xrefs_present:
            _unhybrid(file, writer.prev)
            writer = opened(file)
        return _place(writer, plan)
    except PyHankoSigningError as error:
        raise FieldRefused(f"{error}"[:300], place=plan.field) from error
    except BROKEN as error:
        raise unusable(error) from error


def check_end(file: BufferedRandom) -> None:
    """Gate: nothing but white space after the end of the last revision; viewers disagree about anything else (signing.md A3).

    Raises:
        PdfUnusable: there is.
    """
    size = file.seek(0, 2)
    file.seek(max(0, size - 2048))
    _, mark, rest = file.read().rpartition(b"%%EOF")
    if not mark or rest.strip(b"\0\t\n\x0c\r "):
        raise PdfUnusable("bytes after the end of the document" if mark else "no end of the document")


def opened(file: BufferedRandom) -> IncrementalPdfFileWriter:
    """pyHanko's writer on `file`.

    Raises:
        PdfUnusable: encrypted.
    """
    file.seek(0)
    writer = IncrementalPdfFileWriter(file)
    if writer.prev.encrypted:
        raise PdfUnusable("encrypted")
    return writer


def _place(writer: IncrementalPdfFileWriter, plan: Plan) -> Hole:
    empty = {name for name, value, _ in fields.enumerate_sig_fields(writer.prev) if value is None}
    first = not writer.prev.embedded_signatures
    if first:
        _check_unsigned(writer.prev)
        for name in plan.declare:
            if name not in empty:
                box = plan.box(name)
                page = box.page - 1 if box.page > 0 else box.page
                place = tuple(int(x) if float(x).is_integer() else x for x in box.rect) if any(box.rect) else None
                fields.append_signature_field(writer, fields.SigFieldSpec(sig_field_name=name, on_page=page, box=place))  # type: ignore[arg-type]
    elif plan.field not in empty:
        raise FieldRefused("the document is signed and has no empty field of that name", place=plan.field)
    elif any(s.fieldmdp is not None and s.fieldmdp.is_locked(plan.field) for s in writer.prev.embedded_signatures):
        raise FieldRefused("an earlier signature locks the field", place=plan.field)
    metadata = PdfSignatureMetadata(
        field_name=plan.field,
        md_algorithm=plan.digest,
        subfilter=fields.SigSeedSubFilter.PADES,
        name=plan.signer or None,
        reason=plan.reason or None,
        location=plan.location or None,
        certify=first,
        docmdp_permissions=fields.MDPPerm.FILL_FORMS,
    )
    return asyncio.run(_prepare(writer, metadata, plan))


async def _prepare(writer: IncrementalPdfFileWriter, metadata: PdfSignatureMetadata, plan: Plan) -> Hole:
    """pyHanko's steps up to the digest; the CMS is ours."""
    signer = PdfSigner(metadata, signer=ExternalSigner(None, None, plan.room), stamp_style=stamp_style(plan.appearance))
    session = signer.init_signing_session(writer, existing_fields_only=True)
    session.system_time = plan.now
    document = session.prepare_tbs_document(validation_info=None, bytes_reserved=2 * plan.room)
    prepared, _ = document.digest_tbs_document(in_place=True, chunk_size=CHUNK)
    return Hole(prepared.reserved_region_start, prepared.reserved_region_end, prepared.document_digest)


def _check_unsigned(reader: PdfFileReader) -> None:
    """Permissions without a readable signature: someone certified or restricted it in a way we do not know."""
    if "/Perms" in reader.root:
        raise FieldRefused("the document carries usage rights or a certification")


def _unhybrid(file: BufferedRandom, reader: PdfFileReader) -> None:
    """A hybrid file (7.5.8.4) shows different objects to different viewers, so none is signed as it is:
    nobody has signed it yet, therefore it is written anew with one cross-reference for all."""
    if reader.embedded_signatures:
        raise PdfUnusable("signed file with hybrid cross-references")
    with tempfile.TemporaryFile() as fresh:
        copy_into_new_writer(reader).write(fresh)  # type: ignore[no-untyped-call]
        fresh.seek(0)
        file.seek(0)
        file.truncate()
        shutil.copyfileobj(fresh, file, CHUNK)
        file.flush()
        file.seek(0)
