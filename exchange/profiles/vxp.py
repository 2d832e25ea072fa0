"""vxp — hồ sơ VXP: headers, HMAC, hash-file, times, transport states and answers of the national connector.

Only values that the caller signed are ever read: a header outside the signed
set does not exist for us. Three optional signed headers are ours: ``nonce``
(each once), ``window`` (seconds that the call may be old) and ``hash-body``
(SHA-256 hex of the body, on any call). A service object of the SDK keeps the
time of its making and every parameter of its earlier calls, also ``docId`` beside
``docid``: neither age nor leftovers may refuse a call (docs/profiles.md).
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from exchange.delivery import State
from exchange.errors import BadRequest, BadSecret, ExchangeError, StaleRequest
from exchange.vocabularies import to_vxp

PREFIX = "xroadvnpt-"
VIETNAM = timezone(timedelta(hours=7))
WINDOW = timedelta(minutes=15)
LARGEST_HEADER = 32 * 1024
MOST_PARAMETERS = 64
STATES = ("initial", "processing", "done", "fail")
STATE_TEXTS = {"initial": "Khởi tạo", "processing": "Đang xử lý", "done": "Đã nhận", "fail": "Lỗi"}
GONE = "Không giao nữa: đã thu hồi, lấy lại hoặc thay thế"
GONE_LATER = "Đã nhận; sau đó đã thu hồi hoặc lấy lại"
REPLACED_LATER = "Đã nhận; sau đó có văn bản thay thế"
_ABOUT_SIGNING = ("sign-header", "sign-header-key", "hash-header")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TIME = re.compile(r"(\d{2})(\d{2})(\d{4})T(\d{2})(\d{2})(\d{2})(?:\+(\d{1,4}))?", re.ASCII)
_NONCE = re.compile(r"[!-~]{8,128}")
_SECONDS = re.compile(r"[0-9]{1,5}", re.ASCII)
_HEX = re.compile(r"[0-9a-f]{32,64}")


@dataclass(frozen=True, slots=True)
class Call:
    """One signed call as received, not yet authenticated. `parameters` are the
    signed values by name as the caller spelt it, without prefix; `signed` is the
    exact sign-header, `mac` the hash-header."""

    system: str
    at: datetime
    parameters: dict[str, str]
    signed: bytes
    mac: str

    def get(self, name: str) -> str:
        """A signed parameter, "" when absent: in this spelling, or else in any case.

        Raises:
            BadRequest: only in other spellings, with different values.
        """
        if name in self.parameters:
            return self.parameters[name]
        found = {value for other, value in self.parameters.items() if other.lower() == name.lower()}
        if len(found) > 1:
            raise BadRequest("signed in several spellings, none of them this one", place=f"XroadVnpt-{name}")
        return next(iter(found), "")

    def need(self, name: str) -> str:
        """A signed parameter that must be there.

        Raises:
            BadRequest: absent, empty or not signed.
        """
        value = self.get(name)
        if not value:
            raise BadRequest("missing or not signed", place=f"XroadVnpt-{name}")
        return value

    @property
    def nonce(self) -> str:
        """The caller's nonce, "" when it sent none."""
        return self.get("nonce")

    @property
    def window(self) -> timedelta | None:
        """How old the caller lets this call become; None when it did not say.

        Raises:
            BadRequest: not 1 to 86400 seconds.
        """
        text = self.get("window")
        if not text:
            return None
        if not _SECONDS.fullmatch(text) or not 1 <= int(text) <= 86400:
            raise BadRequest("1 to 86400 seconds", place="XroadVnpt-window")
        return timedelta(seconds=int(text))


