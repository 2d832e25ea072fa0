"""Reading and writing the reference dialect; samples are used when they are present."""

from __future__ import annotations

import unicodedata
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.edxml.read import parse_date, read_package
from exchange.edxml.status import read_status, write_status
from exchange.edxml.write import write_package
from exchange.envelope import Business, Header, Kind, Organ, Outgoing, Priority, ReceiverChange, Replacement, ResponseFor, Staff, StatusMessage, Trace
from exchange.errors import ExchangeError

SAMPLES = Path(__file__).resolve().parents[2].parent / "shared" / "samples" / "edxml"
KINDS = {"new": Kind.NEW, "revocation": Kind.RECALL, "update": Kind.UPDATE, "replacement": Kind.REPLACE}


def samples(folder: str, pattern: str) -> list[Path]:
    return sorted((SAMPLES / folder).glob(pattern)) or [Path("absent")]


@pytest.mark.parametrize("path", samples("reference", "oracle_edoc_*.edxml"), ids=lambda p: p.stem)
def test_reference_documents(path: Path, tmp_path: Path) -> None:
    if not path.exists():
        pytest.skip("the reference samples are not beside this checkout")
    package = read_package(path, workdir=tmp_path)
    header = package.header
    assert header.business.kind is KINDS[path.stem.rsplit("_", 1)[-1]]
    assert [o.code for o in header.recipients] == ["000.00.98.H56", "H56.97"]
    assert (header.code_number, header.code_notation, header.promulgation_date) == ("125", "QĐ-UBND", date(2026, 11, 20))
    assert header.subject == "V/v thử nghiệm <liên thông> & ký số"
    assert [a.media_type for a in package.attachments] == ["application/pdf", "text/plain", "application/zip"]
    assert not package.findings
    outgoing = [Outgoing(a.name, a.description, a.declared_type, a.path, a.content_id) for a in package.attachments if a.path]
    write_package(tmp_path / "ours.edxml", header, outgoing)
    ours, theirs = (tmp_path / "ours.edxml").read_bytes().split(b"\r\n"), path.read_bytes().split(b"\r\n")
    # The library's manifest says application/zip of everything; ours says what the attachment says.
    assert len(ours) == len(theirs)
    assert all(b"ContentType" in a for a, b in zip(ours, theirs, strict=True) if a != b)


@pytest.mark.parametrize("path", samples("reference", "oracle_status_*.edxml"), ids=lambda p: p.stem)
def test_reference_statuses(path: Path) -> None:
    if not path.exists():
        pytest.skip("the reference samples are not beside this checkout")
    message = read_status(path.read_bytes())
    assert message.code == path.stem[-2:]
    assert (message.sender.code, message.response_for.organ) == ("000.00.98.H56", "000.00.99.H56")
    assert write_status(message) == path.read_bytes()


@pytest.mark.parametrize("path", samples("variants", "*.edxml"), ids=lambda p: p.stem)
def test_variants(path: Path, tmp_path: Path) -> None:
    if not path.exists():
        pytest.skip("the variant samples are not beside this checkout")
    refused = {"edoc_doctype": "envelope.forbidden_xml", "edoc_no_attachments": "envelope.missing_attachment"}
    if path.stem in refused:
        with pytest.raises(ExchangeError) as caught:
            read_package(path, workdir=tmp_path)
        assert caught.value.code == refused[path.stem]
    else:
        assert len(read_package(path, workdir=tmp_path).attachments) == 3


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026/11/20", date(2026, 11, 20)),
        ("20/11/2026", date(2026, 11, 20)),
        ("2026-11-20", date(2026, 11, 20)),
        ("2026-11-20T08:30:00+07:00", date(2026, 11, 20)),
        ("2014/02/30", None),
        ("20/11/26", None),
        ("1212", None),
    ],
)
def test_dates(text: str, expected: date | None) -> None:
    assert parse_date(text) == expected


words = st.text(st.characters(blacklist_categories=("Cs", "Cc", "Cn", "Co")), max_size=40).map(lambda t: " ".join(t.split()))
codes = st.from_regex(r"[0-9A-Z]{1,3}(\.[0-9A-Z]{1,3}){1,3}", fullmatch=True)
organs = st.builds(Organ, code=codes, name=words, in_charge=words)


@settings(max_examples=40, deadline=None)
@given(
    sender=organs,
    recipients=st.lists(organs, min_size=1, max_size=3),
    subject=words,
    number=words,
    priority=st.sampled_from(list(Priority)),
    appendixes=st.lists(words.filter(bool), max_size=2),
    body=st.binary(min_size=1, max_size=5000),
)
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory,
    sender: Organ,
    recipients: list[Organ],
    subject: str,
    number: str,
    priority: Priority,
    appendixes: list[str],
    body: bytes,
) -> None:
    folder = tmp_path_factory.mktemp("x")
    header = nfc_header(sender, recipients, subject, number, priority, appendixes)
    file = folder / "f.bin"
    file.write_bytes(b"%PDF-" + body)
    write_package(folder / "p.edxml", header, [Outgoing("a.pdf", "d", "application/pdf", file)])
    package = read_package(folder / "p.edxml", workdir=folder)
    assert package.header == header
    assert package.attachments[0].path is not None
    assert package.attachments[0].path.read_bytes() == file.read_bytes()


def nfc_header(sender: Organ, recipients: list[Organ], subject: str, number: str, priority: Priority, appendixes: list[str]) -> Header:

    def n(text: str) -> str:
        return unicodedata.normalize("NFC", text)

    def organ(o: Organ) -> Organ:
        return Organ(o.code, n(o.name), n(o.in_charge))

    return Header(
        sender=organ(sender),
        recipients=tuple(map(organ, recipients)),
        document_id="A,2026/11/20,1/QĐ",
        subject=n(subject),
        code_number=n(number),
        promulgation_date=date(2026, 11, 20),
        priority=priority,
        direction=False,
        appendixes=tuple(map(n, appendixes)),
        responses_for=(ResponseFor("B", "2/CV", "B,2026/11/01,2/CV", "2026/11/01"),),
        business=Business(
            Kind.UPDATE,
            "A,2026/11/10,1/QĐ",
            "vì",
            content_changed=True,
            receivers_changed=True,
            receivers=(ReceiverChange("C", True), ReceiverChange("D", False)),
            replacements=(Replacement("A,1", ("C",)),),
            staff=Staff("VT", "B", "b@example.vn", "09"),
        ),
        traces=(Trace("A", "2026/11/20 08:30:00"),),
    )


def test_status_round_trip() -> None:
    message = StatusMessage(Organ("B"), ResponseFor("A", "1/QĐ", "A,1", "2026/11/20"), "02", "Sai địa chỉ & thiếu <tệp>", timestamp_raw="")
    assert read_status(write_status(message)).description == message.description
