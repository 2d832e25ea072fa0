"""Parts of the evidence file: manifest, embedded files, header facts, statutory items, reasons."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.custody import NEGATIVE, Entry, Event, leaf_bytes
from exchange.errors import CustodyError, every_error
from exchange.event_reasons import REASON_TEXTS, ReasonCode, event_reasons, refusal_reason, split_why, why
from exchange.origin import Method, Origin
from signing.errors import EvidenceInvalid
from signing.evidence.edxml_facts import read_facts
from signing.evidence.embedded import carried_digests
from signing.evidence.instructions import commands, verify_text
from signing.evidence.manifest import read_manifest, write_manifest
from signing.evidence.statutory import ITEM_NAMES, ITEMS, Kept, Signed, statutory_items
from signing.reason_words import reason_words
from signing.reasons import CATALOGUE
from signing.reasons_of_evidence import EVIDENCE
from signing.trust import Trust
from tests.house import Pki


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


# -- files in a package ----------------------------------------------------------


@settings(max_examples=100)
@given(files=st.lists(st.binary(min_size=18, max_size=300), max_size=4), size=st.integers(1, 400), width=st.sampled_from([0, 4, 7, 76]))
def test_every_base64_text_is_found_however_it_comes(files: list[bytes], size: int, width: int) -> None:
    def text(data: bytes) -> bytes:
        line = base64.b64encode(data)
        return line if not width else b"\r\n".join(line[i : i + width] for i in range(0, len(line), width))

    package = b"<a>" + b"".join(b"<b>" + text(f) + b"</b>" for f in files) + b"</a>"
    assert carried_digests(pieces(package, size)) >= {hashlib.sha256(f).digest() for f in files}


def test_only_whole_texts_count() -> None:
    data = b"a document of some length, long enough"
    encoded = base64.b64encode(data)
    digest = hashlib.sha256(data).digest()
    assert digest in carried_digests([b"<a>" + encoded + b"</a>"])
    for package in (
        b"<a>" + encoded + b"!</a>",
        b"<a>" + encoded[:-4] + b"<b/>" + encoded[-4:] + b"</a>",
        b'<a x="' + encoded + b'"/>',
        b"<a>" + encoded + encoded + b"</a>",
        b"<a>" + encoded,
        b"",
    ):
        assert digest not in carried_digests([package]), package


# -- the manifest ----------------------------------------------------------------


def test_manifests_round_trip() -> None:
    files = [("documents/a & b.pdf", "application/pdf", hashlib.sha256(b"a").digest()), ('x"y', "text/plain", hashlib.sha256(b"b").digest())]
    read = read_manifest(write_manifest(files, signature="META-INF/s.p7s", mime="x/y"), "m")
    assert read.signature == "META-INF/s.p7s" and read.files == tuple((n, d) for n, _, d in files)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"xmlenc#sha256", b"xmldsig#sha1"),
        (b"asic:SigReference", b"asic:Other"),
        (b'URI="b"', b'URI="a"'),
        (b'URI="b"', b'URI=""'),
        (b"<ds:DigestMethod", b"<ds:Other"),
        (b"<?xml", b"<!DOCTYPE a []><?xml"),
        (b"ASiCManifest", b"ASiCOther"),
        (b"<asic:DataObjectReference", b"<asic:Extra"),
    ],
)
def test_other_manifests_are_refused(old: bytes, new: bytes) -> None:
    made = write_manifest([("a", "x/y", bytes(32)), ("b", "x/y", bytes(32))], signature="s", mime="x/y")
    assert old in made
    with pytest.raises(EvidenceInvalid):
        read_manifest(made.replace(old, new), "m")


# -- header facts ----------------------------------------------------------------


def test_facts_of_a_header() -> None:
    xml = (
        b'<e:E xmlns:e="u"><e:MessageHeader><e:From><e:OrganId>A</e:OrganId></e:From><e:To><e:OrganId>B</e:OrganId></e:To>'
        b"<e:ResponseFor><e:OrganId>C</e:OrganId><e:DocumentId>D</e:DocumentId></e:ResponseFor><e:DocumentId>E</e:DocumentId>"
        b"<e:StatusCode>01</e:StatusCode></e:MessageHeader><e:rest/></e:E>"
    )
    for size in (1, 7, 10_000):
        facts = read_facts(pieces(xml, size))
        assert (facts.sender, facts.document_id, facts.about, facts.status) == ("A", "E", "D", "01")
    with pytest.raises(EvidenceInvalid):
        read_facts([xml.replace(b"<e:StatusCode>01</e:StatusCode>", b"<e:StatusCode>01</e:StatusCode><e:StatusCode>02</e:StatusCode>")])
    for bad in (b"", b"no", b"<a/>", b"<a><MessageHeader>", xml[:100]):
        with pytest.raises(EvidenceInvalid):
            read_facts([bad])


# -- reasons ---------------------------------------------------------------------


def test_negative_events_name_a_reason_of_the_list() -> None:
    at = datetime(2026, 11, 20, tzinfo=UTC)
    for event in NEGATIVE:
        for bad in ("", "because", "because: of that"):
            with pytest.raises(CustodyError):
                leaf_bytes(Entry(event, at, "hub", why=bad), n=0, previous="", salt=bytes(16))
        leaf_bytes(Entry(event, at, "hub", why=why(ReasonCode.OTHER, "đó")), n=0, previous="", salt=bytes(16))
    assert {e.value for e in Event if e.value.endswith(("Failure", "Rejection", "Expiry"))} <= {e.value for e in NEGATIVE}


def test_reasons_in_words() -> None:
    assert set(REASON_TEXTS) == set(ReasonCode) and all(vi and en and vi != en for vi, en in REASON_TEXTS.values())
    assert split_why("RejectedByRecipient: sai nơi nhận: A") == (ReasonCode.BY_RECIPIENT, "sai nơi nhận: A")
    assert split_why("nothing of the list") is None
    assert event_reasons("") == () and event_reasons("RetentionPeriodExpired")[0][1] == REASON_TEXTS[ReasonCode.RETENTION][0]
    assert event_reasons("free text") == (("Other", "free text"),)
    assert refusal_reason("envelope.secret") is ReasonCode.SECRET and refusal_reason("envelope.not_xml") is ReasonCode.INVALID_FORMAT
    known = [e.code for e in every_error() if e.code.startswith(("envelope.", "signature.", "seal.", "agency.unknown", "agency.closed", "access."))]
    assert known and not [c for c in known if refusal_reason(c) is ReasonCode.OTHER]


def test_every_reason_of_the_check_is_in_the_catalogue() -> None:
    assert len({row[0] for row in EVIDENCE}) == len(EVIDENCE)
    for code, vi, en, remedy_vi, remedy_en in EVIDENCE:
        assert CATALOGUE[code].vi == vi and vi != en and remedy_vi.endswith(".") and remedy_en.endswith(".")


# -- the five items and the instructions ------------------------------------------


def test_nothing_known_is_nothing_kept(pki: Pki) -> None:
    trust = Trust.load(pki.folder / "trust")
    unreadable = Signed("a", "x", b"", (), pki.now)
    foreign = Signed("b", "y", b"\x30\x03\x02\x01\x01", (), pki.now)
    for signed in (unreadable, foreign):
        items = statutory_items([signed], Kept(), trust)
        assert [i.item for i in items] == list(ITEMS) and not any(i.present for i in items if i.item != "certificate")
    assert set(ITEM_NAMES) == set(ITEMS)


def test_instructions_name_only_what_is_there() -> None:
    few = commands(verify_text(["log/checkpoint"], epoch=0))
    more = commands(verify_text(["documents/package.edxml", "log/sealed", "log/sealed.tst"], epoch=0))
    assert len(few) == 6 and len(more) == 9
    assert not any("package.edxml" in c or "log/sealed" in c for c in few)


def test_a_reason_is_told_in_words_and_free_text_stays() -> None:
    told = ("Theo quyết định của bên gửi: Gửi nhầm: hai lần", "By the sender's decision: Gửi nhầm: hai lần")
    assert reason_words("SenderDecision: Gửi nhầm: hai lần") == told
    assert reason_words("RetentionPeriodExpired") == REASON_TEXTS[ReasonCode.RETENTION]
    assert reason_words("hold: chờ ý kiến") == ("giữ lại: chờ ý kiến", "held back: chờ ý kiến")
    for method in Method:
        vi, en = reason_words(Origin(method, "sys.000.00.99.H56", "8517277c5924", "x").why("0" * 64))
        assert vi.endswith("; hệ thống sys.000.00.99.H56, khóa 8517277c5924") and en.endswith("; system sys.000.00.99.H56, key 8517277c5924")
    assert reason_words("khác: không có trong danh sách") == ("khác: không có trong danh sách",) * 2 and reason_words("") == ("", "")


def test_a_manifest_that_is_no_xml_is_named() -> None:
    with pytest.raises(EvidenceInvalid) as caught:
        read_manifest(b"<a><b></a>", "META-INF/ASiCManifest001.xml")
    assert caught.value.place == "META-INF/ASiCManifest001.xml"