def read_call(headers: Iterable[tuple[bytes, bytes]]) -> Call:
    """The signed call in raw HTTP headers (names in any case).

    Raises:
        BadRequest: a header is missing, repeated, too large, or not as signed.
    """
    found = _headers(headers)
    text = _one(found, "sign-header")
    names = [n for n in _one(found, "sign-header-key").split(";") if n]
    members = _members(text)
    if [name.lower() for name, _ in members] != [PREFIX + name.lower() for name in names]:
        raise BadRequest("not the names of sign-header-key, in that order", place="XroadVnpt-sign-header")
    parameters: dict[str, str] = {}
    signed: dict[str, list[str]] = {}
    for name, value in members:
        bare = name[len(PREFIX) :]
        if bare.lower() in _ABOUT_SIGNING or bare in parameters:
            raise BadRequest("repeated, or signs itself", place=name[:60])
        parameters[bare] = value
        signed.setdefault(bare.lower(), []).append(value)
    for bare, values in found.items():
        if bare not in signed and len(values) > 1:
            raise BadRequest("repeated", place=(PREFIX + bare)[:60])
    for bare, wanted in signed.items():
        # Of two spellings of one name the SDK's second HTTP client sends the last value only.
        sent = found.get(bare, [])
        if not sent or Counter(sent) - Counter(wanted):
            raise BadRequest("the header is not what was signed", place=(PREFIX + bare)[:60])
    call = Call("", _EPOCH, parameters, text.encode(), _one(found, "hash-header"))
    for wanted_name in ("systemid", "timestamp"):
        call.need(wanted_name)
    if call.nonce and not _NONCE.fullmatch(call.nonce):
        raise BadRequest("8 to 128 visible ASCII characters", place="XroadVnpt-nonce")
    return replace(call, system=call.need("systemid")[:200], at=parse_time(call.need("timestamp")))


def _headers(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, list[str]]:
    """Values by lower-case name without prefix, in the order of arrival."""
    found: dict[str, list[str]] = {}
    count = 0
    for raw_name, raw_value in headers:
        name = raw_name.decode("latin-1").lower()
        if not name.startswith(PREFIX):
            continue
        count += 1
        if len(raw_value) > LARGEST_HEADER or count > MOST_PARAMETERS:
            raise BadRequest("too large", place=name[:60])
        try:
            found.setdefault(name.removeprefix(PREFIX), []).append(raw_value.decode("utf-8"))
        except UnicodeDecodeError as error:
            raise BadRequest("not UTF-8", place=name[:60]) from error
    return found


def _one(found: dict[str, list[str]], name: str) -> str:
    values = found.get(name, [])
    if len(values) != 1 or not values[0]:
        raise BadRequest("wanted exactly once", place=f"XroadVnpt-{name}")
    return values[0]


def _members(text: str) -> list[tuple[str, str]]:
    """Members of the sign-header object in order, duplicates kept."""
    try:
        value: Any = json.loads(text, object_pairs_hook=lambda pairs: pairs)
    except (ValueError, RecursionError) as error:
        raise BadRequest("not JSON", place="XroadVnpt-sign-header") from error
    well_formed = text.lstrip().startswith("{") and isinstance(value, list) and all(isinstance(item, str) for _, item in value)
    if not well_formed or len(value) > MOST_PARAMETERS:
        raise BadRequest("not a flat object of texts", place="XroadVnpt-sign-header")
    return [(str(name), str(item)) for name, item in value]


def parse_time(text: str) -> datetime:
    """``ddMMyyyy'T'HHmmss+SSSS``: Vietnam's local time; what follows the plus is milliseconds, not a zone.

    Raises:
        BadRequest: not such a time.
    """
    match = _TIME.fullmatch(text)
    try:
        if match is None:
            raise ValueError(text)
        day, month, year, hour, minute, second = (int(g) for g in match.groups()[:6])
        millis = min(int(match.group(7) or 0), 999)
        return datetime(year, month, day, hour, minute, second, millis * 1000, tzinfo=VIETNAM).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise BadRequest("ddMMyyyy'T'HHmmss+SSSS is wanted", place="XroadVnpt-timestamp") from error


def write_time(moment: datetime) -> str:
    """The same form for a moment."""
    local = moment.astimezone(VIETNAM)
    clock = f"{local.hour:02d}{local.minute:02d}{local.second:02d}+{local.microsecond // 1000:04d}"
    return f"{local.day:02d}{local.month:02d}{local.year:04d}T{clock}"


def check_window(at: datetime, now: datetime, window: timedelta) -> None:
    """Is the call's own time near ours, either side?

    Raises:
        StaleRequest: older or newer than the window.
    """
    if abs(now - at) > window:
        raise StaleRequest(f"{(now - at).total_seconds():+.0f} s", place="XroadVnpt-timestamp")


