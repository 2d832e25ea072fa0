"""Parts of signing: keys and schemes, the CMS builder, objects as they are written, files that appear whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from hypothesis import given
from hypothesis import strategies as st

from signing.cms import Builder
from signing.dev_pki import Issuer, _leaf, person_name
from signing.errors import CertificateUnusable, FieldRefused, KeyUnusable, OrderRefused, PdfUnusable
from signing.key_use import record
from signing.keys import Holder, Scheme, issuers_of, open_key, software_key
from signing.report import Indication, Role
from signing.sign_pdf import sign_pdf
from signing.sign_pdf.checks import check_certificate, check_order
from signing.sign_pdf.increment import Increment, serialised, text
from signing.sign_pdf.plan import Hole, Overfull, declared
from signing.sign_pdf.quick_writer import pdf_time, place
from signing.sign_pdf.replacing import Together, _Out, copy_hashed, replacing
from signing.signed_data import check, read_signed_data
from signing.trust import Trust
from signing.verify_pdf import verify_pdf
from signing.verify_pdf.pdf_file import PdfFile
from signing.verify_pdf.pdf_objects import Name, Ref, Unusual, parse
from tests import signing_material as material
from tests.house import SENDER, Pki, letter

KINDS = {"rsa": (Scheme.PSS, "sha256"), "p256": (Scheme.ECDSA, "sha256"), "p384": (Scheme.ECDSA, "sha384")}
NAMES = st.binary(min_size=1, max_size=12).map(lambda b: Name(b.replace(b"\0", b"x")))
PLAIN = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**17), 10**17),
    st.binary(max_size=20),
    NAMES,
    st.builds(Ref, st.integers(1, 10**6), st.integers(0, 65535)),
    st.floats(-1e6, 1e6, allow_nan=False).map(lambda f: round(f, 6)).filter(lambda f: not f.is_integer()),
)
VALUES = st.recursive(PLAIN, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES.map(bytes), inner, max_size=4), max_leaves=12)


@pytest.fixture(scope="module")
def trust(pki: Pki) -> Trust:
    return Trust.load(pki.folder / "trust")


@pytest.mark.parametrize("name", KINDS)
def test_the_scheme_and_digest_follow_the_key(pki: Pki, name: str) -> None:
    key, (scheme, digest) = material.key_of(pki, name), KINDS[name]
    assert (key.scheme(), key.digest) == (scheme, digest)
    value = key.sign(b"data")
    assert key.holds(value, b"data", scheme, digest) and not key.holds(value, b"date", scheme, digest)
    assert len(value) <= key.longest
    builder = Builder(key)
    content = hashlib.new(digest, b"content").digest()
    signed = read_signed_data(builder.detached(content))
    assert check(signed, content) == key.der
    assert (signed.digest, signed.hash, signed.scheme) == (digest, digest, scheme.value)
    assert signed.salt == (32 if scheme is Scheme.PSS else -1)
    assert len(builder.detached(content)) <= builder.size


def test_an_rsa_key_has_the_choice_a_curve_key_has_none(pki: Pki) -> None:
    rsa_key, curve_key = pki.seal(SENDER), material.key_of(pki, "p256")
    assert rsa_key.holds(rsa_key.sign(b"x", Scheme.PKCS1V15), b"x", Scheme.PKCS1V15, "sha256")
    assert not rsa_key.holds(rsa_key.sign(b"x", Scheme.PKCS1V15), b"x", Scheme.PSS, "sha256")
    with pytest.raises(KeyUnusable):
        rsa_key.sign(b"x", Scheme.ECDSA)
    assert {curve_key.scheme(s) for s in Scheme} == {Scheme.ECDSA}


def test_keys_that_do_not_open(pki: Pki, tmp_path: Path) -> None:
    ca = (pki.folder / "ca" / "issuing.pem").read_bytes()
    weak = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    odd = ec.generate_private_key(ec.SECP256K1())
    issuer = Issuer(open_ca(ca), x509.load_pem_x509_certificate(ca))
    for private in (weak, odd):
        certificate = _leaf(issuer, private.public_key(), person_name("Trần Thị B (mô phỏng)", "Cơ quan (mô phỏng)"), pki.now)
        file = tmp_path / "key.pem"
        file.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + certificate.public_bytes(Encoding.PEM))
        with pytest.raises(KeyUnusable) as refused:
            open_key(file)
        assert refused.value.place == str(file)
    with pytest.raises(KeyUnusable):
        software_key(ec.generate_private_key(ec.SECP256R1()), material.key_of(pki, "p256").certificate, ())


def open_ca(data: bytes) -> rsa.RSAPrivateKey:
    private = load_pem_private_key(data, None)
    assert isinstance(private, rsa.RSAPrivateKey)
    return private


def test_a_key_shows_nothing_of_itself(pki: Pki) -> None:
    shown = repr(pki.seal(SENDER)) + str(pki.seal(SENDER))
    assert "SigningKey('" in shown and "object at" not in shown and "function" not in shown


def test_issuers_are_found_and_roots_left_out(pki: Pki) -> None:
    root = x509.load_pem_x509_certificate((pki.folder / "trust" / "anchors" / "root.pem").read_bytes())
    leaf, issuing = material.pair_of(pki, "rsa")[1][:2]
    assert issuers_of(leaf, [root, leaf, issuing]) == (issuing,)
    assert issuers_of(leaf, [root, issuing, issuing]) == (issuing,)
    assert issuers_of(leaf, [root]) == ()


def test_the_certificate_is_checked_first(pki: Pki, trust: Trust, tmp_path: Path) -> None:
    key, now = pki.person(), datetime.now(UTC)
    check_certificate(key, trust, now)
    for wrong in (now + timedelta(days=5000), now - timedelta(days=30)):
        with pytest.raises(CertificateUnusable):
            check_certificate(key, None, wrong)
    tls = x509.load_pem_x509_certificate((pki.folder / "trust" / "anchors" / "root.pem").read_bytes())
    with pytest.raises(CertificateUnusable):
        check_certificate(Holder(tls, ()), None, now)
    with pytest.raises(CertificateUnusable):
        check_certificate(Holder(key.certificate, ()), Trust(trust.anchors), now)
    with pytest.raises(CertificateUnusable):
        check_certificate(key, Trust(trust.anchors, trust.intermediates), now)
    check_certificate(key, trust, now)
    with pytest.raises(CertificateUnusable):  # what held a moment ago is asked again later: the CRL has run out
        check_certificate(key, trust, now + timedelta(days=100))
    for kind in ("copy", "attachment"):
        check_order(tmp_path / "any.pdf", pki.seal(SENDER), Role.AGENCY, kind, None, now)  # type: ignore[arg-type]
    check_order(tmp_path / "any.pdf", key, Role.PERSON, "document", None, now)
    for holder, role in ((pki.seal(SENDER), Role.PERSON), (key, Role.AGENCY)):
        with pytest.raises(CertificateUnusable):
            check_order(tmp_path / "any.pdf", holder, role, "attachment", trust, now)
    for anchors in (None, trust):
        with pytest.raises(OrderRefused):
            check_order(letter(tmp_path / "x.pdf"), pki.seal(SENDER), Role.AGENCY, "document", anchors, now)


@given(value=VALUES)
def test_what_is_written_reads_the_same(value: object) -> None:
    written = serialised(value)
    assert parse(written + b" ")[0] == value
    assert parse(written + b" ")[1] == len(written)


def test_what_has_no_place_in_an_object() -> None:
    with pytest.raises(Unusual):
        serialised(object())
    assert text("Ha Noi") == b"Ha Noi"
    assert text("Hà Nội").decode("utf-16") == "Hà Nội"
    assert pdf_time(datetime(2026, 11, 24, 20, 5, 9, tzinfo=timezone(timedelta(hours=1)))) == b"D:20261125020509+07'00'"


@pytest.mark.parametrize("source", [letter, material.with_streams, material.with_annotations, material.with_empty_fields, material.without_last_line_end])
def test_common_shapes_are_written_directly(pki: Pki, tmp_path: Path, source: object) -> None:
    """They are what the speed of signing rests on; another shape may go to pyHanko."""
    path = source(tmp_path / "x.pdf")  # type: ignore[operator]
    with path.open("rb") as file:
        increment = place(PdfFile.open(file.fileno(), path.stat().st_size), material.plan(Builder(pki.person()), room=100))
        _, hole = increment.finish(hashlib.sha256(path.read_bytes()))
    assert hole.end - hole.start == 2 + 2 * 100


@pytest.mark.parametrize("source", [letter, material.with_streams])
def test_new_numbers_are_new(tmp_path: Path, source: object) -> None:
    path = source(tmp_path / "x.pdf")  # type: ignore[operator]
    with path.open("rb") as file:
        pdf = PdfFile.open(file.fileno(), path.stat().st_size)
        first = Increment(pdf).new()
        assert pdf.find(first.num, 0) is None and pdf.find(first.num - 1, 0) is not None


def test_a_hole_is_filled_to_its_end() -> None:
    hole = Hole(10, 10 + 2 + 8, b"")
    assert hole.filled(b"\xab\xcd") == b"<abcd0000>" and hole.filled(b"\xab" * 4) == b"<abababab>"
    with pytest.raises(Overfull):
        hole.filled(b"\0" * 5)


def test_fields_of_a_first_signature() -> None:
    assert declared("NguoiKy", "document", {}) == ("NguoiKy", "CoQuan")
    assert declared("CoQuan", "copy", {}) == ("CoQuan",)
    assert declared("Rieng", "attachment", {"Khac": None}) == ("CoQuan", "Khac", "Rieng")  # type: ignore[dict-item]


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "x"
    target.write_bytes(b"old")
    target.chmod(0o600)
    with pytest.raises(RuntimeError):
        with replacing(target) as file:
            file.write(b"half")
            raise RuntimeError
    assert target.read_bytes() == b"old" and os.listdir(tmp_path) == ["x"]
    with replacing(target) as file:
        file.write(b"new")
    assert target.read_bytes() == b"new" and target.stat().st_mode & 0o777 == 0o600 and os.listdir(tmp_path) == ["x"]


def test_a_group_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    with pytest.raises(RuntimeError), Together() as group:
        with replacing(one, group) as file:
            file.write(b"1")
        raise RuntimeError
    assert os.listdir(tmp_path) == []
    with Together() as group:
        for target in (one, two):
            with replacing(target, group) as file:
                file.write(target.name.encode())
        with pytest.raises(FieldRefused), replacing(one, group):
            pass
        assert not one.exists() and not two.exists()
    assert one.read_bytes() == b"one" and two.read_bytes() == b"two" and sorted(os.listdir(tmp_path)) == ["one", "two"]
    assert group.missing == ()


def test_what_cannot_be_flushed_takes_no_name(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    with pytest.raises(FileNotFoundError), Together() as group:
        for target in (one, two):
            with replacing(target, group) as file:
                file.write(b"x")
        next(p for p in tmp_path.iterdir() if p.name.startswith(".two")).unlink()
    assert os.listdir(tmp_path) == [] and group.missing == (one, two)


def test_the_files_that_took_no_name_are_named(tmp_path: Path) -> None:
    one, two, three = (tmp_path / name for name in ("one", "two", "three"))
    with pytest.raises(IsADirectoryError) as caught, Together() as group:
        for target in (one, two, three):
            with replacing(target, group) as file:
                file.write(b"x")
        two.mkdir()
    assert one.read_bytes() == b"x" and sorted(os.listdir(tmp_path)) == ["one", "two"]
    assert group.missing == (two, three) and caught.value.__notes__ == [f"not written: {two}, {three}"]


def test_many_signed_together(pki: Pki, trust: Trust, tmp_path: Path) -> None:
    source, key, now = letter(tmp_path / "x.pdf"), pki.seal(SENDER), datetime.now(UTC)
    targets = [tmp_path / f"{n}.pdf" for n in range(3)]
    with Together() as group:
        for target in targets:
            sign_pdf(source, target, key, now=now, role=Role.AGENCY, field="CoQuan", kind="attachment", trust=trust, group=group)
        assert not any(t.exists() for t in targets)
    assert all(verify_pdf(t, trust, at=now).signatures[0].indication is Indication.PASSED for t in targets)


@pytest.mark.parametrize("read_again", [True, False])
@pytest.mark.parametrize("size", [0, 1, 1 << 20, (1 << 20) + 1, 3 * (1 << 20) + 7, 1 << 22, (1 << 22) + 4096, 5 * (1 << 20) + 4097])
def test_a_copy_is_hashed_on_the_way(tmp_path: Path, size: int, read_again: bool) -> None:
    source, data = tmp_path / "s", os.urandom(size)
    source.write_bytes(data)
    digest = hashlib.sha256()
    with replacing(tmp_path / "t") as file:
        assert copy_hashed(source, file, digest, read_again=read_again) == size
        file.write(b"more")
    assert (tmp_path / "t").read_bytes() == data + b"more" and digest.digest() == hashlib.sha256(data).digest()


@pytest.mark.skipif(not os.access("/dev/shm", os.W_OK), reason="no file system in memory here")
def test_a_large_copy_works_where_nothing_goes_past_the_cache(tmp_path: Path) -> None:
    source, data = tmp_path / "s", os.urandom(5 * (1 << 20) + 3)
    source.write_bytes(data)
    with TemporaryDirectory(dir="/dev/shm") as folder, replacing(Path(folder) / "t") as file:
        assert copy_hashed(source, file, hashlib.sha256(), read_again=False) == len(data)
        file.seek(0)
        assert file.read() == data


def test_what_the_file_system_refuses_to_write_directly_goes_through_the_cache(tmp_path: Path) -> None:
    data = os.urandom(3 * 4096 + 1)
    with replacing(tmp_path / "t") as file:
        out = _Out(file.fileno(), past_cache=True)
        out.write(memoryview(data)[1:])  # not at the border of a page
        assert not out.past_cache
        out.write(memoryview(b"more"))
    assert (tmp_path / "t").read_bytes() == data[1:] + b"more"


def test_a_file_that_shrinks_under_the_copy_leaves_no_zeros(tmp_path: Path) -> None:
    source = tmp_path / "s"
    source.write_bytes(os.urandom(5 * (1 << 20)))

    class Cut:
        """A digest during whose work the source is cut short."""

        def update(self, _: object) -> None:
            os.truncate(source, 2 * (1 << 20) + 5)

    with replacing(tmp_path / "t") as file:
        assert copy_hashed(source, file, Cut(), read_again=False) == 2 * (1 << 20) + 5
    assert (tmp_path / "t").read_bytes() == source.read_bytes()


def test_the_use_of_a_key_is_recorded(pki: Pki, tmp_path: Path) -> None:
    key, log = pki.seal(SENDER), tmp_path / "log"
    for number in (1, 2):
        record(log, key, who="văn thư", document=f"{number}.pdf", sha256="00" * 32, field="CoQuan", now=datetime(2026, 11, 24, 1, 2, 3, tzinfo=UTC))
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [line["document"] for line in lines] == ["1.pdf", "2.pdf"]
    assert lines[0]["time"] == "2026-11-24T08:02:03+07:00" and lines[0]["serial"] == f"{key.certificate.serial_number:x}"
    assert log.stat().st_mode & 0o777 == 0o600
    with pytest.raises(KeyUnusable):
        record(tmp_path, key, who="x", document="x", sha256="x", field="x", now=datetime.now(UTC))


def test_no_file_no_signature(pki: Pki, tmp_path: Path) -> None:
    with pytest.raises(PdfUnusable):
        material.sign(tmp_path / "absent.pdf", tmp_path / "t.pdf", pki.person())
    assert os.listdir(tmp_path) == []
