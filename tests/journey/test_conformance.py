"""Our own hub meets every criterion of its three interfaces; a hub that lies does not."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from exchange.cli_conformance import conformance
from exchange.conformance.criteria import Criterion, NotAsked, NotMet, needed, run, want
from exchange.conformance.parties import load_parties
from exchange.conformance.report_page import report_of, write_report
from exchange.errors import ConfigError
from tests.connectors import SECRETS, give_secrets
from tests.house import PULLER, SENDER, Pki
from tests.journey.processes import HubProcess


@pytest.fixture(scope="module")
def hub(pki: Pki, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubProcess]:
    process = HubProcess(pki, tmp_path_factory.mktemp("conformance"))
    give_secrets(process)
    process.start()
    yield process
    process.stop()


def parties(pki: Pki, folder: Path) -> Path:
    lines = []
    for side, code in (("sender", SENDER), ("recipient", PULLER)):
        (folder / f"{side}.secret").write_bytes(SECRETS[code] + b"\n")
        lines += [f"[{side}]", f'agency = "{code}"', 'name = "Cơ quan (mô phỏng)"', f'system = "sys.{code}"', f'secret_file = "{side}.secret"']
        lines += [f'tls_certificate = "{pki.folder}/tls/{code}.pem"', f'seal_key = "{pki.folder}/agencies/{code}/seal.pem"']
    lines += ["[hub]", f'tls_ca = "{pki.folder}/tls/ca.pem"', f'trust = "{pki.folder}/trust"']
    (folder / "parties.toml").write_text("\n".join(lines))
    return folder / "parties.toml"


@pytest.mark.parametrize(("profile", "path", "count"), [("native", "", 15), ("vxp", "/vxp", 20), ("lgsp", "/lgsp", 13)])
def test_our_hub_meets_all(hub: HubProcess, pki: Pki, tmp_path: Path, profile: str, path: str, count: int) -> None:
    arguments = ["--against", hub.url + path, "--profile", profile, "--parties", str(parties(pki, tmp_path)), "-o", str(tmp_path / "report.md"), "--json"]
    done = CliRunner().invoke(conformance, arguments)
    report = json.loads(done.stdout)
    assert [c for c in report["criteria"] if c["verdict"] != "met"] == []
    assert done.exit_code == 0 and report["met"] == report["of"] == count
    assert all(c["clause"] and c["vi"] and c["en"] for c in report["criteria"])
    assert len({c["number"] for c in report["criteria"]}) == count
    text = (tmp_path / "report.md").read_text()
    assert f"**{count}/{count}**" in text and "KHÔNG ĐẠT" not in text


class Yes(BaseHTTPRequestHandler):
    """A hub that says yes to everything and keeps nothing."""

    def _answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = json.dumps({"status": "OK", "ErrorCode": "0", "DocId": "1", "data": [], "success": True, "docId": "1", "envelope": "1", "items": []}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = _answer

    def log_message(self, format: str, *arguments: Any) -> None:
        """Quiet."""


MUST_REFUSE = {
    "vxp": {"V-02", "V-03", "V-05", "V-09", "V-10", "V-11", "V-12", "V-13", "V-14", "V-19", "V-20"},
    "lgsp": {"L-02", "L-05", "L-06", "L-09", "L-10"},
}


@pytest.mark.parametrize(("profile", "refusals"), MUST_REFUSE.items())
def test_a_hub_that_says_yes_to_everything_is_found_out(pki: Pki, tmp_path: Path, profile: str, refusals: set[str]) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Yes)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        arguments = ["--against", f"http://127.0.0.1:{server.server_port}", "--profile", profile, "--parties", str(parties(pki, tmp_path))]
        done = CliRunner().invoke(conformance, [*arguments, "--wait", "0.5", "--json", "-o", str(tmp_path / "r.json")])
    finally:
        server.shutdown()
        server.server_close()
    assert done.exit_code == 1
    report = json.loads((tmp_path / "r.json").read_text())
    failed = {c["number"] for c in report["criteria"] if c["verdict"] == "not met"}
    assert refusals <= failed


def test_a_report_to_print_takes_no_markup_from_a_hub(tmp_path: Path) -> None:
    def lying() -> None:
        want(False, "<script>alert(1)</script> & khác")

    outcomes = run([(Criterion("V-01", "RFC <1>", "Tiêu chí", "Criterion"), lying), (Criterion("V-02", "", "Hai", "Two"), lambda: "tốt")])
    report = report_of(outcomes, {"against": "https://a/<b>", "profile": "vxp", "sender": "A", "recipient": "B"}, form="x/1", at=datetime.now(UTC))
    write_report(tmp_path / "r.html", report, outcomes, "Báo cáo / Report")
    text = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "<script" not in text and "&lt;script&gt;alert(1)&lt;/script&gt; &amp; khác" in text
    assert "https://a/&lt;b&gt; (vxp)" in text and "RFC &lt;1&gt;" in text
    assert "KHÔNG ĐẠT" in text and "1/2" in text and "http" not in text.replace("https://a/", "")


def test_outcomes_never_crash() -> None:
    def broken() -> None:
        raise ZeroDivisionError("lạ")

    def unmet() -> None:
        want(False, "đã thấy")

    steps = [(Criterion(f"X-{n}", "", "", ""), step) for n, step in enumerate((broken, unmet, lambda: needed(None, "X-0"), lambda: "tốt"))]
    outcomes = run(steps)
    assert [o.verdict for o in outcomes] == ["not met", "not met", "not asked", "met"]
    assert "ZeroDivisionError" in outcomes[0].detail and outcomes[1].detail == "đã thấy" and outcomes[3].detail == "tốt"
    with pytest.raises(NotMet):
        want("", "x")
    with pytest.raises(NotAsked):
        needed(None, "x")


def test_a_wrong_parties_file(tmp_path: Path) -> None:
    file = tmp_path / "p.toml"
    for text in ("", "[sender]\nagency='a'", "[sender]\nagency='a'\nla='b'\n[recipient]\nagency='b'", "khong phai TOML"):
        file.write_text(text)
        with pytest.raises(ConfigError):
            load_parties(file)
