"""Which files vanthu verify takes, and what is said of those that cannot be read: pipes, links, closed folders, Ctrl-C."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner

from signing.cli_verify import verify
from signing.reasons import CATALOGUE
from signing.report_json import schema
from signing.which_files import expand, spooled
from tests.house import Pki
from tests.journey.test_verify_cli import run
from tests.unit.test_reports import against


def test_what_comes_through_a_pipe(pki: Pki, tmp_path: Path) -> None:
    given, shown_as = spooled(["-", "x.pdf"], tmp_path, io.BytesIO(pki.document.read_bytes()))
    assert [shown_as.get(Path(name), Path(name)).name for name in given] == ["stdin.pdf", "x.pdf"] and Path(given[0]).read_bytes() == pki.document.read_bytes()
    words = ["--trust", str(pki.folder / "trust"), "--jobs", "1", "--json", "-"]
    told = CliRunner().invoke(verify, words, input=pki.document.read_bytes())
    assert told.exit_code == 0 and json.loads(told.stdout)["documents"][0]["file"] == "stdin.pdf"
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(pki.document.read_bytes(),))
    writer.start()
    assert run(pki, pipe, code=0).stdout.startswith("HỢP LỆ  pipe.pdf")
    writer.join()


def test_nothing_that_was_found_is_passed_over_in_silence(pki: Pki, tmp_path: Path) -> None:
    shutil.copy(pki.document, tmp_path / "tốt.pdf")
    (tmp_path / "mất.pdf").symlink_to(tmp_path / "nowhere.pdf")
    (tmp_path / "mất.asice").symlink_to(tmp_path / "nowhere.asice")
    os.mkfifo(tmp_path / "pipe.pdf")  # would never end
    for words in ((tmp_path,), (tmp_path / "*t.*",)):
        shown = json.loads(run(pki, *words, "--json", code=1).stdout)
        assert {Path(d["file"]).name: d["verdict"] for d in shown["documents"]} == {"tốt.pdf": "valid", "mất.pdf": "undetermined", "mất.asice": "undetermined"}
        assert against(shown, schema(), schema()["$defs"]) == []


def test_a_folder_that_may_not_be_opened_is_a_doubt(pki: Pki, tmp_path: Path) -> None:
    shutil.copy(pki.document, tmp_path / "good.pdf")
    (tmp_path / "closed").mkdir(mode=0)
    if os.access(tmp_path / "closed", os.R_OK):
        pytest.skip("root may open every folder")
    assert json.loads(run(pki, tmp_path, "--json", code=1).stdout)["summary"]["undetermined"] == 1
    assert [p.name for p in expand([str(tmp_path)])] == ["closed", "good.pdf"]


def test_evidence_is_explained_too(pki: Pki, tmp_path: Path) -> None:
    broken = tmp_path / "chứng cứ.asice"
    broken.write_bytes(b"PK\x03\x04 cut")
    told = run(pki, broken, "--explain", code=1).stdout
    assert "evidence.invalid" in told and CATALOGUE["evidence.invalid"].remedy_vi in " ".join(told.split())


def test_stopping_says_so_in_one_line_and_leaves_nothing(pki: Pki, tmp_path: Path) -> None:
    for number in range(60):
        os.link(pki.document, tmp_path / f"{number}.pdf")
    spool = tmp_path / "tmp"
    spool.mkdir()
    program = [sys.executable, "-c", "from exchange.cli import main; main()", "verify", str(tmp_path), "--trust", str(pki.folder / "trust"), "--jsonl"]
    process = subprocess.Popen(
        program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True, env={**os.environ, "TMPDIR": str(spool)}
    )
    assert process.stdout is not None and process.stdout.readline()
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to every process of the group
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130 and said.decode().split() == ["vanthu:", "đã", "dừng", "theo", "yêu", "cầu.", "/", "stopped."]
    assert list(spool.iterdir()) == []
