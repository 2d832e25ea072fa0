"""lgsp — hồ sơ LGSP: keys, error codes, states and answers of the provincial connector (guide v2.2)."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Sequence
from datetime import date, datetime, timedelta, timezone
from typing import Any

from exchange.errors import (
    AccessError,
    AgencyError,
    BadRequest,
    BadSecret,
    DamagedAttachment,
    DigestMismatch,
    EnvelopeError,
    ExchangeError,
    InvalidField,
    LockedAgency,
    MissingAttachment,
    MissingField,
    NoDocument,
    NotEdxml,
    NotFound,
    NotTheSender,
    NotXml,
    SignatureIncomplete,
    SignatureRefused,
    StatusError,
)

VIETNAM = timezone(timedelta(hours=7))
_DATE = re.compile(r"((?:19|20)\d{2})[/-](\d{1,2})[/-](\d{1,2})", re.ASCII)
ERRORS: dict[str, str] = {
    "0": "Thành công",
    "10": "File không hợp lệ",
    "15": "Sai SystemId/SecretKey",
    "18": "Đơn vị nhận không tồn tại",
    "19": "Đơn vị gửi không đăng ký",
    "20": "Lỗi hệ thống",
    "21": "Lỗi xử lý file",
    "22": "Sai format",
    "23": "Đơn vị nhận đã khóa",
}
# Most particular first.
_CODES: tuple[tuple[type[ExchangeError], str], ...] = (
    (LockedAgency, "23"),
    (NotTheSender, "19"),
    (AgencyError, "18"),
    (AccessError, "15"),
    (DamagedAttachment, "21"),
    (MissingAttachment, "21"),
    (NoDocument, "21"),
    (DigestMismatch, "21"),
    (SignatureRefused, "21"),
    (SignatureIncomplete, "21"),
    (NotXml, "22"),
    (NotEdxml, "22"),
    (MissingField, "22"),
    (InvalidField, "22"),
    (StatusError, "22"),
    (EnvelopeError, "10"),
    (NotFound, "10"),
    (BadRequest, "10"),
)


def error_code(error: ExchangeError) -> str:
    """Code of the guide for one of our errors; 20 when it is our own failure."""
    if isinstance(error, AgencyError) and "From" in error.place:
        return "19"
    return next((code for kind, code in _CODES if isinstance(error, kind)), "20")


def check_key(given: str, secrets: Sequence[tuple[str, bytes]]) -> str:
    """The id of the secret that `given` is; every one is tried, in constant time each.

    Raises:
        BadSecret: it is none of them.
    """
    digest, holder = hashlib.sha256(given.encode("utf-8", "surrogateescape")).digest(), ""
    for key, secret in secrets or [("", b"no secret")]:
        if hmac.compare_digest(hashlib.sha256(secret).digest(), digest) and key:
            holder = key
    if not holder:
        raise BadSecret(place="X-SecretKey")
    return holder


def period(first: str, last: str) -> tuple[datetime | None, datetime | None]:
    """fromDate and toDate (``YYYY/MM/DD``, whole days in Vietnam) as a half-open span.

    Raises:
        BadRequest: not a date.
    """
    start, end = _day(first, "fromDate"), _day(last, "toDate")
    return (
        datetime(start.year, start.month, start.day, tzinfo=VIETNAM) if start else None,
        datetime(end.year, end.month, end.day, tzinfo=VIETNAM) + timedelta(days=1) if end else None,
    )


def _day(text: str, place: str) -> date | None:
    if not text:
        return None
    match = _DATE.fullmatch(text)
    try:
        if match is None:
            raise ValueError(text)
        return date(int(match[1]), int(match[2]), int(match[3]))
    except ValueError as error:
        raise BadRequest("YYYY/MM/DD is wanted", place=place) from error


def succeeded(data: Any = None, **more: Any) -> dict[str, Any]:
    """The answer to a call that was done."""
    return {"success": True, "message": ERRORS["0"], **more, "data": data}


def failed(error: ExchangeError) -> dict[str, Any]:
    """The answer to a call that was refused."""
    code = error_code(error)
    where = f" [{error.place}]" if error.place else ""
    detail = f" ({error.detail})" if error.detail and error.code != "internal" else ""
    said = f"{ERRORS[code]}: {error.vi}{where}{detail} / {error.en}"
    return {"success": False, "message": said, "data": {"docId": "", "status": "FAIL", "errorCode": code, "errorDesc": f"{error.code}: {said}"}}
