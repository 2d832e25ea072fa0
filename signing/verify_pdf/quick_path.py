"""quick_path — the common shapes of a signed PDF, verified without building all of it.

It concludes only when every signature is of a known shape, holds mathematically and nothing
but lawful changes followed; whatever else it meets raises `Unusual` and the full path decides.
So it can say yes sooner, never no, and never yes where the full path says no
(docs/adr/0006; tests/security/test_paths_agree.py).
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

from signing.der import size_of
from signing.errors import CmsBroken, NotDer
from signing.report import Change, Check, State
from signing.signed_data import (
    ALGORITHM_PROTECTION,
    CONTENT_TYPE,
    DATA,
    HASHES,
    MESSAGE_DIGEST,
    SIGNING_CERTIFICATE,
    SIGNING_CERTIFICATE_V2,
    TST_INFO,
    SignedData,
    check,
    imprint_algorithm,
    read_signed_data,
)
from signing.verify_pdf.hashing import Range, digests
from signing.verify_pdf.mark_reader import PlainObjects, signature_mark
from signing.verify_pdf.pdf_file import PdfFile
from signing.verify_pdf.pdf_objects import WHITE, Entry, Ref, Stream, Unusual
from signing.verify_pdf.pdf_text import text_string
from signing.verify_pdf.reading import PADES, TIMESTAMP, Material, Signature
from signing.verify_pdf.updates import changes_since

MOST_SIGNATURES = 64
LONGEST_CONTENTS = 4 * 1024 * 1024
_ADBE = "adbe.pkcs7.detached"
_DATE = re.compile(r"D:(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(?:Z|([+-])(\d\d)'?(\d\d)?'?)?")
SIGNING_TIME = "2a864886f70d010905"
_CMS_TIME = re.compile(rb"\x17\x0d\d{12}Z|\x18\x0f\d{14}Z")
_ATTRIBUTES = {CONTENT_TYPE, MESSAGE_DIGEST, SIGNING_CERTIFICATE, SIGNING_CERTIFICATE_V2, ALGORITHM_PROTECTION, SIGNING_TIME}
Dict = dict[bytes, object]


@dataclass(slots=True)
class Reading:
    """What the quick path read of a file: `sha256` of all of it, its signatures, what it brings along."""

    sha256: bytes
    revisions: int
    signatures: list[Signature]
    material: Material
    empty_fields: tuple[str, ...]


@dataclass(slots=True)
class _Field:
    name: str
    number: int
    value: Dict


@dataclass(slots=True)
class _Found:
    """A filled field with its signature dictionary and decoded CMS."""

    field: _Field
    dictionary: Dict
    revision: int
    range: Range
    signed: SignedData
    subfilter: str
    docmdp: int


def read_quickly(pdf: PdfFile) -> Reading:
    """All signatures of a regular file, each holding, with their lawful later changes.

    Raises:
        Unusual: the full path must decide.
    """
    last = len(pdf.revisions) - 1
    root = _dict(pdf, pdf.revisions[last].trailer[b"Root"], last)
    fields = list(_signature_fields(pdf, root, last))
    found = sorted((f for f in (_signature(pdf, field, last) for field in fields if field.value.get(b"V") is not None)), key=lambda f: f.range.end)
    if not found or len(found) > MOST_SIGNATURES:
        raise Unusual("no signature, or too many")
    _check_ranges(found)
    _check_certification(pdf, root, found)
    hashed = digests(pdf, [f.range for f in found])
    if hashed.marks != len(found):
        raise Unusual("byte ranges that are not signatures")
    changes = changes_since(pdf, found[0].revision)
    signatures = [_judged(pdf, f, digest, changes) for f, digest in zip(found, hashed.parts, strict=True)]
    _check_permissions(found, changes)
    empty = tuple(f.name for f in fields if f.value.get(b"V") is None)
    return Reading(hashed.whole, len(pdf.revisions), signatures, material_of(pdf, root, last), empty)


def _dict(pdf: PdfFile, item: object, revision: int) -> Dict:
    value = pdf.value(item, revision)
    if not isinstance(value, dict):
        raise Unusual("dictionary wanted")
    return value


def _signature_fields(pdf: PdfFile, root: Dict, last: int) -> Iterator[_Field]:
    """Every signature field; a name or an object used twice is unusual."""
    form = _dict(pdf, root.get(b"AcroForm"), last)
    if form.get(b"NeedAppearances") or b"XFA" in form:
        raise Unusual("form")
    names: set[str] = set()
    numbers: set[int] = set()
    tops = pdf.value(form.get(b"Fields"), last)
    waiting: list[tuple[object, str, object, int]] = [(item, "", None, 0) for item in (tops if isinstance(tops, list) else [])]
    while waiting:
        item, prefix, kind, depth = waiting.pop(0)
        if not isinstance(item, Ref) or item.num in numbers or depth > 8 or len(numbers) > 2000:
            raise Unusual("field tree")
        numbers.add(item.num)
        value = _dict(pdf, item, last)
        kind = value.get(b"FT", kind)
        title = text_string(value.get(b"T"))
        name = ".".join(part for part in (prefix, title) if part)
        kids = pdf.value(value.get(b"Kids"), last)
        if isinstance(kids, list) and kids:
            if kind == b"Sig" and b"V" in value:
                raise Unusual("signature field with children")
            waiting += [(kid, name, kind, depth + 1) for kid in kids]
            continue
        if kind != b"Sig":
            continue
        if not title or name in names or b"Lock" in value or b"SV" in value:
            raise Unusual(f"field {name}")
        names.add(name)
        yield _Field(name, item.num, value)


def _signature(pdf: PdfFile, field: _Field, last: int) -> _Found:
    reference = field.value[b"V"]
    if not isinstance(reference, Ref):
        raise Unusual("signature is not an indirect object")
    revision, entry = _only_definition(pdf, reference.num, last)
    dictionary = _dict(pdf, reference, last)
    kind, subfilter = dictionary.get(b"Type"), dictionary.get(b"SubFilter")
    if (kind, subfilter) not in ((b"Sig", PADES.encode()), (b"Sig", _ADBE.encode()), (b"DocTimeStamp", TIMESTAMP.encode())):
        raise Unusual("kind of signature")
    a, b, c, d = _byte_range(dictionary.get(b"ByteRange"))
    section, whole = pdf.revisions[revision], pdf.at(reference.num, entry)
    if a != 0 or not whole.start < b < c < whole.end or not section.end <= c + d <= section.end_of_line:
        raise Unusual("byte range")
    contents = _gap(pdf, b, c)
    if contents != dictionary.get(b"Contents"):
        raise Unusual("gap")
    der = contents[: size_of(contents)]
    if contents[len(der) :].strip(b"\0"):
        raise Unusual("padding")
    try:
        signed = read_signed_data(der)
        digest = imprint_algorithm(signed) if kind == b"DocTimeStamp" else signed.digest
    except NotDer as error:
        raise Unusual(error.detail) from error
    if digest not in HASHES or signed.content_type != (TST_INFO if kind == b"DocTimeStamp" else DATA):
        raise Unusual("content type")
    _check_attributes(signed)
    return _Found(field, dictionary, revision, Range(b, c, c + d, digest), signed, str(bytes(subfilter), "ascii"), _docmdp(pdf, dictionary, last))  # type: ignore[call-overload]


def _check_attributes(signed: SignedData) -> None:
    """Signed attributes are those that are read here, and a time is one; what others say is read by the full path."""
    time = signed.attributes.get(SIGNING_TIME)
    if set(signed.attributes) - _ATTRIBUTES or (time is not None and not _CMS_TIME.fullmatch(time)):
        raise Unusual("signed attribute")


def _only_definition(pdf: PdfFile, number: int, last: int) -> tuple[int, Entry]:
    """The one revision that defines an object, and where."""
    found = [(i, e) for i, s in enumerate(pdf.revisions[: last + 1]) if (e := s.entry(number)) is not None and e.kind != "f"]
    if len(found) != 1 or found[0][1].kind != "n":
        raise Unusual("signature object is defined more than once, or compressed")
    revision, entry = found[0]
    begin = pdf.revisions[revision - 1].end if revision else 0
    if not begin <= entry.where < pdf.revisions[revision].at:
        raise Unusual("signature object lies outside its revision")
    return revision, entry


def _byte_range(value: object) -> tuple[int, int, int, int]:
    if not isinstance(value, list) or len(value) != 4 or any(type(v) is not int or v < 0 for v in value):
        raise Unusual("byte range")
    a, b, c, d = value
    return a, b, c, d


def _gap(pdf: PdfFile, b: int, c: int) -> bytes:
    """The gap is one hex string and the value of /Contents."""
    if c - b > 2 * LONGEST_CONTENTS or c - b < 4:
        raise Unusual("gap")
    gap = pdf.read(b, c - b)
    before = pdf.read(max(0, b - 32), min(32, b)).rstrip(WHITE)
    if gap[:1] != b"<" or gap[-1:] != b">" or not before.endswith(b"/Contents"):
        raise Unusual("gap")
    try:
        return binascii.unhexlify(gap[1:-1])
    except binascii.Error as error:
        raise Unusual("gap") from error


def _docmdp(pdf: PdfFile, dictionary: Dict, last: int) -> int:
    """Permission level of a certification, 0 when the signature certifies nothing."""
    references = pdf.value(dictionary.get(b"Reference"), last)
    if references is None:
        return 0
    if not isinstance(references, list) or len(references) != 1:
        raise Unusual("signature references")
    reference = _dict(pdf, references[0], last)
    parameters = _dict(pdf, reference.get(b"TransformParams"), last)
    level = parameters.get(b"P", 2)
    if reference.get(b"TransformMethod") != b"DocMDP" or level not in (1, 2, 3) or type(level) is not int:
        raise Unusual("signature references")
    return level


def _check_ranges(found: list[_Found]) -> None:
    """Ends grow from signature to signature; each closes a revision of its own."""
    for one, two in zip(found, found[1:], strict=False):
        if not one.range.end < two.range.end or one.revision >= two.revision:
            raise Unusual("byte ranges do not grow")


def _check_certification(pdf: PdfFile, root: Dict, found: list[_Found]) -> None:
    """A certification is the first signature, and the catalog names it."""
    permissions = pdf.value(root.get(b"Perms"), len(pdf.revisions) - 1)
    certified = [f for f in found if f.docmdp]
    if permissions is None and not certified:
        return
    if not isinstance(permissions, dict) or set(permissions) != {b"DocMDP"} or len(certified) != 1 or certified[0] is not found[0]:
        raise Unusual("certification")
    if permissions[b"DocMDP"] != found[0].field.value[b"V"]:
        raise Unusual("certification")


def _check_permissions(found: list[_Found], changes: list[Change]) -> None:
    if found[0].docmdp == 1 and any(c.kind not in ("timestamp", "validation_data") for c in changes):
        raise Unusual("changes after a certification that allows none")


def _judged(pdf: PdfFile, found: _Found, digest: bytes, changes: list[Change]) -> Signature:
    is_timestamp = found.subfilter == TIMESTAMP
    if not is_timestamp:
        try:
            check(found.signed, digest)
        except (CmsBroken, NotDer) as error:
            raise Unusual(error.detail) from error
    r, time = found.range, pdf_date(text_string(found.dictionary.get(b"M")))
    return Signature(
        field=found.field.name,
        subfilter=found.subfilter,
        is_timestamp=is_timestamp,
        revision=found.revision + 1,
        revisions=len(pdf.revisions),
        byte_range=(0, r.gap_start, r.gap_end, r.end - r.gap_end),
        covers_whole_file=found.revision == len(pdf.revisions) - 1,
        signed=found.signed,
        digest=digest,
        claimed_time=time,
        changes=tuple(c for c in changes if c.revision > found.revision + 1),
        checks=[Check("byte_range", State.PASSED)],
        show=lambda role: signature_mark(PlainObjects(pdf, len(pdf.revisions) - 1), found.field.value, time=time, role=role),
    )


def pdf_date(text: str) -> datetime | None:
    """A PDF date (7.9.4) as aware UTC; None when it has no zone or is none."""
    match = _DATE.fullmatch(text)
    if match is None:
        return None
    try:
        year, month, day, hour, minute, second = (int(match[i]) for i in range(1, 7))
        moment = datetime(year, month, day, hour, minute, second)
    except ValueError:
        return None
    if match[7] is None:
        return moment.replace(tzinfo=UTC) if text.endswith("Z") else None
    offset = timedelta(hours=int(match[8]), minutes=int(match[9] or 0)) * (1 if match[7] == "+" else -1)
    return moment.replace(tzinfo=timezone(offset)).astimezone(UTC) if abs(offset) < timedelta(hours=24) else None


def material_of(pdf: PdfFile, root: Dict, last: int) -> Material:
    """Certificates and revocation data in the document's security store."""
    store = pdf.value(root.get(b"DSS"), last)
    if not isinstance(store, dict):
        return Material()
    return Material(*(_streams(pdf, store.get(key), last) for key in (b"Certs", b"CRLs", b"OCSPs")))


def _streams(pdf: PdfFile, item: object, last: int) -> tuple[bytes, ...]:
    items = pdf.value(item, last)
    found = []
    for part in items if isinstance(items, list) else []:
        stream = pdf.value(part, last)
        if isinstance(stream, Stream):
            found.append(pdf.decode(stream))
    return tuple(found)