def mac_of(secret: bytes, signed: bytes) -> str:
    """hash-header: lower-hex HMAC-SHA256 of the sign-header text."""
    return hmac.new(secret, signed, hashlib.sha256).hexdigest()


def check_mac(call: Call, secrets: Sequence[tuple[str, bytes]]) -> str:
    """The id of the secret whose HMAC it is; every secret is tried, in constant time each.

    Raises:
        BadSecret: of none, or the system has none (told in the same time and words).
    """
    given, holder = call.mac.lower().encode(), ""
    for key, secret in secrets or [("", b"no secret")]:
        if hmac.compare_digest(mac_of(secret, call.signed).encode(), given) and key:
            holder = key
    if not holder:
        raise BadSecret(place="XroadVnpt-hash-header")
    return holder


def same_digest(declared: str, digest: bytes) -> bool:
    """Is `declared` the hex of `digest`, with or without each byte's leading zero? (The SDK leaves it out.)"""
    given = declared.lower().encode()
    if not _HEX.fullmatch(declared.lower()):
        return False
    padded = hmac.compare_digest(given, digest.hex().encode())
    unpadded = hmac.compare_digest(given, "".join(f"{byte:x}" for byte in digest).encode())
    return padded or unpadded


def recipients(text: str) -> tuple[str, ...]:
    """The ``to`` parameter: a JSON array as text, or bare codes with commas or semicolons between.

    Raises:
        BadRequest: neither.
    """
    if not text.startswith("["):
        return tuple(code for part in re.split("[,;]", text) if (code := part.strip()))
    try:
        value: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadRequest("not a JSON array", place="XroadVnpt-to") from error
    if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
        raise BadRequest("not an array of codes", place="XroadVnpt-to")
    return tuple(value)


def state_of(delivery: State, told: str, status: str = "") -> str:
    """Transport state of a delivery; `told` is what the recipient said last by this profile, `status` its last edXML status.

    What was handed over stays so when it is recalled afterwards: a client that sees ``fail`` may send again.
    """
    confirmed = told == "done" or status not in ("", "13")
    if delivery in (State.DELIVERED, State.ACKNOWLEDGED) or (delivery is State.RECALLED and confirmed):
        return "done"
    if delivery in (State.FAILED, State.EXPIRED, State.RECALLED):
        return "fail"
    return "processing" if told == "processing" else "initial"


def text_of(delivery: State, state: str, *, superseded: bool) -> str:
    """What getSentEdocList says in words of a delivery in transport state `state`: also what became of it by law."""
    if delivery is State.RECALLED:
        return GONE if state == "fail" else GONE_LATER
    return REPLACED_LATER if superseded and state == "done" else STATE_TEXTS[state]


def succeeded(**more: Any) -> dict[str, Any]:
    """The answer to a call that was done."""
    return {"status": "OK", "ErrorCode": "0", "ErrorDesc": "", **more}


def failed(error: ExchangeError) -> dict[str, Any]:
    """The answer to a call that was refused: a number of the vocabulary, then our stable code, what, where, and why."""
    detail = f" ({error.detail})" if error.detail and error.code != "internal" else ""
    told = to_vxp(error.code, f"{error.vi}{detail} / {error.en}", error.place)
    return {"status": told.status, "ErrorCode": told.error_code, "ErrorDesc": told.error_desc}


def failed_send(error: ExchangeError) -> dict[str, Any]:
    """The same for sendEdoc: the SDK reads DocId before it keeps the reason, and loses the reason where there is none."""
    return {**failed(error), "DocId": ""}


def sign(secret: bytes, parameters: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Headers of a call as the SDK makes them; `parameters` in signing order, names without prefix."""
    text = json.dumps({f"XroadVnpt-{name}": value for name, value in parameters}, ensure_ascii=False, separators=(",", ":"))
    headers = {f"XroadVnpt-{name}": value for name, value in parameters}
    headers["XroadVnpt-sign-header-key"] = ";".join(name for name, _ in parameters)
    headers["XroadVnpt-sign-header"] = text
    headers["XroadVnpt-hash-header"] = mac_of(secret, text.encode())
    headers["XroadVnpt-version"] = "3.0.201608"
    return headers
