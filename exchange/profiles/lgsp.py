"""lgsp — hồ sơ LGSP: keys, error codes, states and answers of the provincial connector (guide v2.2)."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Sequence
from datetime import date, datetime, timedelta, timezone
from typing import Any

from exchange.errors import BadRequest, BadSecret, ExchangeError
from exchange.vocabularies import LGSP, LgspAnswer, to_lgsp

VIETNAM = timezone(timedelta(hours=7))
# By the guide YYYY/MM/DD; known clients write the day first too, and add a time, which is left out.
_DATE = re.compile(r"(?:((?:19|20)\d{2})[/-](\d{1,2})[/-](\d{1,2})|(\d{1,2})[/-](\d{1,2})[/-]((?:19|20)\d{2}))(?:[ T][0-9:.]{4,15}Z?)?", re.ASCII)
OK = LGSP["0"].vi


def answer_to(error: ExchangeError) -> LgspAnswer:
    """The guide's answer to one of our errors; an agency that is wrong in From is the sender (19)."""
    return LGSP["19"] if error.code.startswith("agency.") and "From" in error.place else to_lgsp(error.code)


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
        year, month, day = (match[1], match[2], match[3]) if match[1] else (match[6], match[5], match[4])
        return date(int(year), int(month), int(day))
    except ValueError as error:
        raise BadRequest("YYYY/MM/DD is wanted", place=place) from error


def succeeded(data: Any = None, **more: Any) -> dict[str, Any]:
    """The answer to a call that was done; some clients look at `success`, others only at `code`."""
    return {"success": True, "code": 200, "message": OK, **more, "data": data}


def failed(error: ExchangeError) -> dict[str, Any]:
    """The answer to a call that was refused."""
    answer = answer_to(error)
    where = f" [{error.place}]" if error.place else ""
    detail = f" ({error.detail})" if error.detail and error.code != "internal" else ""
    said = f"{answer.vi} {error.vi}{where}{detail} / {error.en}"
    data = {"docId": "", "status": "FAIL", "errorCode": answer.code, "errorDesc": f"{error.code}: {said}"}
    return {"success": False, "code": int(answer.code), "message": said, "data": data}
