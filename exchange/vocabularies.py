"""vocabularies — our error codes in the words of other people's systems (edxml.md 5): BKAV, VXP, LGSP.

One internal catalogue, three tables. A code that a table does not name falls back
to its family (the part before the dot), then to the system's general failure.
What a partner answers us is read the other way round by `from_lgsp`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BkavError:
    """One Error of a BKAV Report: kind letter (N missing, R range, M mismatch, T type) and path, or a service code."""

    code: str
    description: str


@dataclass(frozen=True, slots=True)
class VxpAnswer:
    """The three fields every VXP answer has; "0" is success."""

    status: str
    error_code: str
    error_desc: str


@dataclass(frozen=True, slots=True)
class LgspAnswer:
    """A code of guide v2.2, its meaning there, and whether to try again."""

    code: str
    vi: str
    en: str
    retry: bool


OK, FAIL = "OK", "FAIL"
LGSP: dict[str, LgspAnswer] = {
    a.code: a
    for a in (
        LgspAnswer("0", "Thành công.", "Success.", False),
        LgspAnswer("10", "Tệp không hợp lệ.", "Invalid file.", False),
        LgspAnswer("15", "Sai SystemId/SecretKey.", "Wrong SystemId or SecretKey.", False),
        LgspAnswer("18", "Đơn vị nhận không tồn tại.", "The receiver does not exist.", False),
        LgspAnswer("19", "Đơn vị gửi không đăng ký.", "The sender is not registered.", False),
        LgspAnswer("20", "Lỗi hệ thống.", "System error.", True),
        LgspAnswer("21", "Lỗi xử lý tệp.", "File processing error.", False),
        LgspAnswer("22", "Sai định dạng edXML.", "Wrong edXML format.", False),
        LgspAnswer("23", "Đơn vị nhận đã khóa.", "The receiver is locked.", False),
    )
}
_TO_LGSP: Mapping[str, str] = {
    "envelope": "22",
    "envelope.too_large": "10",
    "envelope.missing_attachment": "10",
    "envelope.damaged_attachment": "10",
    "envelope.no_document": "10",
    "envelope.secret": "10",
    "envelope.conflict": "10",
    "envelope.duplicate_number": "10",
    "envelope.digest_mismatch": "21",
    "signature": "10",
    "seal": "10",
    "agency": "18",
    "agency.locked": "23",
    "agency.closed": "18",
    "agency.succeeded": "18",
    "access": "15",
    "access.not_the_sender": "19",
    "status": "22",
    "request": "22",
    "request.too_slow": "20",
    "not_found": "10",
    "delivery": "20",
    "change": "10",
}
_FROM_LGSP: Mapping[str, str] = {
    "0": "",
    "10": "envelope.invalid",
    "15": "access.not_authenticated",
    "18": "agency.unknown",
    "19": "access.not_the_sender",
    "20": "internal",
    "21": "envelope.invalid",
    "22": "envelope.invalid",
    "23": "agency.locked",
}
_TO_BKAV: Mapping[str, str] = {
    "envelope.conflict": "ExistDoc",
    "envelope.duplicate_number": "ExistDoc",
    "envelope.damaged_attachment": "M.Attachment-Encoding",
    "envelope.missing_attachment": "N.Attachment",
    "envelope.no_document": "N.Attachment",
    "envelope.secret": "Permission",
    "signature": "CheckSignature",
    "seal": "CheckSignature",
    "access": "CheckPermission",
    "access.not_authenticated": "Permission",
    "agency": "M.MessageHeader.To.OrganId",
    "status.unknown_document": "M.UpdateStatusDoc",
    "status": "MessageHeader.StatusCode",
    "edxml.type_mismatch": "M.Attachment-Type",
    "edxml.repeated_recipient": "MessageHeader.To.OrganId",
    "edxml.future_date": "PromulgationDate",
    "internal": "9999",
    "delivery": "9999",
    "custody": "9999",
    "store": "9999",
    "config": "9999",
}
_LETTER: Mapping[str, str] = {
    "envelope.missing_field": "N",
    "envelope.invalid_field": "M",
    "edxml.absent": "N",
    "edxml.empty": "N",
    "edxml.length": "R",
    "edxml.value": "T",
    "edxml.code_list": "M",
    "edxml.email": "M",
    "edxml.organ_code": "M",
}


def _family(table: Mapping[str, str], code: str, general: str) -> str:
    return table.get(code) or table.get(code.partition(".")[0]) or general


def to_lgsp(code: str) -> LgspAnswer:
    """The LGSP answer to one of our codes; "" is success. What is not the caller's fault is 20, try again."""
    return LGSP["0" if not code else _family(_TO_LGSP, code, "20")]


def from_lgsp(code: str) -> tuple[str, bool]:
    """(our code, retry) for what an LGSP answered; an unknown number is a failure to try again."""
    known = LGSP.get(code)
    return (_FROM_LGSP[code], known.retry) if known is not None else ("internal", True)


def to_vxp(code: str, vi: str = "", place: str = "") -> VxpAnswer:
    """The VXP fields for one of our codes; "" is success.

    Of VXP's numbers only 0 and 100 (failure inside the SDK) are known, so a failure
    carries the LGSP number of the same meaning; ErrorDesc has our stable code,
    the sentence and the place.
    """
    if not code:
        return VxpAnswer(OK, "0", "")
    where = f" [{place}]" if place else ""
    return VxpAnswer(FAIL, to_lgsp(code).code, f"{code}: {vi or to_lgsp(code).vi}{where}")


def to_bkav(code: str, place: str = "", vi: str = "") -> BkavError:
    """The Error of a BKAV report for one of our codes at a wire path; "" is its success, code 0."""
    if not code:
        return BkavError("0", "")
    said = vi or code
    letter = _LETTER.get(code)
    if not letter or not place:
        return BkavError(_family(_TO_BKAV, code, "BadRequest"), said)
    path = re.sub(r"\[\d+\]", "", place).replace("/", ".")
    if path.endswith("PromulgationDate"):
        return BkavError("PromulgationDate", said)  # so written there, without letter and path
    if path.endswith(".AttachmentName"):
        path = "AttachmentName"
    # Organisation fields lose their dots there, and ToPlaces its s.
    path = re.sub(r"^MessageHeader\.(From|To)\.", r"MessageHeader\1", path).replace(".ToPlaces.", ".ToPlace.")
    return BkavError(f"{letter}.{path}", said)
