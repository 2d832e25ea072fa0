"""The auditor's command line as a person uses it: files, folders, reports, exit codes. Real files, real workers."""

from __future__ import annotations

import importlib
import json
import shutil
import subprocess
import sys
from datetime import timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from lxml import etree

from signing.batch import Question, claimed_time, guess_kind, verify_file
from signing.cli_inspect import inspect
from signing.cli_verify import verify
from signing.errors import RenderFailed
from signing.keys import open_key
from signing.render import side_by_side
from signing.report import PdfVerdict, Verdict
from signing.report_json import schema
from signing.report_pdf import pdf_report, write_pdf_report
from signing.revisions import revisions
from signing.sandbox import Sandbox
from signing.trust import Trust
from signing.verify_pdf import verify_pdf
from signing.which_files import NothingThere, expand
from tests.house import SENDER, Pki, letter
from tests.unit import report_samples as samples
from tests.unit.test_reports import against

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def folder(pki: Pki, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as it comes: good, half-signed, unsigned, tampered and broken files, in sub-folders."""
    root = tmp_path_factory.mktemp("incoming")
    shutil.copy(pki.document, root / "good.pdf")
    (root / "sub" / "deep").mkdir(parents=True)
    shutil.copy(pki.folder / "half.pdf", root / "sub" / "half.PDF")
    letter(root / "sub" / "unsigned.pdf")
    data = pki.document.read_bytes()
    (root / "sub" / "deep" / "trailing.pdf").write_bytes(data + b"% more\n")
    (root / "sub" / "deep" / "flipped.pdf").write_bytes(data.replace(b"(Cong van)", b"(Cong hoa)"))
    (root / "sub" / "junk.pdf").write_bytes(b"%PDF-1.4 junk")
    (root / "note.txt").write_text("not a PDF")
    return root


def run(pki: Pki, *arguments: object, code: int, command: Any = verify) -> Result:
    # One worker is started faster than two, and the files are few.
    jobs = ["--jobs", "1"] if command is verify and "--jobs" not in arguments else []
    result = CliRunner().invoke(command, ["--trust", str(pki.folder / "trust"), *jobs, *map(str, arguments)], env={"COLUMNS": "100"})
    assert result.exit_code == code, result.output
    return result


def test_one_document(pki: Pki) -> None:
    text = run(pki, pki.document, code=0).stdout
    assert text.startswith("HỢP LỆ  document.pdf")
    assert "Nguyễn Văn A (mô phỏng)" in text and "Tổng hợp" not in text and "Cần khác đi" not in text
    english = run(pki, pki.document, "--lang", "en", code=0).stdout
    assert english.startswith("VALID  document.pdf") and "The signed content is intact." in english


def test_a_folder_in_json(pki: Pki, folder: Path) -> None:
    made = json.loads(run(pki, folder, "--json", "--jobs", 2, code=1).stdout)
    assert against(made, schema(), schema()["$defs"]) == []
    verdicts = {Path(d["file"]).name: d["verdict"] for d in made["documents"]}
    assert verdicts == {
        "good.pdf": "valid",
        "half.PDF": "undetermined",
        "unsigned.pdf": "undetermined",
        "junk.pdf": "undetermined",
        "trailing.pdf": "invalid",
        "flipped.pdf": "invalid",
    }
    assert [d["file"] for d in made["documents"]] == sorted(d["file"] for d in made["documents"])
    assert (made["summary"]["files"], made["summary"]["valid"], made["summary"]["invalid"]) == (6, 1, 2)
    assert made["summary"]["reasons"]["pdf.tampered.bytes"] == 1


def test_a_folder_for_people(pki: Pki, folder: Path) -> None:
    text = run(pki, folder, "--explain", code=1).stdout
    assert "✓ HỢP LỆ  " in text and "✗ KHÔNG HỢP LỆ  " in text and "pdf.tampered.bytes" in text
    assert "Tổng hợp" in text and "Lý do thường gặp" in text and "Chậm nhất" in text
    size = (folder / "good.pdf").stat().st_size
    told = f"chữ ký cuối cùng bao phủ tới byte {size:,}; tệp dài {size + 7:,} byte".replace(",", ".")
    assert told in " ".join(text.split())


def test_lines_of_json_patterns_and_stopping_early(pki: Pki, folder: Path) -> None:
    lines = run(pki, folder / "sub" / "**" / "*.pdf", "--jsonl", "--fail-fast", "--jobs", 1, code=1).stdout.splitlines()
    assert len(lines) == 1
    described = schema()
    made = json.loads(lines[0])
    assert against(made, described["$defs"]["Line"], described["$defs"]) == [] and made["document"]["verdict"] == "invalid"


def test_what_is_not_a_question_is_a_usage_error(pki: Pki, tmp_path: Path) -> None:
    assert "does not exist" in run(pki, tmp_path / "none.pdf", code=2).output
    assert "--key" in run(pki, pki.document, "--report-pdf", tmp_path / "r.pdf", code=2).output
    assert "ISO 8601" in run(pki, pki.document, "--at", "yesterday", code=2).output
    assert "policy.unusable" in run(pki, pki.document, "--policy", "made-up", code=2).output
    assert "no PDF" in run(pki, tmp_path, code=2).output
    (tmp_path / "file").touch()
    assert "file" in run(pki, pki.document, "--html", tmp_path / "file" / "r.html", code=2).output
    nowhere = CliRunner().invoke(verify, [str(pki.document), "--trust", str(tmp_path)])
    assert nowhere.exit_code == 2 and "trust." in nowhere.output


def test_judged_at_another_time(pki: Pki) -> None:
    later = (pki.now + timedelta(days=3650)).date().isoformat()
    made = json.loads(run(pki, pki.document, "--at", later, "--json", code=1).stdout)
    assert made["documents"][0]["judged_at"].startswith(f"{later}T00:00:00+07:00") and made["documents"][0]["verdict"] == "undetermined"


def test_judged_at_the_claimed_time_says_so_loudly(pki: Pki, tmp_path: Path) -> None:
    text = run(pki, pki.document, "--at", "claimed", "--html", tmp_path / "r.html", code=0).stdout
    assert text.startswith("!! XÉT TẠI THỜI ĐIỂM NGƯỜI KÝ TỰ KHAI")
    assert "Xét tại thời điểm người ký tự khai" in (tmp_path / "r.html").read_text()
    made = json.loads(run(pki, pki.document, "--at", "claimed", "--json", code=0).stdout)["documents"][0]
    said = max(s["finding"]["claimed_time"] for s in made["signatures"])
    assert made["judged_at_claimed"] and made["judged_at"] == said


def test_reports_of_one_and_of_several(pki: Pki, folder: Path, tmp_path: Path) -> None:
    run(pki, pki.document, "--html", tmp_path / "one.html", "--etsi", tmp_path / "one.xml", code=0)
    assert "HỢP LỆ" in (tmp_path / "one.html").read_text()
    with (files("schemas") / "etsi" / "ts_119102-2_v1.2.2.xsd").open("rb") as file:
        etsi = etree.XMLSchema(etree.parse(file, base_url=str(files("schemas") / "etsi") + "/"))
    assert etsi.validate(etree.parse(tmp_path / "one.xml")), etsi.error_log
    (tmp_path / "there").mkdir()
    run(pki, pki.document, "--html", tmp_path / "there", code=0)
    assert [p.name for p in (tmp_path / "there").iterdir()] == ["0001-document.html"]
    run(pki, folder, "--html", tmp_path / "pages", "--etsi", tmp_path / "xml", code=1)
    index = (tmp_path / "pages" / "index.html").read_text()
    assert all(page.name in index for page in (tmp_path / "pages").glob("0*.html")) and len(list((tmp_path / "pages").iterdir())) == 7
    for made in (tmp_path / "xml").iterdir():
        tree = etree.parse(made)
        assert etsi.validate(tree), etsi.error_log
        assert (b"total-passed" in made.read_bytes()) == ("good" in made.name), made.name


def test_the_pdf_report_is_signed(pki: Pki, folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("typst")
    target, key = tmp_path / "report.pdf", pki.folder / "agencies" / SENDER / "seal.pem"
    run(pki, folder / "sub" / "deep" / "trailing.pdf", "--report-pdf", target, "--key", key, code=1)
    findings = verify_pdf(target, Trust.load(pki.folder / "trust"), at=pki.now + timedelta(hours=1))
    assert [s.intact and s.trusted for s in findings.signatures] == [True]
    pdfium = pytest.importorskip("pypdfium2")
    text = " ".join(pdfium.PdfDocument(target)[0].get_textpage().get_text_range().split())
    for wanted in ("KHÔNG HỢP LỆ", "NOT VALID", "trailing.pdf", "Văn bản đã bị thay đổi sau khi ký", "hãy xin lại tệp gốc"):
        assert wanted in text, wanted


@pytest.mark.parametrize("sample", samples.EVERY, ids=lambda f: f.__name__)
def test_pdf_reports_of_every_kind(sample: Any, tmp_path: Path) -> None:
    pytest.importorskip("typst")
    pdfium = pytest.importorskip("pypdfium2")
    verdict: PdfVerdict = sample()
    text = "".join(page.get_textpage().get_text_range() for page in pdfium.PdfDocument(pdf_report("a #panic() [.pdf", verdict, made_at=samples.NOW)))
    assert verdict.verdict.vi in text and "#panic() [" in text
    assert "<script>alert(1)" in text or sample is not samples.hostile
    write_pdf_report(tmp_path / "plain.pdf", "a.pdf", verdict, made_at=samples.NOW)
    assert (tmp_path / "plain.pdf").read_bytes().startswith(b"%PDF")


def test_without_the_extras_the_message_says_what_to_install() -> None:
    """A process that cannot import typst or pypdfium2, as on a machine without the extras."""
    script = (
        "import sys; sys.modules['typst'] = sys.modules['pypdfium2'] = None\n"
        "from pathlib import Path\nfrom signing.errors import SigningError\n"
        "from signing.report_pdf import pdf_report\nfrom signing.render import side_by_side\n"
        "from tests.unit.report_samples import NOW, valid\n"
        "for call in (lambda: pdf_report('a', valid(), made_at=NOW), lambda: list(side_by_side(Path('a'), 1, ('', '')))):\n"
        "    try:\n        call()\n    except SigningError as error:\n        print(error.code, error.vi)\n"
    )
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=True)
    assert "report.unavailable" in done.stdout and "vanthu[report]" in done.stdout
    assert "render.unavailable" in done.stdout and "vanthu[render]" in done.stdout


# ——— The batch ———


def test_names_folders_and_patterns(folder: Path) -> None:
    assert {p.name for p in expand([str(folder)])} == {"good.pdf", "half.PDF", "unsigned.pdf", "trailing.pdf", "flipped.pdf", "junk.pdf"}
    assert expand([str(folder / "good.pdf"), str(folder / "*.pdf")]) == [folder / "good.pdf"]
    assert [p.name for p in expand([str(folder / "note.txt")])] == ["note.txt"]
    with pytest.raises(NothingThere):
        expand([str(folder / "*.docx")])


def test_only_a_mark_makes_an_attachment() -> None:
    """A missing person's signature must not turn a document into an attachment, which needs none."""
    bare = samples.signature(samples.Role.AGENCY, samples.AGENCY, "CoQuan", 3)
    mark = samples.MarkFact("attachment", 1, (0.0, 0.0, 1.0, 1.0))
    assert guess_kind(samples.findings(bare)) == "document"
    marked = samples.signature(samples.Role.AGENCY, samples.AGENCY, "CoQuan", 3, mark=mark)
    assert guess_kind(samples.findings(marked)) == "attachment"
    person = samples.signature(samples.Role.PERSON, samples.PERSON, "NguoiKy", 2)
    assert guess_kind(samples.findings(person, marked)) == "document"
    assert claimed_time(samples.findings(person, marked)) == marked.claimed_time and claimed_time(samples.findings()) is None


def test_the_kind_is_guessed_in_the_batch_too(pki: Pki, sandbox: Sandbox) -> None:
    trust = Trust.load(pki.folder / "trust")
    guessed = verify_file(pki.document, Question(trust, pki.now + timedelta(minutes=1), kind="auto"), sandbox)
    assert guessed.verdict is Verdict.VALID and isinstance(guessed.result, PdfVerdict) and guessed.result.kind == "document"


def test_a_broken_evidence_file_is_a_reason(pki: Pki, sandbox: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "x.asice"
    path.write_bytes(b"PK not really")
    outcome = verify_file(path, Question(Trust.load(pki.folder / "trust"), pki.now), sandbox)
    assert outcome.verdict is Verdict.INVALID and outcome.reasons[0].code.startswith("evidence")
    result = run(pki, path, "--html", tmp_path / "r.html", "--json", code=1)
    assert "không có báo cáo nào được ghi" in result.stderr and not (tmp_path / "r.html").exists()
    made = json.loads(result.stdout)
    assert against(made, schema(), schema()["$defs"]) == [] and made["documents"][0]["reason"]["code"].startswith("evidence")


# ——— inspect ———


def overlaid(source: Path, target: Path) -> Path:
    """`source` with one more revision that replaces the page's content stream: the text reads otherwise."""
    data = source.read_bytes()
    stream = b"BT /F1 18 Tf 72 720 Td (Cong van) Tj ET\nBT /F1 18 Tf 72 500 Td (Chi 100 ty dong) Tj ET"
    at = len(data)
    body = b"4 0 obj\n<< /Length %d >>\nstream\n%s\nendstream\nendobj\n" % (len(stream), stream)
    previous = data.rindex(b"startxref")
    start = int(data[previous + 9 :].split()[0])
    trailer = data[data.rindex(b"trailer") : previous].removeprefix(b"trailer").strip()
    inner = trailer[2:-2]
    words = inner.split(b"/Prev")
    inner = words[0] + (b" ".join(words[1].split()[1:]) if len(words) > 1 else b"")
    xref = b"xref\n4 1\n%010d 00000 n \ntrailer\n<<%s /Prev %d>>\nstartxref\n%d\n%%%%EOF\n" % (at, inner, start, at + len(body))
    target.write_bytes(data + body + xref)
    return target


def test_inspect_lists_revisions(pki: Pki) -> None:
    text = run(pki, pki.document, code=0, command=inspect).stdout
    assert "✎ Nguyễn Văn A (mô phỏng)" in text and "✎ Cơ quan gửi (mô phỏng)" in text and "Các bản" in text
    made = json.loads(run(pki, pki.document, "--json", code=0, command=inspect).stdout)
    held = made["revisions"]
    assert [r["number"] for r in held] == [1, 2, 3]
    assert [r["start"] for r in held[1:]] == [r["end"] for r in held[:-1]] and held[-1]["end"] == pki.document.stat().st_size
    ends = [s["byte_range"][2] + s["byte_range"][3] for s in made["findings"]["signatures"]]
    assert all(any(abs(end - r["end"]) <= 2 for r in held) for end in ends)
    assert dict(held[1]["kinds"])["Sig"] == 1 and held[1]["made"] is not None and held[1]["replaced"]


def test_revisions_of_odd_files(tmp_path: Path) -> None:
    path = tmp_path / "a.pdf"
    path.write_bytes(b"")
    assert revisions(path) == ()
    path.write_bytes(b"no PDF at all")
    assert [(r.start, r.end) for r in revisions(path)] == [(0, 13)]
    data = letter(path).read_bytes()
    path.write_bytes(data + b"\n% and then some")
    assert [r.end for r in revisions(path)] == [len(data), len(data) + 16]


def test_pictures_show_where_a_signed_page_was_changed(pki: Pki, tmp_path: Path) -> None:
    pytest.importorskip("pypdfium2")
    changed = overlaid(pki.document, tmp_path / "changed.pdf")
    text = run(pki, changed, "--render", tmp_path / "pictures", code=0, command=inspect).stdout
    assert "trang 1 nhìn khác bản hiện tại" in text and "pdf.tampered" in text
    assert sorted(p.name for p in (tmp_path / "pictures").iterdir()) == ["changed-ban-2-trang-001.png", "changed-ban-3-trang-001.png"]
    end = revisions(changed)[2].end
    (picture,) = side_by_side(changed, end, ("signed", "current"))
    assert picture.differs and len(picture.regions) == 1 and picture.png.startswith(b"\x89PNG")
    left, top, right, bottom = picture.regions[0]
    # Text at 72 pt from the left and 500 pt from the bottom of an A4 page, at 1400 pixels for 842 pt.
    assert 100 < left < 130 and 530 < top < 580 and right < 420 and bottom < 600


def test_pictures_of_an_unchanged_document(pki: Pki, tmp_path: Path) -> None:
    pytest.importorskip("pypdfium2")
    text = run(pki, pki.attachment, "--render", tmp_path / "none", code=0, command=inspect).stdout
    assert "Không có bản đã ký nào bị thêm gì sau đó." in text and not list((tmp_path / "none").iterdir())
    run(pki, pki.attachment, "--render", tmp_path / "all", "--all-pages", code=0, command=inspect)
    assert len(list((tmp_path / "all").iterdir())) == 1


def test_what_cannot_be_drawn_is_said(tmp_path: Path) -> None:
    pytest.importorskip("pypdfium2")
    path = tmp_path / "junk.pdf"
    path.write_bytes(b"%PDF-1.4 junk")
    with pytest.raises(RenderFailed):
        list(side_by_side(path, 5, ("a", "b")))
    with pytest.raises(RenderFailed):
        list(side_by_side(letter(path), 5_000, ("a", "b"), wall_seconds=0.0))


def test_the_verifier_needs_no_hub_to_report() -> None:
    for name in ("signing.batch", "signing.report_files", "signing.cli_inspect", "signing.report_html"):
        assert importlib.import_module(name)
    check = "import sys, signing.cli; assert not any(m.split('.')[0] in ('exchange', 'sqlalchemy') for m in sys.modules)"
    subprocess.run([sys.executable, "-c", check], check=True, cwd=Path(__file__).resolve().parents[2])


def test_a_report_key_that_may_not_sign_is_an_error(pki: Pki, tmp_path: Path) -> None:
    pytest.importorskip("typst")
    run(pki, pki.document, "--report-pdf", tmp_path / "r.pdf", "--key", pki.document, code=2)
    assert open_key(pki.folder / "agencies" / SENDER / "seal.pem") and not (tmp_path / "r.pdf").exists()
