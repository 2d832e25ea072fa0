"""Whatever is written in the reference dialect is read as it was, to the last field; and any bytes get an answer or a refusal."""

from __future__ import annotations

import tempfile
import unicodedata
from datetime import date, datetime
from importlib.resources import files as data_files
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st
from lxml import etree

from exchange.edxml.read import read_package
from exchange.edxml.status import VIETNAM, read_status, write_status
from exchange.edxml.values import parse_timestamp
from exchange.edxml.write import write_package
from exchange.envelope import (
    Business,
    Header,
    Kind,
    Organ,
    Outgoing,
    Priority,
    ReceiverChange,
    Replacement,
    ResponseFor,
    Staff,
    StatusMessage,
    Trace,
    safe_name,
)
from exchange.vocabularies import to_bkav, to_lgsp, to_vxp


def normal(text: str) -> str:
    return unicodedata.normalize("NFC", " ".join(text.split()))


SCHEMA = etree.XMLSchema(etree.fromstring((data_files("schemas") / "edxml.xsd").read_bytes()))
ALPHABET = st.characters(blacklist_categories=("Cs", "Cc", "Cn", "Co"))
WORDS = st.one_of(st.text(ALPHABET, max_size=25), st.sampled_from(["", "V/v <a> & 'b' \"c\"", "]]>", "&amp;", "Số 12/QĐ‑UBND", "<!-- -->"])).map(normal)
SOME = WORDS.filter(bool)
CODES = st.from_regex(r"[0-9A-Z]{1,3}(\.[0-9A-Z]{1,3}){1,3}", fullmatch=True)
DAYS = st.dates(date(1990, 1, 1), date(2100, 12, 31))
SMALL = st.none() | st.integers(0, 65535)
ORGANS = st.builds(Organ, code=CODES, name=WORDS, in_charge=WORDS, address=WORDS, email=WORDS, telephone=WORDS, fax=WORDS, website=WORDS)
STAFF = st.none() | st.builds(Staff, department=SOME, staff=WORDS, email=WORDS, mobile=WORDS)
ABOUT = st.builds(ResponseFor, organ=SOME, code=WORDS, document_id=WORDS, promulgation_date=DAYS.map(lambda d: f"{d:%Y/%m/%d}"))
MOMENTS = st.datetimes(datetime(1990, 1, 1), datetime(2100, 12, 30)).map(lambda t: t.replace(microsecond=0, tzinfo=VIETNAM))
TRACES = st.builds(Trace, organ=CODES, timestamp=MOMENTS.map(lambda t: f"{t:%Y/%m/%d %H:%M:%S}"))


def several(strategy: st.SearchStrategy[str]) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(strategy, max_size=3).map(tuple)


BUSINESS = st.builds(
    Business,
    kind=st.sampled_from(Kind),
    document_id=WORDS,
    reason=WORDS,
    paper=st.booleans(),
    content_changed=st.none() | st.booleans(),
    receivers_changed=st.none() | st.booleans(),
    receivers=st.lists(st.builds(ReceiverChange, organ=CODES, added=st.booleans()), max_size=2).map(tuple),
    replacements=st.lists(st.builds(Replacement, document_id=SOME, organs=several(CODES)), max_size=2).map(tuple),
    staff=STAFF,
)
HEADERS = st.builds(
    Header,
    sender=ORGANS,
    recipients=st.lists(ORGANS, min_size=1, max_size=3).map(tuple),
    document_id=SOME,
    subject=WORDS,
    code_number=WORDS,
    code_notation=WORDS,
    place=WORDS,
    promulgation_date=st.none() | DAYS,
    type_group=SMALL,
    type_detail=SMALL,
    type_name=WORDS,
    content=WORDS,
    competence=WORDS,
    position=WORDS,
    full_name=WORDS,
    due_date=st.none() | DAYS,
    priority=st.sampled_from(Priority),
    sphere=WORDS,
    typer_notation=WORDS,
    amount=SMALL,
    pages=SMALL,
    direction=st.none() | st.booleans(),
    appendixes=several(SOME),
    responses_for=st.lists(ABOUT, max_size=2).map(tuple),
    steering_type=st.none() | st.integers(0, 255),
    to_places=several(SOME),
    reply_fors=several(SOME),
    reference_codes=several(SOME),
    task_codes=several(SOME),
    application_type=WORDS,
    business=BUSINESS,
    traces=st.lists(TRACES, max_size=2).map(tuple),
)


@settings(max_examples=70, deadline=None)
@given(HEADERS, st.lists(st.tuples(SOME, WORDS, st.binary(min_size=1, max_size=300)), max_size=3))
def test_what_is_written_is_read(header: Header, files: list[tuple[str, str, bytes]]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        outgoing = []
        for number, (title, description, body) in enumerate(files):
            path = folder / f"{number}.pdf"
            path.write_bytes(b"%PDF-" + body)
            outgoing.append(Outgoing(title, description, "application/pdf", path))
        first = write_package(folder / "a.edxml", header, outgoing)
        SCHEMA.assertValid(etree.parse(str(folder / "a.edxml")))
        package = read_package(folder / "a.edxml", workdir=folder)
        assert package.header == header
        assert not package.extensions and not package.rejects
        assert [(a.name, a.description, a.path.read_bytes()) for a in package.attachments if a.path] == [(t, d, b"%PDF-" + b) for t, d, b in files]
        again = [Outgoing(a.name, a.description, a.declared_type, a.path, a.content_id) for a in package.attachments if a.path]
        assert write_package(folder / "b.edxml", package.header, again) == first


@settings(max_examples=120, deadline=None)
@given(st.builds(StatusMessage, sender=ORGANS, response_for=ABOUT, code=st.sampled_from(["01", "13", "16"]), description=WORDS, staff=STAFF), MOMENTS)
def test_a_status_is_read_as_written(message: StatusMessage, at: datetime) -> None:
    sent = StatusMessage(message.sender, message.response_for, message.code, message.description, at, f"{at:%Y/%m/%d %H:%M:%S}", message.staff)
    assert read_status(write_status(sent)) == sent


@given(st.text(max_size=40))
def test_a_moment_or_nothing(text: str) -> None:
    found = parse_timestamp(text)
    assert found is None or (found.tzinfo is not None and 1990 <= found.year <= 2100)


@given(st.text(max_size=300) | st.text("./\\ :a\u202e", max_size=12))
@example(".bashrc")
@example("a/..")
@example("x." + "y" * 300)
def test_a_safe_name_is_one_and_stays_one(text: str) -> None:
    name = safe_name(text)
    assert "/" not in name and "\\" not in name and name not in (".", "..") and not name.startswith(".") and len(name.encode()) <= 200
    assert not any(unicodedata.category(c)[0] == "C" for c in name)
    assert safe_name(name) == name


@given(st.from_regex(r"[a-z_]{1,12}(\.[a-z_]{1,12})?", fullmatch=True), st.text(max_size=30))
def test_every_code_has_words_elsewhere(code: str, place: str) -> None:
    assert to_lgsp(code).code != "0" and to_vxp(code, place=place).status == "FAIL" and to_bkav(code, place).code != "0"
