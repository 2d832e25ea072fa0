"""Hostile status messages, VXP headers, receipts and evidence containers: a clear refusal, never another exception."""

from __future__ import annotations

import io
import json
import tempfile
import time
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.edxml.status import read_status, write_status
from exchange.envelope import Organ, ResponseFor, StatusMessage
from exchange.errors import BadRequest, EnvelopeError, ForbiddenXml, InvalidField, MissingField, NotEdxml, NotXml, TooLarge
from exchange.profiles import vxp
from exchange.web.vxp_auth import json_object
from signing.container import Container, write_container
from signing.errors import EvidenceInvalid, SigningError
from signing.receipt_check import check_receipt
from signing.trust import Trust
from tests.evidence_material import Made, make_evidence
from tests.fuzz import container as container_target
from tests.house import Pki

NOW = datetime(2026, 11, 20, 3, 0, tzinfo=UTC)
STATUS = write_status(StatusMessage(Organ("B.1", "Cơ quan (mô phỏng)"), ResponseFor("A.1", "1/QĐ", "A.1,1", "2026/11/20"), "01", "Đã nhận", NOW))
DECLARATION = b'<?xml version="1.0" encoding="UTF-8"?>'
CODE = b"<edXML:StatusCode>"


@pytest.mark.parametrize(
    ("old", "new", "kind"),
    [
        (DECLARATION, DECLARATION + b'<!DOCTYPE x SYSTEM "file:///etc/passwd">', ForbiddenXml),
        (DECLARATION, DECLARATION + b'<!DOCTYPE x [<!ENTITY a "aaaa">]>', ForbiddenXml),
        (DECLARATION, DECLARATION + b"<?x?>", ForbiddenXml),
        (CODE, b'<xi:include href="file:///etc/passwd"/>' + CODE, ForbiddenXml),
        (CODE, CODE + b"&xxe;", NotXml),
        (b"UTF-8", b"UTF-16", NotXml),
        (b"UTF-8", b"ISO-8859-1", NotXml),
        (DECLARATION, b"1212" + DECLARATION, NotXml),
        (CODE, CODE + b"\x00", NotXml),
        (CODE, CODE + b"\xed\xa0\x80", NotXml),
        (CODE, CODE + b"&#xD800;", NotXml),
        (CODE, CODE + b"0<!-- x -->", InvalidField),
        (CODE, CODE + b"06</edXML:StatusCode>" + CODE, InvalidField),
        (CODE, b"<edXML:STATUSCODE>06</edXML:STATUSCODE>" + CODE, InvalidField),
        (CODE, b'<edXML:StatusCode xmlns:edXML="urn:x">', MissingField),
        (b"http://www.mic.gov.vn/TBT/QCVN_102_2016", b"http://example.vn/other", NotEdxml),
        (CODE, b"<a>" * 100_000 + CODE, TooLarge),
        (CODE, b"<a/>" * 1_000_000 + CODE, TooLarge),
        (CODE, b"x" * 900_000 + CODE, TooLarge),
        (CODE, b"<ContentTransferEncoded>QUJD</ContentTransferEncoded>" + CODE, TooLarge),
        (b"<edXML:ResponseFor>", b"<edXML:ResponseFor/><edXML:ResponseFor>", InvalidField),
        (b"<edXML:OrganId>B.1</edXML:OrganId>", b"", MissingField),
    ],
)
def test_a_hostile_status_is_refused_with_its_code(old: bytes, new: bytes, kind: type[EnvelopeError]) -> None:
    assert old in STATUS
    start = time.process_time()
    with pytest.raises(kind) as caught:
        read_status(STATUS.replace(old, new) if old.startswith(b"http") else STATUS.replace(old, new, 1))
    assert caught.value.place and caught.value.code.startswith("envelope.")
    assert time.process_time() - start < 2


