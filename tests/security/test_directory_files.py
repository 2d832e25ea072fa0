"""Directory files that were altered, replayed, signed by others, or are no directory files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.hashes import SHA256

from exchange.agency_file import FIELDS, read_listing
from exchange.directory import Directory
from exchange.directory_errors import DirectoryConflict, DirectoryOld, DirectoryRow, DirectorySeal, DirectoryUnreadable
from exchange.directory_exchange import examine, give_out, take_in
from exchange.errors import ExchangeError
from signing.seal import sign_seal
from tests.directory_material import file_of, sealed, sealing_key, unit
from tests.evidence_material import stamper
from tests.house import PULLER, SENDER, House

GOOD = [unit("H56.T01", "Sở Mô phỏng Thanh Hóa (mô phỏng)"), unit("H56.T02", "Xã Mô phỏng (mô phỏng)", parent="H56.T01")]
HEAD = "vanthu-directory,1,danh-ba.mo-phong.vn,1\n" + ",".join(FIELDS) + "\n"


def publisher(house: House) -> Directory:
    """The hub's directory, which takes files sealed by SENDER."""
    return Directory(house.hub.office, signers=frozenset({house.pki.seal(SENDER).certificate.fingerprint(SHA256()).hex()}))




def taken(house: House, data: bytes) -> None:
    desk = publisher(house)
    take_in(desk, examine(desk, data, sealed(data, house.pki.seal(SENDER))), by="test")


def codes(house: House) -> set[str]:
    return {row["code"] for row in house.hub.directory.find()}


def test_an_altered_file_an_altered_seal_and_a_foreign_signer(house: House) -> None:
    data = file_of(GOOD)
    seal, desk, before = sealed(data, house.pki.seal(SENDER)), publisher(house), codes(house)
    assert examine(desk, data, seal).diff.summary() == "added=2"
    for changed in (data.replace(b"T02", b"T03", 1), data + b"\n", data.replace(b'"version":1', b'"version":2')):
        with pytest.raises(DirectorySeal):
            examine(desk, changed, seal)
    for place in range(len(seal) - 256, len(seal), 8):  # the signature itself
        with pytest.raises(DirectorySeal):
            examine(desk, data, seal[:place] + bytes([seal[place] ^ 1]) + seal[place + 1 :])
    for other in (sealed(data, house.pki.seal(PULLER)), sealed(data, house.pki.person()), b"", b"\x30\x80"):
        with pytest.raises(DirectorySeal):
            examine(desk, data, other)
    # A signer that this hub was never told of is refused, however good the seal.
    with pytest.raises(DirectorySeal):
        examine(house.hub.directory, data, seal)
    assert codes(house) == before


def test_a_publishers_key_that_has_ended_brings_nothing_with_an_old_time_stamp(house: House, tmp_path: Path) -> None:
    """The hub's clock decides at this door too: what was stamped in time and kept back is not taken in any more."""
    moment = house.hub.office.clock()
    key = sealing_key(house.pki, SENDER, tmp_path / "publisher.pem", begins=moment - timedelta(days=9), ends=moment + timedelta(hours=1))
    desk = Directory(house.hub.office, signers=frozenset({key.certificate.fingerprint(SHA256()).hex()}))
    data = file_of(GOOD)
    seal = sign_seal(hashlib.sha256(data).digest(), key, timestamp=stamper(house.pki))
    assert examine(desk, data, seal).diff.summary() == "added=2"
    house.ahead = timedelta(hours=2)
    with pytest.raises(DirectorySeal):
        examine(desk, data, seal)


def test_the_seal_is_looked_at_before_the_file(house: House) -> None:
    with pytest.raises(DirectorySeal):
        examine(house.hub.directory, b"\xff\xfe{", b"")


def test_older_versions_and_other_content_under_the_same_number(house: House) -> None:
    taken(house, file_of(GOOD, version=7))
    for data in (file_of(GOOD, version=6), file_of(GOOD[:1], version=7), file_of(GOOD[:1], version=1)):
        with pytest.raises(DirectoryOld):
            taken(house, data)
    before = house.hub.entries()
    again = file_of(GOOD, version=7)
    assert examine(publisher(house), again, sealed(again, house.pki.seal(SENDER))).taken
    taken(house, again)  # the answer was lost: nothing happens twice
    assert house.hub.entries() == before
    taken(house, file_of(GOOD, version=8))
    # Another publisher counts for itself.
    taken(house, file_of(GOOD, version=1, issuer="danh-ba.khac.vn"))


def test_two_plans_of_one_version_are_taken_once(house: House) -> None:
    desk, data = publisher(house), file_of(GOOD, version=3)
    seal = sealed(data, house.pki.seal(SENDER))
    first, second = examine(desk, data, seal), examine(desk, data, seal)
    take_in(desk, first, by="a")
    before = house.hub.entries()
    take_in(desk, second, by="b")
    assert house.hub.entries() == before


