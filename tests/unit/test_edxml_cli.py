"""`vanthu edxml`: inspect, lint and convert, for people and for programs; and our codes in other systems' words."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from exchange.cli import cli
from exchange.edxml.findings import WARNINGS
from exchange.edxml.read import read_package
from exchange.edxml.status import write_status
from exchange.edxml.write import write_package
from exchange.envelope import Header, Organ, Outgoing, ResponseFor, StatusMessage
from exchange.errors import EnvelopeError, every_error
from exchange.vocabularies import FAIL, LGSP, OK, BkavError, VxpAnswer, from_lgsp, to_bkav, to_lgsp, to_vxp

ROOT = Path(__file__).resolve().parents[2]


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["edxml", *map(str, arguments)])


@pytest.fixture
def good(tmp_path: Path) -> Path:
    file = tmp_path / "f.pdf"
    file.write_bytes(b"%PDF-1.7 van ban")
    header = Header(Organ("A.1", "Sở (mô phỏng)"), (Organ("B.1"),), "A.1,2026/11/20,1/QĐ", subject="V/v [bold]thử[/]", code_number="1", code_notation="QĐ")
    write_package(tmp_path / "p.edxml", header, [Outgoing("f.pdf", "", "application/pdf", file)])
    return tmp_path / "p.edxml"


def test_inspect_tells_people_and_programs(good: Path) -> None:
    told = run("inspect", good)
    assert told.exit_code == 0 and "Sở (mô phỏng)" in told.output and "[bold]thử[/]" in told.output and "Dạng D1" in told.output
    facts = json.loads(run("inspect", "--json", good).output)
    assert (facts["kind"], facts["dialect"], facts["header"]["document_id"]) == ("document", "D1", "A.1,2026/11/20,1/QĐ")
    assert "path" not in facts["attachments"][0] and facts["attachments"][0]["size"] == 16


def test_inspect_a_status(tmp_path: Path) -> None:
    path = tmp_path / "s.edxml"
    path.write_bytes(write_status(StatusMessage(Organ("B.1"), ResponseFor("A.1", "1/QĐ", "A.1,1"), "13", "Nhầm")))
    assert "Lấy lại" in run("inspect", path).output
    assert json.loads(run("inspect", "--json", path).output)["code"] == "13"
    told = json.loads(run("lint", "--json", path).output)
    assert [f["code"] for f in told["findings"]] == ["edxml.absent"] and not told["refused"]


def test_what_is_no_file_or_cannot_be_written_is_said(good: Path, tmp_path: Path) -> None:
    out = str(tmp_path / "out.edxml")
    for words in (("inspect", tmp_path), ("lint", tmp_path), ("convert", tmp_path, "-o", out), ("lint", tmp_path / "khong-co")):
        told = run(*words)
        assert told.exit_code == 2 and isinstance(told.exception, SystemExit) and "FILE" in told.output
    told = run("convert", good, "-o", tmp_path / "khong-co" / "out.edxml")
    assert told.exit_code == 1 and isinstance(told.exception, SystemExit) and "khong-co" in told.output
    assert not Path(out).exists()


def test_lint_exit_codes(good: Path, tmp_path: Path) -> None:
    assert run("lint", good).exit_code == 0
    assert run("lint", "--strict", good).exit_code == 1  # no date, no type
    bad = tmp_path / "bad.edxml"
    bad.write_bytes(good.read_bytes().replace(b"JVBERi", b"JVB!!!"))
    told = run("lint", "--json", "--words", "lgsp", bad)
    assert told.exit_code == 1
    (first, *_) = json.loads(told.output)["findings"]
    assert (first["code"], first["severity"], first["retry"], first["theirs"]) == ("envelope.damaged_attachment", "reject", False, "10")
    assert first["place"] == "AttachmentEncoded/Attachment[1]/ContentTransferEncoded"
    bad.write_bytes(b"1212" + good.read_bytes())
    assert json.loads(run("lint", "--json", bad).output)["findings"][0]["code"] == "envelope.not_xml"
    bad.write_bytes(good.read_bytes().replace(b"    <edXML:edXMLBody>", b"<edXML:edXMLBody x='1'>"))
    assert "edxml.schema" in run("lint", bad).output
    bad.write_bytes(good.read_bytes().replace(b"<edXML:Subject>", b"<edXML:Secret>M</edXML:Secret><edXML:Subject>"))
    assert "envelope.secret" in run("lint", bad).output and run("lint", bad).exit_code == 1
    empty = tmp_path / "empty.edxml"
    write_package(empty, Header(Organ("A.1"), (Organ("B.1"),), "A,1"), [])
    assert "envelope.no_document" in run("lint", empty).output


def test_convert_gives_the_reference_form(good: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.edxml"
    other.write_bytes(
        good.read_bytes()
        .replace(b"http://www.mic.gov.vn/TBT/QCVN_102_2016", b"http://www.e-doc.vn/Schema/")
        .replace(b"<edXML:Subject>", b"<edXML:Odd>gi</edXML:Odd><edXML:Subject>")
        .replace(b"\r\n", b"\n")
    )
    target = tmp_path / "converted.edxml"
    told = json.loads(run("convert", "--json", other, "-o", target).output)
    assert told["from"] == "D3" and told["left_out"] == [{"place": "MessageHeader/Odd", "text": "gi"}]
    assert target.read_bytes() == good.read_bytes()
    other.write_bytes(other.read_bytes().replace(b"JVBERi", b"JVB!!!"))
    assert isinstance(run("convert", other, "-o", tmp_path / "never.edxml").exception, EnvelopeError)
    assert not (tmp_path / "never.edxml").exists()


def test_findings_are_documented() -> None:
    page = (ROOT / "docs" / "edxml.md").read_text()
    assert [code for code in WARNINGS if f"`{code}`" not in page] == []
    for code, (vi, en) in WARNINGS.items():
        assert vi.endswith(".") and en.endswith(".") and vi != en, code
        assert code.startswith("edxml.")


def test_a_package_in_the_raw_keeps_its_text(good: Path, tmp_path: Path) -> None:
    good.write_bytes(good.read_bytes().replace(b"<edXML:Priority>0<", b"<edXML:Priority>kh\xe1\xba\xa9n<"))
    header = read_package(good, workdir=tmp_path).header
    assert header.priority == 0 and header.raw_text("MessageHeader/OtherInfo/Priority") == "khẩn"


@pytest.mark.parametrize(
    ("code", "place", "wanted"),
    [
        ("envelope.missing_field", "MessageHeader/To", "N.MessageHeader.To"),
        ("edxml.absent", "MessageHeader/Subject", "N.MessageHeader.Subject"),
        ("envelope.missing_field", "MessageHeader/From/OrganId", "N.MessageHeaderFromOrganId"),
        ("edxml.length", "MessageHeader/OtherInfo/TyperNotation", "R.MessageHeader.OtherInfo.TyperNotation"),
        ("edxml.length", "MessageHeader/ToPlaces/Place[2]", "R.MessageHeader.ToPlace.Place"),
        ("edxml.length", "AttachmentEncoded/Attachment[1]/AttachmentName", "R.AttachmentName"),
        ("edxml.code_list", "MessageHeader/DocumentType/Type", "M.MessageHeader.DocumentType.Type"),
        ("edxml.value", "MessageHeader/PromulgationInfo/PromulgationDate", "PromulgationDate"),
        ("edxml.repeated_recipient", "MessageHeader/To[2]/OrganId", "MessageHeader.To.OrganId"),
        ("edxml.type_mismatch", "", "M.Attachment-Type"),
        ("envelope.damaged_attachment", "x", "M.Attachment-Encoding"),
        ("envelope.conflict", "MessageHeader/DocumentId", "ExistDoc"),
        ("signature.invalid", "", "CheckSignature"),
        ("status.unknown_document", "", "M.UpdateStatusDoc"),
        ("request.invalid", "", "BadRequest"),
        ("internal", "", "9999"),
        ("", "", "0"),
    ],
)
def test_bkav_words(code: str, place: str, wanted: str) -> None:
    assert to_bkav(code, place).code == wanted
    assert to_bkav("", "x") == BkavError("0", "")


@pytest.mark.parametrize(
    ("code", "wanted", "retry"),
    [
        ("", "0", False),
        ("envelope.not_xml", "22", False),
        ("envelope.too_large", "10", False),
        ("access.not_authenticated", "15", False),
        ("access.not_the_sender", "19", False),
        ("agency.unknown", "18", False),
        ("agency.succeeded", "18", False),
        ("agency.locked", "23", False),
        ("envelope.digest_mismatch", "21", False),
        ("custody.failed", "20", True),
        ("internal", "20", True),
    ],
)
def test_lgsp_words(code: str, wanted: str, retry: bool) -> None:
    answer = to_lgsp(code)
    assert (answer.code, answer.retry) == (wanted, retry)


WORDS = {
    "access.bad_secret": ("15", "CheckPermission"),
    "access.not_authenticated": ("15", "Permission"),
    "access.not_the_sender": ("19", "CheckPermission"),
    "agency.closed": ("18", "M.MessageHeader.To.OrganId"),
    "agency.locked": ("23", "M.MessageHeader.To.OrganId"),
    "agency.succeeded": ("18", "M.MessageHeader.To.OrganId"),
    "agency.unknown": ("18", "M.MessageHeader.To.OrganId"),
    "change.not_allowed": ("10", "BadRequest"),
    "client.unreachable": ("20", "BadRequest"),
    "config.invalid": ("20", "9999"),
    "custody.failed": ("20", "9999"),
    "delivery.state": ("20", "9999"),
    "edxml.future_date": ("20", "PromulgationDate"),
    "edxml.repeated_recipient": ("20", "MessageHeader.To.OrganId"),
    "edxml.type_mismatch": ("20", "M.Attachment-Type"),
    "envelope.conflict": ("10", "ExistDoc"),
    "envelope.damaged_attachment": ("10", "M.Attachment-Encoding"),
    "envelope.digest_mismatch": ("21", "BadRequest"),
    "envelope.duplicate_number": ("10", "ExistDoc"),
    "envelope.invalid": ("22", "BadRequest"),
    "envelope.missing_attachment": ("10", "N.Attachment"),
    "envelope.no_document": ("10", "N.Attachment"),
    "envelope.not_xml": ("22", "BadRequest"),
    "envelope.secret": ("10", "Permission"),
    "envelope.too_large": ("10", "BadRequest"),
    "internal": ("20", "9999"),
    "not_found": ("10", "BadRequest"),
    "request.invalid": ("22", "BadRequest"),
    "request.too_slow": ("20", "BadRequest"),
    "seal.refused": ("10", "CheckSignature"),
    "signature.invalid": ("10", "CheckSignature"),
    "status.invalid": ("22", "MessageHeader.StatusCode"),
    "status.unknown_document": ("22", "M.UpdateStatusDoc"),
    "store.newer": ("20", "9999"),
}
"""One code of every row of the tables: the number of guide v2.2 (and of VXP) and the BKAV word (edxml.md 5)."""


@pytest.mark.parametrize("code", WORDS)
def test_each_row_of_the_tables(code: str) -> None:
    assert (to_lgsp(code).code, to_bkav(code).code) == WORDS[code]
    assert to_vxp(code).error_code == WORDS[code][0] and to_lgsp(code).retry is (WORDS[code][0] == "20")


@pytest.mark.parametrize(
    ("code", "letter"),
    [("envelope.missing_field", "N"), ("edxml.absent", "N"), ("edxml.empty", "N"), ("envelope.invalid_field", "M"), ("edxml.code_list", "M")]
    + [("edxml.email", "M"), ("edxml.organ_code", "M"), ("edxml.length", "R"), ("edxml.value", "T")],
)
def test_each_letter_of_bkav(code: str, letter: str) -> None:
    assert to_bkav(code, "MessageHeader/OtherInfo/Priority").code == f"{letter}.MessageHeader.OtherInfo.Priority"


def test_numbers_of_a_partner_in_our_words() -> None:
    ours = {"10": "envelope.invalid", "15": "access.not_authenticated", "18": "agency.unknown", "19": "access.not_the_sender", "20": "internal"}
    ours |= {"0": "", "21": "envelope.invalid", "22": "envelope.invalid", "23": "agency.locked"}
    assert {number: from_lgsp(number)[0] for number in LGSP} == ours


def test_every_error_has_words_everywhere() -> None:
    codes = {e.code for e in every_error()}
    for code in codes:
        assert to_lgsp(code).code in LGSP and to_lgsp(code).code != "0"
        assert to_bkav(code).code != "0" and to_vxp(code).status == FAIL
    assert to_vxp("") == VxpAnswer(OK, "0", "")
    assert to_vxp("agency.unknown", "Không có.", "MessageHeader/To[1]") == VxpAnswer(FAIL, "18", "agency.unknown: Không có. [MessageHeader/To[1]]")
    for code in LGSP:
        ours, retry = from_lgsp(code)
        assert (ours in codes or code == "0") and retry is (code == "20")
    assert from_lgsp("99") == ("internal", True)