def test_a_status_cut_at_every_fiftieth() -> None:
    for part in range(50):
        with pytest.raises(EnvelopeError):
            read_status(STATUS[: len(STATUS) * part // 50])
    assert read_status(b"\xef\xbb\xbf" + STATUS).code == "01"


def headers(**changed: str) -> list[tuple[bytes, bytes]]:
    own = [("systemid", "he.thong.01"), ("servicetype", "eDoc"), ("to", '["B.1"]'), ("timestamp", "20112026T100000+0001")]
    made = vxp.sign(b"khoa-mo-phong", own)
    return [(name.encode(), value.encode()) for name, value in {**made, **changed}.items()]


SIGNED = dict(headers())[b"XroadVnpt-sign-header"].decode()


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        "{" * 100_000,
        '{"a":' * 5000 + "1" + "}" * 5000,
        SIGNED[:-1] + ',"XroadVnpt-to":"C.1"}',
        SIGNED[:-1] + ',"xroadvnpt-TO":"C.1"}',
        SIGNED[:-1] + ',"XroadVnpt-more":null}',
        SIGNED.replace("B.1", "B.1\\u0000"),
        SIGNED.replace("B.1", "\\ud800"),
        SIGNED.replace("{", "{\x00", 1),
        SIGNED.replace('"he.thong.01"', "1e999"),
        SIGNED.replace('"he.thong.01"', "9" * 5000),
        "\ufeff" + SIGNED,
        "NaN",
        '""',
        "{}",
        SIGNED + SIGNED,
        SIGNED + " " * 40_000,
    ],
)
def test_hostile_sign_headers(text: str) -> None:
    assert vxp.read_call(headers()).get("to") == '["B.1"]'
    with pytest.raises(BadRequest):
        vxp.read_call(headers(**{"XroadVnpt-sign-header": text}))


def test_headers_cut_at_every_fiftieth_and_in_other_encodings() -> None:
    good = headers()
    for place, (name, value) in enumerate(good):
        if name == b"XroadVnpt-version":
            continue  # not signed, and not read
        for part in range(50):
            cut = value[: len(value) * part // 50]
            changed = [*good[:place], (name, cut), *good[place + 1 :]]
            try:
                call = vxp.read_call(changed)
            except BadRequest:
                continue
            assert name == b"XroadVnpt-hash-header" and vxp.mac_of(b"khoa-mo-phong", call.signed).encode() != cut
        for odd in (value.decode().encode("utf-16"), value + b"\xff", value + b"\xed\xa0\x80"):
            with pytest.raises(BadRequest):
                vxp.read_call([*good[:place], (name, odd), *good[place + 1 :]])
    for more in ([good[0]], [(b"xroadvnpt-%d" % n, b"") for n in range(100)], [(b"XROADVNPT-TO", b'["C.1"]')]):
        with pytest.raises(BadRequest):
            vxp.read_call([*good, *more])


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"\xff", b'{"a":1,"a":2}', b'{"x":{"a":1,"a":1}}', b"[" * 100_000, b'{"a":' * 50_000, b"{} {}"])
def test_hostile_json(body: bytes) -> None:
    with pytest.raises(BadRequest):
        json_object(body)
    assert json_object(b'{"a":{"a":1}}') == {"a": {"a": 1}}


@pytest.fixture(scope="module")
def made(pki: Pki, tmp_path_factory: pytest.TempPathFactory) -> Made:
    return make_evidence(pki, tmp_path_factory.mktemp("hostile"), statuses=("01",))