def test_an_older_plan_does_not_pass_a_newer_one(house: House) -> None:
    desk = publisher(house)
    old, new = (file_of(GOOD, version=n) for n in (3, 4))
    plans = [examine(desk, data, sealed(data, house.pki.seal(SENDER))) for data in (old, new)]
    take_in(desk, plans[1], by="a")
    with pytest.raises(DirectoryOld):
        take_in(desk, plans[0], by="b")


def test_a_change_by_hand_between_looking_and_applying_is_not_lost(house: House) -> None:
    desk, data = publisher(house), file_of([*GOOD, unit(PULLER, "Tên mới (mô phỏng)")], version=3)
    plan = examine(desk, data, sealed(data, house.pki.seal(SENDER)))
    house.hub.directory.add(unit("H56.T02", "Thêm bằng tay (mô phỏng)"), {}, by="hand")
    done = take_in(desk, plan, by="a")
    assert done.summary() == "added=1 moved=1 renamed=1"
    assert house.hub.directory.show("H56.T02")["name"] == "Xã Mô phỏng (mô phỏng)"


def test_a_replayed_export_of_our_own(house: House) -> None:
    desk = house.hub.directory
    old, old_seal, _ = give_out(desk, "json", by="t")
    assert give_out(desk, "json", by="t")[0] == old  # byte-stable
    house.hub.close_agency(PULLER, by="t")
    new, new_seal, listing = give_out(desk, "csv", by="t")
    assert listing.version == 2
    with pytest.raises(DirectoryOld):
        examine(desk, old, old_seal)
    assert examine(desk, new, new_seal).diff.changes == ()


def row(**facts: str) -> bytes:
    return (HEAD + ",".join(facts.get(name, {"code": "H56.T01", "name": "Tên"}.get(name, "")) for name in FIELDS) + "\n").encode()


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", DirectoryUnreadable),
        (b"{", DirectoryUnreadable),
        (b"{}", DirectoryUnreadable),
        (b"[" * 100_000, DirectoryUnreadable),
        (b'{"vanthu-directory":' + b"[" * 100_000, DirectoryUnreadable),
        (b'{"vanthu-directory":2,"issuer":"a","version":1,"agencies":[]}', DirectoryUnreadable),
        (b'{"vanthu-directory":true,"issuer":"a","version":1,"agencies":[]}', DirectoryUnreadable),
        (b'{"vanthu-directory":1,"issuer":"a","version":1.5,"agencies":[]}', DirectoryUnreadable),
        (b'{"vanthu-directory":1,"issuer":"a","version":0,"agencies":[]}', DirectoryUnreadable),
        (b'{"vanthu-directory":1,"issuer":"a","version":NaN,"agencies":[]}', DirectoryUnreadable),
        (b'{"vanthu-directory":1,"issuer":"a","version":' + b"9" * 5000 + b',"agencies":[]}', DirectoryUnreadable),
        (b'{"vanthu-directory":1,"issuer":"=cmd","version":1,"agencies":[]}', DirectoryUnreadable),
        (b'{"vanthu-directory":1,"issuer":"a","issuer":"b","version":1,"agencies":[]}', DirectoryUnreadable),
        (b'{"vanthu-directory":1,"issuer":"a","version":1,"agencies":[{"code":"A","code":"B","name":"x"}]}', DirectoryUnreadable),
        (b'{"vanthu-directory":1,"issuer":"a","version":1,"agencies":[1]}', DirectoryRow),
        (b'{"vanthu-directory":1,"issuer":"a","version":1,"agencies":[{"code":"A","name":1}]}', DirectoryRow),
        (b'{"vanthu-directory":1,"issuer":"a","version":1,"agencies":[{"code":"A","name":"x","seal":"y"}]}', DirectoryRow),
        (b'{"vanthu-directory":1,"issuer":"a","version":1,"agencies":[{"code":"A","name":"\\ud800"}]}', DirectoryRow),
        (b"\xef\xbb\xbf" + row(), DirectoryUnreadable),
        (HEAD.encode("utf-16"), DirectoryUnreadable),
        (row().replace("Tên".encode(), "Tên".encode("cp1258", "replace") + b"\xff"), DirectoryUnreadable),
        (row() + "H56.T03,Sở Thứ hai".encode("latin-1", "replace").replace(b"?", b"\xea") + b",,,,,,,,,\n", DirectoryUnreadable),
        (row(name="T\0n"), DirectoryUnreadable),
        (row(name="x" * 200_000), DirectoryUnreadable),
        (row(name='"không đóng'), DirectoryUnreadable),
        (row(name="x" * 201), DirectoryRow),
        (row(name="=HYPERLINK(A1)"), DirectoryRow),
        (row(name="+84"), DirectoryRow),
        (row(name="-1"), DirectoryRow),
        (row(name="@SUM(A1)"), DirectoryRow),
        (row(name='"\tten"'), DirectoryRow),
        (row(name='"hai\ndòng"'), DirectoryRow),
        (row(name=""), DirectoryRow),
        (row(name=" Tên"), DirectoryRow),
        (row(name="Tên\u202e"), DirectoryRow),
        (row(name="T\ufffdn"), DirectoryRow),
        (row(name="Te\u0302n"), DirectoryRow),
        (row(code="=1+1"), DirectoryRow),
        (row(code="../H56"), DirectoryRow),
        (row(code="H" * 36), DirectoryRow),
        (row(status="mở"), DirectoryRow),
        (row(valid_from="20/11/2026"), DirectoryRow),
        (row(valid_from="20261120"), DirectoryRow),
        (row(valid_from="2026-02-30"), DirectoryRow),
        (row(valid_from="2026-02-02", valid_until="2026-02-01"), DirectoryRow),
        (row(parent="H56.T01"), DirectoryRow),
        (row(successor="H56.T02"), DirectoryRow),
        (row(aliases="B A"), DirectoryRow),
        (row(aliases="A  B"), DirectoryRow),
        (row(aliases="H56.T01"), DirectoryRow),
        (row(aliases=" ".join(f"X{n:02d}" for n in range(17))), DirectoryRow),
        (row() + b"H56.T09,thieu\n", DirectoryRow),
        (row() + b"\n", DirectoryRow),
        (row() + b"H56.T01,Hai" + b"," * 9 + b"\n", DirectoryConflict),
        (HEAD.replace("code,name", "name,code").encode(), DirectoryUnreadable),
        (HEAD.replace(",1\n", ",-1\n", 1).encode(), DirectoryUnreadable),
        (HEAD.replace(",1\n", ",١\n", 1).encode(), DirectoryUnreadable),
    ],
)
def test_files_that_are_refused(data: bytes, error: type[ExchangeError]) -> None:
    with pytest.raises(error) as caught:
        read_listing(data)
    assert len(caught.value.detail) <= 220


