"""The evidence file: complete, checkable with stock tools, and no byte of it can be changed."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signing.checkpoint import LogKey
from signing.errors import EvidenceInvalid
from signing.evidence import Standing, check, commands
from signing.seal import sign_seal
from tests.evidence_material import Made, Members, make_evidence, now
from tests.house import PULLER, Pki


@pytest.fixture(scope="module")
def made(pki: Pki, tmp_path_factory: pytest.TempPathFactory) -> Made:
    return make_evidence(pki, tmp_path_factory.mktemp("evidence"))


def names(path: Path) -> list[str]:
    with zipfile.ZipFile(path) as archive:
        return archive.namelist()


def test_it_holds_without_the_hub(made: Made) -> None:
    report = made.check(made.file)
    assert report.ok, report.reasons
    assert report.seal is not None and report.seal.time_source == "timestamp"
    assert [e["ev"].rsplit("/", 1)[-1] for e in report.events] == ["SubmissionAcceptance", "ContentConsignment", "ContentHandover", "ConsignmentAcceptance"]
    assert len(report.statuses) == 2 and len(report.files) == 2 and report.content
    withheld = made.check(made.digests)
    assert withheld.ok and not withheld.content and not withheld.files
    assert withheld.package_sha256 == report.package_sha256


def test_who_did_what_and_how_it_stands(made: Made) -> None:
    report = made.check(made.file)
    assert [(a.by, a.status, a.standing) for a in report.acts] == [
        ("hub", "", Standing.PROVEN),
        ("hub", "", Standing.CLAIMED),
        (PULLER, "01", Standing.PROVEN),
        (PULLER, "03", Standing.PROVEN),
    ]
    assert all(a.signer for a in report.acts[2:]) and not any(a.signer for a in report.acts[:2])
    by = {s: [t.en for t in report.statements if t.standing is s] for s in Standing}
    assert any("sealed the package" in t for t in by[Standing.PROVEN])
    assert any("clock" in t for t in by[Standing.CLAIMED])
    assert any("witness policy" in t for t in by[Standing.MISSING])
    assert all(t.vi and t.vi != t.en for t in report.statements)
    assert any("withheld" in t.en for t in made.check(made.digests).statements if t.standing is Standing.MISSING)
    assert any("no time-stamp" in t.en for t in made.check(made.unstamped).statements if t.standing is Standing.MISSING)


def test_the_five_statutory_items(made: Made) -> None:
    """CRY-08: every item of every signature is either kept or plainly said to be missing, in the file and in the verdict."""
    report = made.check(made.file)
    by = {(i.signature, i.item): i.present for i in report.statutory}
    assert {item for _, item in by} == {"certificate", "revocation", "ca_policy", "responsibility", "timestamp"}
    assert len(by) == 5 * len({i.signature for i in report.statutory})
    assert by["META-INF/signature001.p7s", "timestamp"] and not by["documents/package.edxml.p7s", "timestamp"]
    assert all(present for (_, item), present in by.items() if item in ("certificate", "revocation"))
    assert not any(present for (_, item), present in by.items() if item == "ca_policy")
    with zipfile.ZipFile(made.file) as archive:
        written = {(i["signature"], i["item"]): i["present"] for i in json.loads(archive.read("report/statutory.json"))}
        assert "THIẾU / MISSING" in archive.read("report/statutory.txt").decode()
    assert {k: written[k] for k in by} == by
    assert {p for p, _ in written} >= {"documents/files/00-125_QĐ-UBND.pdf#NguoiKy", "documents/files/00-125_QĐ-UBND.pdf#CoQuan"}
    bare = made.sealed_again(lambda m: [m.pop(n) for n in list(m) if n.startswith(("trust/crls/", "trust/responsibility"))])  # type: ignore[func-returns-value]
    poorer = made.check(bare)
    assert poorer.ok and not any(i.present for i in poorer.statutory if i.item in ("revocation", "responsibility"))


def test_unknown_log_or_anchor(made: Made, pki: Pki) -> None:
    assert not check(made.file, trust=made.trust(), vkeys=[], at=now()).ok
    other = LogKey.generate("hub.example.vn/custody/2026").vkey()
    assert {r.code for r in check(made.file, trust=made.trust(), vkeys=[other], at=now()).reasons} >= {"custody.signer_unknown"}


@settings(max_examples=120, deadline=None)
@given(where=st.integers(0, 2**40), what=st.integers(1, 255))
def test_no_byte_can_be_changed(made: Made, where: int, what: int) -> None:
    data = bytearray(made.digests.read_bytes())
    data[where % len(data)] ^= what
    changed = made.folder / "changed.asice"
    changed.write_bytes(data)
    with contextlib.suppress(EvidenceInvalid):
        report = made.check(changed)
        assert not report.ok and report.reasons


def rewritten(made: Made, change: Callable[[list[tuple[str, bytes]]], None], *, compress: str = "") -> Path:
    """A copy whose entries were changed, with all checksums of the ZIP put right."""
    with zipfile.ZipFile(made.digests) as old:
        entries = [(i.filename, old.read(i)) for i in old.infolist()]
    change(entries)
    target = made.folder / "rewritten.asice"
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as new:
        for name, data in entries:
            info = zipfile.ZipInfo(name, (2026, 11, 20, 9, 0, 0))
            info.external_attr = 0o644 << 16
            new.writestr(info, data, zipfile.ZIP_DEFLATED if name == compress else zipfile.ZIP_STORED)
    return target


def refused(made: Made, path: Path) -> bool:
    try:
        return not made.check(path).ok
    except EvidenceInvalid:
        return True


def test_the_rewriting_alone_changes_nothing(made: Made) -> None:
    assert not refused(made, rewritten(made, lambda entries: None))


def test_every_member_changed_removed_renamed_moved_or_doubled(made: Made) -> None:
    everything = names(made.digests)
    survived = []
    for place, name in enumerate(everything):
        mutants: dict[str, Callable[[list[tuple[str, bytes]]], None]] = {
            "changed": lambda e, p=place: e.__setitem__(p, (e[p][0], e[p][1][:-1] + bytes([(e[p][1] or b"\0")[-1] ^ 1]))),
            "removed": lambda e, p=place: e.pop(p),
            "renamed": lambda e, p=place: e.__setitem__(p, (e[p][0] + "x", e[p][1])),
            "moved": lambda e, p=place: e.insert((p + 1) % len(e), e.pop(p)),
            "doubled": lambda e, p=place: e.append(e[p]),
            "swapped": lambda e, p=place: e.__setitem__(p, (e[p][0], e[p - 1][1])),
        }
        for how, change in mutants.items():
            with pytest.warns(UserWarning) if how == "doubled" else contextlib.nullcontext():
                path = rewritten(made, change)
            if not refused(made, path):
                survived.append((how, name))
    assert survived == []


@pytest.mark.parametrize(
    "extra",
    ["added.txt", "documents/files/99-x.pdf", "log/leaves/999.json", "evidence/099-x.xml", "META-INF/x", "META-INF/signature002.p7s", "trust/renewal001/x"],
)
def test_added_members(made: Made, extra: str) -> None:
    assert refused(made, rewritten(made, lambda e: e.append((extra, b"x"))))
    assert refused(made, rewritten(made, lambda e: e.insert(1, (extra, b"x"))))


@pytest.mark.parametrize("name", ["../x", "/x", "a/../../x", "a\\..\\x", "C:/x", "a//x", "./x", "x/", "a/./b", "\x00x", "x\ny"])
def test_names_that_lead_out_are_refused(made: Made, name: str) -> None:
    with pytest.raises(EvidenceInvalid):
        made.check(rewritten(made, lambda e: e.append((name, b"x"))))


def test_mimetype_rules(made: Made) -> None:
    """EN 319 162-1: first, stored, exact, once."""
    cases: list[Path] = []
    bad: list[Callable[[list[tuple[str, bytes]]], None]] = [
        lambda e: e.pop(0),
        lambda e: e.insert(1, e.pop(0)),
        lambda e: e.__setitem__(0, ("mimetype", b"application/zip")),
        lambda e: e.__setitem__(0, ("mimetype", b"application/vnd.etsi.asic-e+zip\n")),
        lambda e: e.__setitem__(0, ("Mimetype", e[0][1])),
    ]
    for number, change in enumerate(bad):
        path = made.folder / f"mimetype-{number}.asice"
        shutil.copyfile(rewritten(made, change), path)
        cases.append(path)
    for compressed in ("mimetype", "log/checkpoint"):
        path = made.folder / f"compressed-{len(cases)}.asice"
        shutil.copyfile(rewritten(made, lambda e: None, compress=compressed), path)
        cases.append(path)
    for where in ("before", "after"):
        path = made.folder / f"junk-{where}.asice"
        data = made.digests.read_bytes()
        path.write_bytes(b"junk" + data if where == "before" else data + b"junk")
        cases.append(path)
    for path in cases:
        with pytest.raises(EvidenceInvalid):
            made.check(path)


@pytest.mark.parametrize("data", [b"", b"PK", b"not a zip", b"PK\x05\x06" + bytes(18)])
def test_no_container(made: Made, data: bytes) -> None:
    (made.folder / "none.asice").write_bytes(data)
    with pytest.raises(EvidenceInvalid):
        made.check(made.folder / "none.asice")


hostile = st.one_of(
    st.binary(max_size=200),
    st.text(max_size=80).map(str.encode),
    st.sampled_from([b"{}", b"[]", b"null", b'{"n":{}}', b"[" * 5000, b"<a/>", b"<!DOCTYPE a><a/>"]),
    st.sampled_from([b"c2sp.org/tlog-proof@v1\nindex 0\n\n", "é — \n\n— x AAAA\n".encode()]),
)
members = st.lists(st.tuples(st.text(min_size=1, max_size=30), st.binary(max_size=60)), max_size=6, unique_by=lambda e: e[0].partition("\0")[0])


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_a_hostile_maker_never_breaks_the_checker(made: Made, data: st.DataObject) -> None:
    """Sealed again by the maker, so that every part is really looked at; nothing but EvidenceInvalid comes out."""

    def change(members: Members) -> None:
        for name in data.draw(st.lists(st.sampled_from(sorted(members)), min_size=1, max_size=4)):
            members[name] = data.draw(hostile)

    try:
        report = made.check(made.sealed_again(change, source=made.digests))
    except EvidenceInvalid:
        return
    assert report.seal is not None


@settings(max_examples=60, deadline=None)
@given(entries=members, kind=st.booleans(), cut=st.integers(0, 400))
def test_any_zip(made: Made, entries: list[tuple[str, bytes]], kind: bool, cut: int) -> None:
    path = made.folder / "any.asice"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive, contextlib.suppress(ValueError, UnicodeError):
        if kind:
            archive.writestr("mimetype", b"application/vnd.etsi.asic-e+zip")
        for name, body in entries:
            archive.writestr(name, body)
    path.write_bytes(path.read_bytes()[: len(path.read_bytes()) - cut] if cut % 3 == 0 else path.read_bytes())
    with pytest.raises(EvidenceInvalid):
        made.check(path)


# -- what its own maker could try ---------------------------------------------


def edit_json(members: Members, name: str, **values: object) -> None:
    members[name] = json.dumps({**json.loads(members[name]), **values}, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def drop(*parts: str) -> Callable[[Members], None]:
    def change(members: Members) -> None:
        for name in [n for n in members if any(p in n for p in parts)]:
            del members[name]

    return change


LIES: dict[str, tuple[Callable[[Members], None], str]] = {
    "an event left out": (drop("/002"), "evidence.gap"),
    "the acceptance left out": (drop("/001"), "evidence.no_acceptance"),
    "an entry changed": (lambda m: edit_json(m, "log/leaves/003.json", at="2026-01-01T00:00:00.000000Z"), "custody.proof_invalid"),
    "an entry without evidence": (drop("evidence/002"), "evidence.no_event_evidence"),
    "an entry without proof": (drop("log/proofs/002"), "evidence.invalid"),
    "no sender's seal": (drop("package.edxml.p7s"), "evidence.invalid"),
    "a head of nobody": (lambda m: m.__setitem__("log/checkpoint", b"x\n1\nAAAA\n\n"), "custody.checkpoint_invalid"),
    "two statuses swapped": (
        lambda m: m.update(
            {
                "evidence/003-status-01.edxml": m["evidence/004-status-03.edxml"],
                "evidence/003-status-01.edxml.p7s": m["evidence/004-status-03.edxml.p7s"],
            }
        ),
        "evidence.not_logged",
    ),
    "a status of no entry": (
        lambda m: m.update({"evidence/009-status-01.edxml": m["evidence/003-status-01.edxml"], "evidence/009-status-01.edxml.p7s": b""}),
        "evidence.stray",
    ),
    "two evidences swapped": (
        lambda m: m.update(
            {
                "evidence/003-ContentHandover.xml": m["evidence/004-ConsignmentAcceptance.xml"],
                "evidence/003-ContentHandover.xml.p7s": m["evidence/004-ConsignmentAcceptance.xml.p7s"],
            }
        ),
        "evidence.invalid",
    ),
    "another document shown": (lambda m: m.__setitem__("documents/files/00-125_QĐ-UBND.pdf", b"%PDF-1.7 other"), "evidence.not_carried"),
    "another package": (lambda m: m.__setitem__("documents/package.edxml", m["documents/package.edxml"] + b"\n"), "evidence.other_package"),
    "an entry twice": (
        lambda m: m.update({"log/leaves/005.json": m["log/leaves/004.json"], "log/proofs/005.tlog-proof": m["log/proofs/004.tlog-proof"]}),
        "evidence.repeated",
    ),
}


@pytest.mark.parametrize("lie", LIES)
def test_its_own_maker_cannot_lie(made: Made, lie: str) -> None:
    change, code = LIES[lie]
    assert code in made.codes(made.sealed_again(change))


def test_a_status_sealed_by_another_agency(made: Made, pki: Pki) -> None:
    """The maker has a seal of a trusted certificate, but not of the agency the log names."""

    def change(members: Members) -> None:
        digest = hashlib.sha256(members["evidence/003-status-01.edxml"]).digest()
        members["evidence/003-status-01.edxml.p7s"] = sign_seal(digest, pki.seal("H56.97"))

    assert made.codes(made.sealed_again(change)) & {"evidence.not_logged", "evidence.other_signer"}


def test_sealed_by_somebody_else(made: Made, pki: Pki) -> None:
    """A file that an agency put together itself is not the hub's."""
    assert "evidence.other_signer" in made.codes(made.sealed_again(lambda m: None, key=pki.seal(PULLER)))