def test_an_evidence_file_cut_at_every_fiftieth(made: Made, tmp_path: Path) -> None:
    data = made.digests.read_bytes()
    path = tmp_path / "cut.asice"
    for part in range(50):
        path.write_bytes(data[: len(data) * part // 50])
        with pytest.raises(EvidenceInvalid):
            made.check(path)
        path.write_bytes(data[len(data) * (part + 1) // 50 :])  # and its other half
        with pytest.raises(EvidenceInvalid):
            made.check(path)


NAMES = ["../x", "/etc/passwd", "a/../../x", "a//b", "..", "C:\\x", "a\\b", "a\u202eb", "a\nb", "./a", "a/", "\ufeffa", "a\u2028b"]


@pytest.mark.parametrize("name", NAMES)
def test_names_in_a_container(tmp_path: Path, name: str) -> None:
    path = tmp_path / "named.asice"
    write_container(path, [(name, b"x")], at=NOW)
    with pytest.raises(EvidenceInvalid):
        Container.open(path)
    write_container(path, [("a/b.xml", b"x")], at=NOW)
    with Container.open(path) as good:
        assert good.read("a/b.xml") == b"x"


def bomb(compression: int, **info: int) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as archive:
        archive.writestr("mimetype", b"application/vnd.etsi.asic-e+zip", zipfile.ZIP_STORED)
        archive.writestr("a", bytes(30_000_000))
    data = bytearray(out.getvalue())
    at = data.rindex(b"PK\x01\x02")
    for field, value in info.items():
        place, size = {"size": (24, 4), "packed": (20, 4), "offset": (42, 4), "flags": (8, 2)}[field]
        data[at + place : at + place + size] = value.to_bytes(size, "little")
    return bytes(data)


@pytest.mark.parametrize(
    "data",
    [
        bomb(zipfile.ZIP_DEFLATED),
        bomb(zipfile.ZIP_BZIP2),
        bomb(zipfile.ZIP_LZMA),
        bomb(zipfile.ZIP_DEFLATED, size=10, packed=10),
        bomb(zipfile.ZIP_DEFLATED, offset=0),  # overlapping members
        bomb(zipfile.ZIP_DEFLATED, flags=1),  # encrypted
        b"PK\x05\x06" + bytes(18),
        b"PK\x05\x06" + b"\xff" * 18,
        b"",
        b"\x00" * 1000,
    ],
)
def test_zip_bombs_and_overlaps(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "bomb.asice"
    path.write_bytes(data)
    start = time.process_time()
    with pytest.raises(EvidenceInvalid):
        Container.open(path)
    assert time.process_time() - start < 0.5


def test_ten_thousand_members_and_two_of_one_name(tmp_path: Path) -> None:
    path = tmp_path / "many.asice"
    write_container(path, [(f"m{n}", b"") for n in range(10_001)], at=NOW)
    with pytest.raises(EvidenceInvalid):
        Container.open(path)
    with pytest.warns(UserWarning, match="Duplicate name"):
        write_container(path, [("a", b"1"), ("a", b"2")], at=NOW)
    with pytest.raises(EvidenceInvalid, match="two entries"):
        Container.open(path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@settings(max_examples=60)
@given(st.lists(st.tuples(st.text(min_size=1, max_size=8), st.binary(max_size=20)), max_size=4), st.integers(-80, 80), st.binary(max_size=6))
def test_any_container_changed_anywhere(members: list[tuple[str, bytes]], where: int, what: bytes) -> None:
    lines = [name.replace("=", "").replace("\n", "").encode("utf-8", "replace") + b"=" + body.replace(b"\n", b"") for name, body in members]
    recipe = b"\n".join([*lines, b"@%d=" % where + what.hex().encode()])
    with tempfile.TemporaryDirectory() as folder:
        container_target.one_input(recipe, Path(folder))


RECEIPT = {"v": 1, "envelope": "e", "event": "x", "index": 1, "evidence": "PGE+", "seal": "AA==", "leaf": "e30=", "proof": "p"}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"\xff",
        b"[" * 100_000,
        b'{"v":' * 50_000,
        json.dumps(RECEIPT).encode()[:-1] + b', "index": 2}',
        json.dumps(RECEIPT).replace('"index": 1', '"index": 1e999').encode(),
        json.dumps(RECEIPT).replace('"index": 1', '"index": ' + "9" * 5000).encode(),
        json.dumps({**RECEIPT, "seal": "\ud800"}).encode(),
        json.dumps({**RECEIPT, "leaf": [1]}).encode(),
        json.dumps({**RECEIPT, "proof": "c2sp.org/tlog-proof@v1\nindex 99999999999999999999\n\n"}).encode(),
        json.dumps({**RECEIPT, "evidence": "x" * 1_000_001}).encode(),
        *(json.dumps(RECEIPT).encode()[: part * 3] for part in range(50)),
    ],
)
def test_hostile_receipts(data: bytes) -> None:
    with pytest.raises(SigningError):
        check_receipt(data, trust=Trust(()), vkeys=[], at=NOW)


@pytest.mark.parametrize(("at", "value"), [(6, 90), (10, 99)])
def test_a_zip_that_wants_a_newer_reader_is_refused(tmp_path: Path, at: int, value: int) -> None:
    """A version or a method of compression that the library does not know, in the central directory."""
    path = tmp_path / "newer.asice"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mimetype", "application/vnd.etsi.asic-e+zip")
    data = bytearray(path.read_bytes())
    central = data.index(b"PK\x01\x02")
    data[central + at : central + at + 2] = value.to_bytes(2, "little")
    path.write_bytes(data)
    with pytest.raises(EvidenceInvalid):
        Container.open(path)
