"""The verbs that write signatures, as a person uses them: files in, files out, sentences and exit codes."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from exchange.cli import cli
from signing.dev_tsa import make_server
from signing.keys import open_key
from signing.report import Indication
from signing.trust import Trust
from signing.verify_pdf import verify_pdf
from tests.house import SENDER, Pki, letter


@pytest.fixture(scope="module")
def tsa(pki: Pki) -> Iterator[str]:
    """A real authority on loopback."""
    server = make_server("127.0.0.1", 0, open_key(pki.folder / "tsa" / "tsa.pem"), clock=lambda: datetime.now(UTC))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/"
    server.shutdown()
    server.server_close()
    thread.join()


def vanthu(*words: object, code: int = 0, environment: dict[str, str] | None = None) -> Result:
    result = CliRunner().invoke(cli, [str(w) for w in words], env={"VANTHU_TRUST": None, "VANTHU_TSA": None, "VANTHU_PIN": None, **(environment or {})})
    assert result.exit_code == code, result.output
    return result


def levels(path: Path, pki: Pki) -> list[tuple[str, str]]:
    found = verify_pdf(path, Trust.load(pki.folder / "trust"), at=datetime.now(UTC)).signatures
    assert all(s.indication is Indication.PASSED for s in found), [s.reasons for s in found]
    return [(s.field, s.level) for s in found if not s.field.startswith("Timestamp")]


def test_person_agency_and_renewal(pki: Pki, tsa: str, tmp_path: Path) -> None:
    file, trust = letter(tmp_path / "x.pdf"), pki.folder / "trust"
    person, seal = pki.folder / "persons" / "lanh-dao.pem", pki.folder / "agencies" / SENDER / "seal.p12"
    (tmp_path / "password").write_text("vanthu-demo\n")
    said = vanthu("sign", file, "--key", person, "--role", "person", "--trust", trust, "--in-place", "--reason", "Ký ban hành", "--location", "Hà Nội")
    assert "Đã ký" in said.output
    log = tmp_path / "uses.jsonl"
    agency = ("--key", seal, "--password-file", tmp_path / "password", "--role", "agency", "--key-log", log)
    told = vanthu("sign", file, *agency, "--trust", trust, "--profile", "B-LTA", "--tsa", tsa, "-o", tmp_path / "done.pdf", "--json")
    assert json.loads(told.stdout)["field"] == "CoQuan"
    assert json.loads(log.read_text())["field"] == "CoQuan"
    assert levels(tmp_path / "done.pdf", pki)[1] == ("CoQuan", "B-LTA")
    before = (tmp_path / "done.pdf").read_bytes()
    vanthu("timestamp", tmp_path / "done.pdf", "--tsa", tsa, "--trust", trust, "--in-place")
    after = (tmp_path / "done.pdf").read_bytes()
    assert after.startswith(before) and after.count(b"/DocTimeStamp") == 2
    levels(tmp_path / "done.pdf", pki)


def test_the_second_authority_is_asked_when_the_first_is_silent(pki: Pki, tsa: str, tmp_path: Path) -> None:
    file, trust, person = letter(tmp_path / "x.pdf"), pki.folder / "trust", pki.folder / "persons" / "lanh-dao.pem"
    words = ("sign", file, "--key", person, "--role", "person", "--trust", trust, "--profile", "B-T")
    vanthu(*words, "--tsa", "http://127.0.0.1:9/", "--tsa", tsa, "-o", tmp_path / "t.pdf")
    assert levels(tmp_path / "t.pdf", pki) == [("NguoiKy", "B-T")]
    refused = vanthu(*words, "--tsa", "http://127.0.0.1:9/", "-o", tmp_path / "u.pdf", code=1)
    assert "timestamp.unavailable" in refused.output and not (tmp_path / "u.pdf").exists()


def test_a_key_elsewhere(pki: Pki, tsa: str, tmp_path: Path) -> None:
    file, trust, pem = letter(tmp_path / "x.pdf"), pki.folder / "trust", pki.folder / "persons" / "lanh-dao.pem"
    certificates = tmp_path / "certificates.pem"
    certificates.write_bytes(b"-----BEGIN CERTIFICATE" + pem.read_bytes().split(b"-----BEGIN CERTIFICATE", 1)[1])
    waiting, state = tmp_path / "waiting.pdf", tmp_path / "state.json"
    vanthu("sign-prepare", file, "--certificate", certificates, "--role", "person", "--trust", trust, "-o", waiting, "--state", state)
    value = pki.person().sign(base64.b64decode(json.loads(state.read_text())["to_sign"]))
    (tmp_path / "value").write_bytes(value)
    (tmp_path / "value.b64").write_text(base64.encodebytes(value).decode())
    (tmp_path / "wrong").write_bytes(value[::-1])
    words = ("sign-complete", waiting, "--state", state, "--trust", trust)
    vanthu(*words, "--signature", tmp_path / "value", "-o", tmp_path / "a.pdf")
    vanthu(*words, "--signature", tmp_path / "value.b64", "--profile", "B-LT", "--tsa", tsa, "-o", tmp_path / "b.pdf")
    assert [levels(tmp_path / n, pki) for n in ("a.pdf", "b.pdf")] == [[("NguoiKy", "B-B")], [("NguoiKy", "B-LT")]]
    assert "sign.deferred" in vanthu(*words, "--signature", tmp_path / "wrong", "-o", tmp_path / "c.pdf", code=1).output
    (tmp_path / "broken").write_bytes(b"\xff\xfe")
    broken = ("sign-complete", waiting, "--state", tmp_path / "broken", "--signature", tmp_path / "value", "-o", tmp_path / "c.pdf")
    assert "sign.deferred" in vanthu(*broken, code=1).output and not (tmp_path / "c.pdf").exists()


def test_without_trust_it_says_what_was_not_checked(pki: Pki, tmp_path: Path) -> None:
    said = vanthu("sign", letter(tmp_path / "x.pdf"), "--key", pki.folder / "persons" / "lanh-dao.pem", "--role", "person", "-o", tmp_path / "t.pdf")
    assert "Chưa kiểm tra" in said.output


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("--role", "person"), 2, "-o"),
        (("--role", "person", "--in-place", "-o", "t.pdf"), 2, "--in-place"),
        (("--role", "person", "-o", "t.pdf"), 2, "--pkcs11"),
        (("--role", "person", "-o", "t.pdf", "--pkcs11", "KEY"), 2, "--token"),
        (("--role", "person", "-o", "t.pdf", "--pkcs11", "KEY", "--token", "T"), 1, "key.unusable"),
        (("--role", "person", "-o", "t.pdf", "--key", "KEY", "--tsa", "http://127.0.0.1:9/"), 2, "--trust"),
        (("--role", "agency", "-o", "t.pdf", "--key", "KEY"), 1, "key.certificate_unusable"),
        (("--role", "agency", "-o", "t.pdf", "--key", "SEAL"), 1, "sign.order"),
        (("--role", "person", "-o", "t.pdf", "--key", "KEY", "--profile", "B-T"), 2, "--tsa"),
    ],
)
def test_refusals(pki: Pki, tmp_path: Path, words: tuple[str, ...], code: int, told: str) -> None:
    key = str(pki.folder / "persons" / "lanh-dao.pem")
    file = letter(tmp_path / "x.pdf")
    seal = str(pki.folder / "agencies" / SENDER / "seal.pem")
    given = [key if w == "KEY" else seal if w == "SEAL" else str(tmp_path / w) if w == "t.pdf" else w for w in words]
    assert told in vanthu("sign", file, *given, code=code).output
    assert not (tmp_path / "t.pdf").exists()


def test_a_folder_that_is_not_there(pki: Pki, tmp_path: Path) -> None:
    """The disk's own refusals are sentences too."""
    words = ("sign", letter(tmp_path / "x.pdf"), "--key", pki.folder / "persons" / "lanh-dao.pem", "--role", "person")
    assert "signing.failed" in vanthu(*words, "-o", tmp_path / "absent" / "t.pdf", code=1).output


def test_no_pin_on_the_command_line(pki: Pki, tmp_path: Path) -> None:
    """There is no option that takes a PIN or a password itself."""
    names = {o for p in next(c for n, c in cli.commands.items() if n == "sign").params for o in p.opts}
    assert {n for n in names if "pin" in n or "password" in n} == {"--pin-file", "--password-file"}
    module = pki.folder / "persons" / "lanh-dao.pem"
    words = ("sign", letter(tmp_path / "x.pdf"), "--pkcs11", module, "--token", "T", "--role", "person", "-o", tmp_path / "t.pdf")
    assert "86420" not in vanthu(*words, code=1, environment={"VANTHU_PIN": "86420"}).output