# -- stock tools ---------------------------------------------------------------


@pytest.fixture
def unpacked(made: Made, pki: Pki, tmp_path: Path) -> Path:
    if shutil.which("openssl") is None or shutil.which("sha256sum") is None:
        pytest.skip("openssl or sha256sum is not installed")
    with zipfile.ZipFile(made.file) as archive:
        archive.extractall(tmp_path)
    shutil.copyfile(pki.folder / "trust" / "anchors" / "root.pem", tmp_path / "ROOT.pem")
    shutil.copyfile(tmp_path / "trust" / "log.pem", tmp_path / "LOG.pem")
    return tmp_path


def run(command: str, folder: Path) -> int:
    return subprocess.run(["sh", "-c", command], cwd=folder, capture_output=True).returncode


def test_the_commands_in_verify_txt_work(unpacked: Path) -> None:
    printed = commands((unpacked / "report" / "VERIFY.txt").read_text())
    assert len(printed) == 7
    assert [c for c in printed if run(c, unpacked) != 0] == []


@pytest.mark.parametrize(
    ("victim", "which"),
    [
        ("META-INF/ASiCManifest001.xml", {0}),
        ("report/SHA256SUMS", {1}),
        ("report/timeline.json", {2}),
        ("documents/package.edxml", {2, 3}),
        ("evidence/003-status-01.edxml", {2, 4}),
        ("evidence/002-ContentConsignment.xml", {2, 4}),
        ("log/leaves/002.json", {2, 5}),
        ("log/checkpoint", {2, 6}),
    ],
)
def test_the_commands_in_verify_txt_notice(unpacked: Path, victim: str, which: set[int]) -> None:
    printed = commands((unpacked / "report" / "VERIFY.txt").read_text())
    data = bytearray((unpacked / victim).read_bytes())
    data[len(data) // 8] ^= 1
    (unpacked / victim).write_bytes(data)
    assert which <= {n for n, c in enumerate(printed) if run(c, unpacked) != 0}


# -- keeping it for long -------------------------------------------------------


def test_a_stamped_file_outlives_its_certificates(made: Made) -> None:
    later = now() + timedelta(days=365 * 40)
    assert made.check(made.file, at=later).ok
    assert not made.check(made.unstamped, at=later).ok


def test_the_time_stamp_of_the_seal_is_read(made: Made) -> None:
    report = made.check(made.file)
    assert report.seal is not None and abs(report.seal.time - now()) < timedelta(minutes=5)
