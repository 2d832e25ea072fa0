"""Export and import are inverse, the difference of equals is empty, and applying a difference reaches its target."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from datetime import date

from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.agency import Agency, AgencyStatus
from exchange.agency_file import Listing, content_sha256, ordered, read_listing, write_csv, write_json
from exchange.directory_diff import apply, diff
from exchange.directory_errors import DirectoryConflict, DirectoryRow, DirectoryUnreadable

CODES = st.sampled_from([f"H56.T{n:02d}" for n in range(12)] + ["000.00.01.H56", "28.22.H17", "vxp.saas.03", "001.00.20.TT2"])
MAYBE = st.one_of(st.just(""), CODES)
LETTERS = st.characters(codec="utf-8", exclude_categories=("Cc", "Cf", "Cs", "Cn", "Co", "Zl", "Zp"))
NAMES = st.text(LETTERS, min_size=1, max_size=60).map(lambda t: " ".join(unicodedata.normalize("NFC", t).split())[:200].strip()).filter(
    lambda t: bool(t) and t[0] not in "=+-@" and "\ufffd" not in t and unicodedata.is_normalized("NFC", t)
)
DAYS = st.one_of(st.none(), st.dates(date(1990, 1, 1), date(2060, 1, 1)))


@st.composite
def agency(draw: st.DrawFn) -> Agency:
    code = draw(CODES)
    others = st.lists(CODES.filter(lambda c: c != code), max_size=4, unique=True)
    names = draw(others)
    begins, ends = draw(DAYS), draw(DAYS)
    if begins and ends and ends < begins:
        begins, ends = ends, begins
    status = draw(st.sampled_from(list(AgencyStatus)))
    successor = draw(MAYBE) if status is AgencyStatus.CLOSED or ends else ""
    return Agency(
        code=code,
        name=draw(NAMES),
        status=status,
        parent="" if (parent := draw(MAYBE)) == code else parent,
        legacy_code=names[0] if names else "",
        aliases=tuple(sorted(names[1:])),
        successor="" if successor == code else successor,
        valid_from=begins,
        valid_until=ends,
        gateway="" if (gateway := draw(MAYBE)) == code else gateway,
        hub=draw(MAYBE),
    )


DIRECTORIES = st.lists(agency(), max_size=10, unique_by=lambda a: a.code).map(ordered)


@given(DIRECTORIES, st.integers(1, 2**53 - 1))
@settings(max_examples=80)
def test_export_then_import_is_the_identity(agencies: tuple[Agency, ...], version: int) -> None:
    listing = Listing("danh-ba.mo-phong.vn", version, agencies)
    for write in (write_json, write_csv):
        data = write(listing)
        assert read_listing(data) == listing
        assert write(read_listing(data)) == data == write(replace(listing, agencies=tuple(reversed(agencies))))
    assert content_sha256(agencies) == content_sha256(read_listing(write_csv(listing)).agencies)


@given(DIRECTORIES, DIRECTORIES)
@settings(max_examples=80)
def test_applying_the_difference_reaches_the_target(one: tuple[Agency, ...], other: tuple[Agency, ...]) -> None:
    current, target = {a.code: a for a in one}, {a.code: a for a in other}
    assert diff(current, one).changes == ()
    found = diff(current, other)
    after = apply(current, found)
    assert after == {**current, **target}
    assert diff(after, other).changes == ()
    assert len(found.changes) + found.same == len(after) and found.absent == len(set(current) - set(target))
    assert all(change.fields() for change in found.changes) and sum(found.counts().values()) == len(found.changes)


@given(st.one_of(st.binary(max_size=200), st.text(max_size=200).map(lambda t: t.encode("utf-8", "surrogatepass"))))
@settings(max_examples=120)
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    head = b"vanthu-directory,1,a,1\ncode,name,status,parent,legacy_code,aliases,successor,valid_from,valid_until,gateway,hub\n"
    for whole in (data, head + data, b'{"vanthu-directory":1,"issuer":"a","version":1,"agencies":[' + data + b"]}"):
        try:
            read_listing(whole)
        except (DirectoryUnreadable, DirectoryRow, DirectoryConflict):
            continue
