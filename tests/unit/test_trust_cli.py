"""vanthu trust show, refresh, import-list: for people in two languages, for programs as JSON."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from signing.cli_keys import keys
from signing.cli_trust import look, trust
from signing.dev_ocsp import Responder, make_server
from signing.dev_pki import make_pki, write_crls
from tests.authorities import DAY, Authority
from tests.unit.test_trust_list import LISTED, OPERATOR, STRANGER, TRUSTED, service, signed, unsigned


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    folder = tmp_path_factory.mktemp("pki")
    make_pki(folder, now=datetime.now(UTC), agencies=[("A1", "Cơ quan (mô phỏng)")], persons=[])
    server = make_server("127.0.0.1", 0, Responder.open(folder), clock=lambda: datetime.now(UTC))
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield folder, f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def folder(served: tuple[Path, str], tmp_path: Path) -> Path:
    """A trust folder without any CRL, but with the places where they are."""
    pki, url = served
    for name in ("anchors/root.pem", "intermediates/issuing.pem"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes((pki / "trust" / name).read_bytes())
    (tmp_path / "sources.toml").write_text(f'allow = ["{url}/"]\ncrls = ["{url}/root.crl", "{url}/issuing.crl"]\n')
    return tmp_path


def run(*words: str | Path) -> Result:
    return CliRunner(env={"COLUMNS": "200"}).invoke(trust, [str(w) for w in words])


def test_refresh_then_show(folder: Path) -> None:
    empty = json.loads(run("show", "--trust", folder, "--json").output)
    assert empty["crls"] == [] and [a["scope"] for a in empty["anchors"]] == ["official"]
    first = run("refresh", "--trust", folder)
    assert first.exit_code == 0 and "Đã tải" in first.output
    assert [o["state"] for o in json.loads(run("refresh", "--trust", folder, "--json").output)] == ["fresh", "fresh"]
    shown = run("show", "--trust", folder)
    assert "Chuyên dùng công vụ" in shown.output and "Còn hạn" in shown.output
    assert "Official duty" in run("show", "--trust", folder, "--lang", "en").output
    later = look(folder, datetime.now(UTC) + timedelta(days=25))
    assert {c.state for c in later.crls} == {"due"} and {c.state for c in look(folder, datetime.now(UTC) + timedelta(days=40)).crls} == {"stale"}
    for path in (folder / "cache" / "crls").iterdir():
        path.write_bytes(b"spoilt")
    assert {c["state"] for c in json.loads(run("show", "--trust", folder, "--json").output)["crls"]} == {"spoilt"}


def test_refresh_tells_what_failed(folder: Path) -> None:
    (folder / "sources.toml").write_text('crls = ["http://127.0.0.1:9/none.crl"]\n')
    down = run("refresh", "--trust", folder, "--lang", "en", "--seconds", "2")
    assert down.exit_code == 1 and "trust.source_down" in down.output and "did not answer" in down.output
    waiting = run("refresh", "--trust", folder)
    assert waiting.exit_code == 1 and "Đang chờ hỏi lại" in waiting.output
    (folder / "sources.toml").unlink()
    assert "sources.toml" in run("refresh", "--trust", folder).output
    assert run("refresh", "--trust", folder, "--proxy", "nonsense").exit_code == 2
    assert run("refresh", "--trust", folder, "--certificate", folder / "anchors").exit_code == 1


def test_ocsp_of_a_certificate(served: tuple[Path, str], tmp_path: Path) -> None:
    """A PKI whose certificates name their OCSP responder."""
    _, url = served
    pki = tmp_path / "pki"
    make_pki(pki, now=datetime.now(UTC), agencies=[("A1", "Cơ quan (mô phỏng)")], persons=[], ocsp_url=f"{url}/ocsp")
    (pki / "trust" / "sources.toml").write_text(f'allow = ["{url}/"]\n')
    seal = tmp_path / "seal.crt"
    seal.write_bytes((pki / "agencies" / "A1" / "seal.pem").read_bytes())
    done = run("refresh", "--trust", pki / "trust", "--certificate", seal, "--json")
    # The responder of another PKI: its answer is "unauthorized", and is not kept.
    (outcome,) = json.loads(done.output)
    assert done.exit_code == 1 and outcome["kind"] == "ocsp" and outcome["reason"]["code"] == "trust.source_invalid"
    assert json.loads(run("show", "--trust", pki / "trust", "--json").output)["ocsps"] == 0


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_openssl_understands_the_responder(served: tuple[Path, str], tmp_path: Path) -> None:
    pki, url = served
    seal = pki / "agencies" / "A1" / "seal.pem"
    certificate = x509.load_pem_x509_certificates(seal.read_bytes())[0]
    for serials, word in (([], "good"), ([certificate.serial_number], "revoked")):
        write_crls(pki, now=datetime.now(UTC), revoked=serials)
        words = ["openssl", "ocsp", "-url", f"{url}/", "-issuer", str(pki / "trust" / "intermediates" / "issuing.pem"), "-cert", str(seal)]
        done = subprocess.run([*words, "-CAfile", str(pki / "trust" / "anchors" / "root.pem")], capture_output=True, text=True, timeout=30)
        assert "Response verify OK" in done.stderr and f"{seal}: {word}" in done.stdout, done.stderr
    write_crls(pki, now=datetime.now(UTC))


def pem(folder: Path, authority: Authority) -> Path:
    path = folder / "signer.crt"
    path.write_bytes(authority.certificate.public_bytes(Encoding.PEM))
    return path


def test_import_list(folder: Path, tmp_path: Path) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    file = tmp_path / "list.xml"
    file.write_bytes(signed(unsigned(service(LISTED.der, (TRUSTED, now - DAY)), issued=now - DAY, following=now + DAY)))
    refused = run("import-list", file, "--trust", folder, "--signer", pem(tmp_path, STRANGER), "--scope", "foreign")
    assert refused.exit_code == 1 and "trust.list_invalid" in refused.output and not (folder / "lists").exists()
    done = run("import-list", file, "--trust", folder, "--signer", pem(tmp_path, OPERATOR), "--scope", "foreign")
    assert done.exit_code == 0 and "VN số 7: 1 gốc" in done.output
    view = look(folder, now + 2 * DAY)
    assert [(a.scope, a.source) for a in view.anchors] == [("official", "anchors/"), ("foreign", "VN #7")]
    assert [w.code for w in view.warnings] == ["trust.list_expired"]
    again = run("import-list", file, "--trust", folder, "--signer", pem(tmp_path, OPERATOR), "--scope", "foreign", "--json")
    assert json.loads(again.output)["sequence"] == 7
    file.write_bytes(signed(unsigned(sequence=6, issued=now - DAY)))
    assert run("import-list", file, "--trust", folder, "--signer", pem(tmp_path, OPERATOR), "--scope", "foreign").exit_code == 1
    assert run("import-list", file, "--trust", folder, "--signer", file, "--scope", "foreign").exit_code == 1


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    for words in (["show"], ["refresh"]):
        assert run(*words, "--trust", tmp_path).exit_code == (1 if words == ["show"] else 0)
    assert CliRunner().invoke(keys, ["ocsp", "--help"]).exit_code == 0