def test_the_refusal_names_the_line() -> None:
    with pytest.raises(DirectoryRow) as caught:
        read_listing(row() + b"H56.T02,=1" + b"," * 9 + b"\n")
    assert caught.value.place == "line 4, name" and "H56.T02" in caught.value.detail


def test_line_ends_of_a_spreadsheet_are_read() -> None:
    assert read_listing(row().replace(b"\n", b"\r\n")) == read_listing(row())


@pytest.mark.parametrize("cut", range(1, 50))
def test_a_cut_file_is_refused_or_says_less(cut: int) -> None:
    data = file_of(GOOD)
    with pytest.raises(DirectoryUnreadable):
        read_listing(data[: len(data) * cut // 50])


def test_a_file_that_contradicts_the_directory(house: House) -> None:
    for agencies in ([unit("H56.T01", parent="H56.404")], [unit("H56.T01", aliases=(PULLER,))], [unit(SENDER, parent=PULLER), unit(PULLER, parent=SENDER)]):
        with pytest.raises(DirectoryConflict):
            taken(house, file_of(agencies))


def test_every_step_of_taking_in_may_fail_and_nothing_is_half_done(house: House, tmp_path: Path) -> None:
    """One transaction: the power goes at each write in turn."""
    data = file_of([*GOOD, unit(PULLER, "Tên mới (mô phỏng)", aliases=("H56.98",))], version=2)
    seal, before = sealed(data, house.pki.seal(SENDER)), json.dumps(house.hub.directory.find())
    seen: list[str] = []
    _refusing(house, seen.append)
    desk = publisher(house)
    plan = examine(desk, data, seal)
    failed = 0
    for stop in range(1, 40):
        count = 0

        def fault(name: str, stop: int = stop) -> None:
            nonlocal count
            if name.startswith("before"):
                count += 1
                if count == stop:
                    raise OSError(name)

        _refusing(house, fault)
        desk = publisher(house)
        entries = house.hub.entries()
        try:
            take_in(desk, plan, by="test")
        except OSError:
            failed += 1
            assert json.dumps(house.hub.directory.find()) == before and house.hub.entries() == entries
            continue
        break
    assert failed >= 6
    assert house.hub.directory.show("H56.98")["name"] == "Tên mới (mô phỏng)"
    assert house.hub.entries() == entries + 1


def _refusing(house: House, fault: Callable[[str], None]) -> None:
    house.fault = fault
    house.reopen()
