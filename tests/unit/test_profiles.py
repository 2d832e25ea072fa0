"""The wire rules of the VXP and LGSP profiles: headers, HMAC, digests, times, states, error codes."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange import errors
from exchange.delivery import State
from exchange.errors import BadRequest, BadSecret, ExchangeError, StaleRequest
from exchange.origin import METHOD_TEXTS, Method, Origin, origin_reasons
from exchange.profiles import lgsp, vxp
from tests.connectors import captures, unpadded
from tests.fuzz.vxp_headers import one_input

SECRET = b"dummy-test-secret"
NOW = datetime(2026, 11, 23, 0, 51, 2, 912000, tzinfo=UTC)
OWN = [("systemid", "he.thong.01"), ("servicetype", "eDoc"), ("timestamp", "23112026T075102+0912"), ("Content-Type", "application/json")]


def raw(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode()) for name, value in headers.items()]


def made(own: list[tuple[str, str]] | None = None) -> dict[str, str]:
    return vxp.sign(SECRET, own or OWN)


def test_every_captured_request_is_accepted() -> None:
    requests = captures()
    if not requests:
        pytest.skip("the captured requests are not here")
    assert len(requests) == 12
    for line, headers, body in requests:
        call = vxp.read_call(headers)
        assert vxp.check_mac(call, [("k1", SECRET)]) == "k1", line
        vxp.check_window(call.at, NOW + timedelta(seconds=20), vxp.WINDOW)
        if "sendEdoc" in line:
            assert body.endswith(b"\r\n") and len(call.get("hash-file")) == 63
            assert vxp.same_digest(call.get("hash-file"), hashlib.sha256(body[:-2]).digest())
            assert not vxp.same_digest(call.get("hash-file"), hashlib.sha256(body).digest())
            assert vxp.recipients(call.get("to")) == ("000.00.98.H56", "H56.97")
        if "updateStatus" in line:
            assert call.need("docId") and call.need("status") == "done"  # the header is `docid`


def test_every_changed_capture_is_refused() -> None:
    requests = captures()
    if not requests:
        pytest.skip("the captured requests are not here")
    for line, headers, _ in requests:
        for number, (name, value) in enumerate(headers):
            if not name.lower().startswith(b"xroadvnpt-") or name.lower() == b"xroadvnpt-version":
                continue
            changed = list(headers)
            changed[number] = (name, value[:-1] + (b"0" if value[-1:] != b"0" else b"1"))
            with pytest.raises((BadRequest, BadSecret)):
                vxp.check_mac(vxp.read_call(changed), [("k1", SECRET)])
                pytest.fail(f"{line}: {name!r}")


def test_headers_in_any_case_and_the_sign_header_as_received() -> None:
    headers = {name.lower(): value for name, value in made().items()}
    call = vxp.read_call(raw(headers))
    assert (call.system, call.get("ServiceType"), call.at) == ("he.thong.01", "eDoc", NOW)
    spaced = dict(made())
    spaced["XroadVnpt-sign-header"] = spaced["XroadVnpt-sign-header"].replace(",", ", ")
    with pytest.raises(BadSecret):
        vxp.check_mac(vxp.read_call(raw(spaced)), [("k", SECRET)])
    spaced["XroadVnpt-hash-header"] = hmac.new(SECRET, spaced["XroadVnpt-sign-header"].encode(), "sha256").hexdigest().upper()
    assert vxp.check_mac(vxp.read_call(raw(spaced)), [("other", b"x" * 20), ("k", SECRET)]) == "k"


def test_an_object_of_the_sdk_is_used_for_many_calls() -> None:
    """It signs what its earlier calls signed too; its second HTTP client sends the last value of two spellings only."""
    own = [*OWN, ("docId", "cua-getEdoc"), ("docid", "cua-updateStatus")]
    call = vxp.read_call(raw(made(own)))
    assert (call.need("docId"), call.need("docid"), call.need("systemid")) == ("cua-getEdoc", "cua-updateStatus", "he.thong.01")
    with pytest.raises(BadRequest):  # neither is the one that is asked for
        call.get("DOCID")
    merged = {name: value for name, value in made(own).items() if name != "XroadVnpt-docid"}
    for value in ("cua-updateStatus", "cua-getEdoc"):
        call = vxp.read_call(raw({**merged, "XroadVnpt-docId": value}))
        assert (call.need("docId"), call.need("docid")) == ("cua-getEdoc", "cua-updateStatus")
        assert vxp.check_mac(call, [("k", SECRET)]) == "k"
    lowered = [(name.lower(), value) for name, value in raw(made(own))]  # a proxy of HTTP/2
    assert vxp.read_call(lowered).need("docid") == "cua-updateStatus"
    for more in ((b"XroadVnpt-docId", b"cua-ke-khac"), (b"XroadVnpt-DocId", b"cua-getEdoc")):
        with pytest.raises(BadRequest):  # one more than was signed, or another value
            vxp.read_call([*raw(made(own)), more])
    with pytest.raises(BadRequest):
        vxp.read_call(raw({**merged, "XroadVnpt-docId": "cua-ke-khac"}))
    none = {name: value for name, value in merged.items() if name != "XroadVnpt-docId"}
    with pytest.raises(BadRequest):
        vxp.read_call(raw(none))


def test_what_is_not_signed_is_not_there() -> None:
    headers = {**made(), "XroadVnpt-docId": "of-another"}
    call = vxp.read_call(raw(headers))
    assert call.get("docId") == ""
    with pytest.raises(BadRequest):
        call.need("docId")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("XroadVnpt-systemid", "he.thong.02"),
        ("XroadVnpt-sign-header", "{}"),
        ("XroadVnpt-sign-header", "[" * 30000),
        ("XroadVnpt-sign-header", '["XroadVnpt-systemid","he.thong.01"]'),
        ("XroadVnpt-sign-header", '{"XroadVnpt-systemid":{"a":"b"}}'),
        ("XroadVnpt-sign-header", "khong phai JSON"),
        ("XroadVnpt-sign-header-key", "systemid;timestamp"),
        ("XroadVnpt-sign-header-key", "timestamp;systemid;servicetype;Content-Type"),
        ("XroadVnpt-sign-header-key", ""),
        ("XroadVnpt-hash-header", ""),
        ("XroadVnpt-servicetype", "x" * (vxp.LARGEST_HEADER + 1)),
    ],
)
def test_malformed_headers(name: str, value: str) -> None:
    with pytest.raises(BadRequest):
        vxp.read_call(raw({**made(), name: value}))


def test_repeated_headers_members_and_bytes_that_are_no_text() -> None:
    good = raw(made())
    with pytest.raises(BadRequest):
        vxp.read_call([*good, (b"xroadvnpt-SYSTEMID", b"he.thong.01")])
    with pytest.raises(BadRequest):
        vxp.read_call([*good, (b"XroadVnpt-x", b"\xff")])
    with pytest.raises(BadRequest):
        vxp.read_call([*good, *((b"XroadVnpt-x%d" % n, b"1") for n in range(80))])
    members = [*OWN, OWN[0]]
    text = "{" + ",".join(f'"XroadVnpt-{name}":{json.dumps(value)}' for name, value in members) + "}"
    twice = {**made(), "XroadVnpt-sign-header": text, "XroadVnpt-sign-header-key": ";".join(name for name, _ in members)}
    with pytest.raises(BadRequest):
        vxp.read_call(raw(twice))
    with pytest.raises(BadRequest):
        vxp.read_call([*good, (b"XroadVnpt-x", b"1"), (b"xroadvnpt-X", b"1")])  # not signed, and still twice
    for itself in ("hash-header", "sign-header-key"):
        with pytest.raises(BadRequest):
            vxp.read_call(raw({**made([*OWN, (itself, "x")]), f"XroadVnpt-{itself}": "x"}))
    for nonce in ("short", "n" * 129, "has a space"):
        with pytest.raises(BadRequest):
            vxp.read_call(raw(made([*OWN, ("nonce", nonce)])))
    for window in ("0", "86401", "-1", "x"):
        with pytest.raises(BadRequest):
            vxp.read_call(raw(made([*OWN, ("window", window)]))).window  # noqa: B018
    for name in ("systemid", "timestamp"):
        with pytest.raises(BadRequest):
            vxp.read_call(raw(made([(n, v) for n, v in OWN if n != name])))


@given(st.dictionaries(st.text(max_size=30), st.text(max_size=60), max_size=6), st.text(max_size=80), st.text(max_size=80))
def test_no_header_raises_anything_else(more: dict[str, str], keys: str, signed: str) -> None:
    headers = {**made(), "XroadVnpt-sign-header-key": keys, "XroadVnpt-sign-header": signed}
    pairs = [(b"XroadVnpt-" + n.encode("utf-8", "surrogatepass"), v.encode("utf-8", "surrogatepass")) for n, v in more.items()]
    with pytest.raises(ExchangeError):
        vxp.read_call([*((n.encode(), v.encode("utf-8", "surrogatepass")) for n, v in headers.items()), *pairs])


@given(st.data())
def test_changed_lines_are_read_or_refused(data: st.DataObject) -> None:
    """The fuzzing target over mutations of a good call."""
    good = b"\n".join(b"%s: %s" % pair for pair in raw(made([*OWN, ("to", '["a","b"]')])))
    assert one_input(good)
    at = data.draw(st.integers(0, len(good)))
    piece = data.draw(st.binary(max_size=12) | st.sampled_from([b"\xff", b"\n", b'"', b"\\u0061", b"[" * 2000, b"XroadVnpt-systemid: x\n"]))
    one_input(good[:at] + piece + good[at + data.draw(st.integers(0, 12)) :])


def test_times_are_local_and_the_plus_is_milliseconds() -> None:
    assert vxp.parse_time("23112026T075102+0912") == NOW
    assert vxp.write_time(NOW) == "23112026T075102+0912"
    assert vxp.parse_time("23112026T075102") == NOW.replace(microsecond=0)
    for wrong in ("", "20261123T075102", "31022026T075102", "23112026T256102", "23112026T075102+07:00", "٢٣112026T075102", "00000000T000000"):
        with pytest.raises(BadRequest):
            vxp.parse_time(wrong)


def test_the_window_has_two_sides() -> None:
    for ahead in (timedelta(minutes=14), -timedelta(minutes=14)):
        vxp.check_window(NOW + ahead, NOW, vxp.WINDOW)
    for ahead in (timedelta(minutes=16), -timedelta(minutes=16)):
        with pytest.raises(StaleRequest):
            vxp.check_window(NOW + ahead, NOW, vxp.WINDOW)


@given(st.binary(min_size=1, max_size=40))
def test_both_renderings_of_a_digest(data: bytes) -> None:
    digest = hashlib.sha256(data).digest()
    assert vxp.same_digest(digest.hex(), digest) and vxp.same_digest(unpadded(digest), digest) and vxp.same_digest(digest.hex().upper(), digest)
    assert not vxp.same_digest(digest.hex()[:-1], digest) and not vxp.same_digest("", digest)
    assert not vxp.same_digest(unpadded(digest), hashlib.sha256(data + b"x").digest())


def test_a_digest_with_a_low_byte_by_known_text() -> None:
    digest = bytes.fromhex("01" * 16 + "ab" * 16)
    assert unpadded(digest) == "1" * 16 + "ab" * 16
    assert vxp.same_digest("1" * 16 + "ab" * 16, digest)


def test_recipients() -> None:
    assert vxp.recipients("") == () and vxp.recipients("H56.97") == ("H56.97",) and vxp.recipients("H56.97; 000.00.98.H56,") == ("H56.97", "000.00.98.H56")
    for wrong in ("[", "[1]", '[""]', "[" * 5000, '["a",{}]'):
        with pytest.raises(BadRequest):
            vxp.recipients(wrong)


def test_transport_states() -> None:
    assert vxp.state_of(State.QUEUED, "") == "initial" and vxp.state_of(State.QUEUED, "processing") == "processing"
    assert vxp.state_of(State.QUEUED, "done") == "initial"  # offered again after that
    assert {vxp.state_of(s, "processing") for s in (State.DELIVERED, State.ACKNOWLEDGED)} == {"done"}
    assert {vxp.state_of(s, "") for s in (State.FAILED, State.EXPIRED)} == {"fail"}
    # What had been taken before it was recalled stays done; a client that reads "fail" may send again.
    told = [("done", ""), ("", "03"), ("", ""), ("processing", "13")]
    assert [vxp.state_of(State.RECALLED, *said) for said in told] == ["done", "done", "fail", "fail"]


def test_answers() -> None:
    assert vxp.succeeded(DocId="1") == {"status": "OK", "ErrorCode": "0", "ErrorDesc": "", "DocId": "1"}
    refused = vxp.failed(errors.UnknownAgency("H56.404", place="MessageHeader/To[1]/OrganId"))
    assert (refused["status"], refused["ErrorCode"]) == ("FAIL", "18") and refused["ErrorDesc"].startswith("agency.unknown: ")
    assert "To[1]" in refused["ErrorDesc"] and "danh bạ" in refused["ErrorDesc"] and "directory" in refused["ErrorDesc"]
    assert "bí mật" not in vxp.failed(ExchangeError("bí mật"))["ErrorDesc"]


def test_lgsp_codes() -> None:
    expected = {
        "10": [errors.TooLarge(), errors.Secret(), errors.Conflict(), errors.NotFound()],
        "15": [errors.BadSecret(), errors.StaleRequest()],
        "18": [errors.UnknownAgency(place="MessageHeader/To[1]/OrganId"), errors.ClosedAgency(), errors.SucceededAgency()],
        "19": [errors.NotTheSender(), errors.UnknownAgency(place="MessageHeader/From/OrganId"), errors.LockedAgency(place="MessageHeader/From/OrganId")],
        "20": [errors.ExchangeError(), errors.CustodyError()],
        "21": [errors.DigestMismatch()],
        "22": [errors.NotXml(), errors.NotEdxml(), errors.MissingField(), errors.StatusError()],
        "23": [errors.LockedAgency(place="MessageHeader/To[1]/OrganId")],
    }
    for code, found in expected.items():
        assert {lgsp.answer_to(error).code for error in found} == {code}
    answer = lgsp.failed(errors.NotXml("dòng 1"))
    assert (answer["success"], answer["code"]) == (False, 22) and answer["data"]["errorCode"] == "22" and "envelope.not_xml" in answer["data"]["errorDesc"]


def test_lgsp_days_and_keys() -> None:
    since, until = lgsp.period("2026/11/20", "2026/11/20")
    assert since is not None and until is not None and until - since == timedelta(days=1) and since.utcoffset() == timedelta(hours=7)
    assert lgsp.period("", "") == (None, None)
    for same in ("20/11/2026", "2026-11-20", "20-11-2026", "2026/11/20 08:30:00", "2026-11-20T08:30:00.000Z", "20/11/2026 23:59"):
        assert lgsp.period(same, same) == (since, until)
    for wrong in ("11/20/2026", "2026/13/01", "x", "20/11/26", "2026/11/20 x"):
        with pytest.raises(BadRequest):
            lgsp.period(wrong, "")
    assert lgsp.check_key("khóa-thử", [("a", b"x"), ("b", "khóa-thử".encode())]) == "b"
    for given_key in ("", "khoa", "no secret"):
        with pytest.raises(BadSecret):
            lgsp.check_key(given_key, [])
        with pytest.raises(BadSecret):
            lgsp.check_key(given_key, [("a", b"x")])


def test_origin_says_how_without_the_secret() -> None:
    origin = Origin(Method.VXP_HMAC, "he.thong.01", "k1", "sendEdoc", "00" * 32, '{"a":"b"}', "ab" * 32)
    value = json.loads(origin.proof())
    assert value["method"] == "vxp-hmac" and value["mac"] == "ab" * 32 and len(origin.why("00" * 32)) <= 400
    assert origin_reasons(Method.SEAL) == () and origin_reasons(Method.LGSP_KEY)[0][0] == "Origin.lgsp-key"
    assert set(METHOD_TEXTS) == set(Method)
