"""Reports and screens over verdicts of every kind: complete, true, escaped, valid against their schemas."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from lxml import etree
from rich.console import Console

from exchange.cli import cli
from signing import wording
from signing.explain import explain
from signing.reasons import CATALOGUE, reason
from signing.report import Indication, PdfVerdict, Role, State, to_json
from signing.report_html import html_report, index_page
from signing.report_json import FORMAT, Summary, document_report, line, report, schema, tool
from signing.report_xml import SUB_INDICATIONS, VR, etsi_report, true_indication
from signing.show import Screen
from signing.sub_verdicts import QUESTIONS, answers, excused, outcome, standing
from tests.unit import report_samples as samples

ROOT = Path(__file__).resolve().parents[2]
every = pytest.mark.parametrize("sample", samples.EVERY, ids=lambda f: f.__name__)
Sample = Callable[[], PdfVerdict]
_ETSI = files("schemas") / "etsi"


# ——— JSON ———


def test_the_schema_file_is_what_the_types_say() -> None:
    assert json.loads((ROOT / "schemas" / "report.schema.json").read_text()) == schema()


def against(value: Any, rule: dict[str, Any], definitions: dict[str, Any], at: str = "$") -> list[str]:
    """Where `value` breaks the schema: as much of draft 2020-12 as the schema uses."""
    if "$ref" in rule:
        return against(value, definitions[rule["$ref"].rsplit("/", 1)[1]], definitions, at)
    if "anyOf" in rule:
        found = [against(value, option, definitions, at) for option in rule["anyOf"]]
        return [] if any(not f for f in found) else [f"{at}: no alternative: {min(found, key=len)}"]
    if "const" in rule:
        return [] if value == rule["const"] else [f"{at}: {value!r}"]
    kinds = {"string": str, "integer": int, "number": (int, float), "boolean": bool, "null": type(None), "array": list, "object": dict}
    if "type" in rule and (not isinstance(value, kinds[rule["type"]]) or (rule["type"] in ("integer", "number") and isinstance(value, bool))):
        return [f"{at}: {value!r} is no {rule['type']}"]
    problems: list[str] = []
    if "enum" in rule and value not in rule["enum"]:
        problems.append(f"{at}: {value!r}")
    if rule.get("format") == "date-time" and datetime.fromisoformat(value).tzinfo is None:
        problems.append(f"{at}: no zone")
    if isinstance(value, list):
        rules = rule.get("prefixItems") or [rule["items"]] * len(value)
        problems += [p for i, (v, r) in enumerate(zip(value, rules, strict=True)) for p in against(v, r, definitions, f"{at}[{i}]")]
    if isinstance(value, dict) and "properties" in rule:
        problems += [f"{at}: {name} is missing" for name in rule["required"] if name not in value]
        problems += [f"{at}: {name} is unknown" for name in value if name not in rule["properties"]]
        problems += [p for n, v in value.items() if n in rule["properties"] for p in against(v, rule["properties"][n], definitions, f"{at}.{n}")]
    return problems


@every
def test_the_json_report_follows_its_schema(sample: Sample) -> None:
    document = document_report("a.pdf", sample(), judged_at=samples.NOW)
    made = json.loads(json.dumps(report([document], Summary(1, 1, 0, 0, 0.1, {}), made_at=samples.NOW)))
    described = schema()
    assert against(made, described, described["$defs"]) == []
    one = json.loads(json.dumps(line(document, made_at=samples.NOW)))
    assert against(one, described["$defs"]["Line"], described["$defs"]) == []
    del made["documents"][0]["verdict_vi"]
    assert against(made, described, described["$defs"])


def test_the_json_report_says_it_all() -> None:
    made = to_json(document_report("a.pdf", samples.tampered(), judged_at=samples.NOW, claimed=True))
    assert (made["verdict_vi"], made["verdict_en"], made["policy"], made["judged_at_claimed"]) == ("KHÔNG HỢP LỆ", "NOT VALID", "nd30", True)
    assert made["reasons"][0]["remedy_vi"] == CATALOGUE["pdf.tampered.changed"].remedy_vi and made["reasons"][0]["remedy_en"]
    assert [a["code"] for a in made["signatures"][0]["answers"]] == list(QUESTIONS)
    assert made["signatures"][0]["finding"]["chain"][2]["subject"] == samples.ROOT.subject
    assert line(document_report("a.pdf", samples.valid()), made_at=samples.NOW)["format"] == FORMAT


# ——— Sub-verdicts and explanations ———


def named(verdict: PdfVerdict, number: int = 0) -> dict[str, State]:
    return {a.code: a.state for a in answers(verdict.findings.signatures[number])}


def test_sub_verdicts_by_law() -> None:
    assert set(named(samples.valid()).values()) == {State.PASSED}
    changed = named(samples.tampered())
    assert changed["INTEGRITY"] is State.FAILED and changed["KEY-MATCH"] is State.PASSED and changed["CERT"] is State.PASSED
    assert named(samples.revoked())["STATUS"] is named(samples.revoked())["CERT"] is State.FAILED
    late = named(samples.undetermined())
    assert late["VALIDITY"] is late["STATUS"] is late["CERT"] is State.INDETERMINATE and late["INTEGRITY"] is State.PASSED


def test_sub_verdicts_without_named_checks() -> None:
    """An older verifier fills fewer fields; nothing is then claimed that was not found."""
    bare = named(samples.timestamped())
    assert bare["INTEGRITY"] is State.PASSED and bare["CERT"] is bare["STATUS"] is State.INDETERMINATE
    broken = dataclasses.replace(samples.timestamped().findings.signatures[0], intact=False)
    assert {a.code: a.state for a in answers(broken)}["INTEGRITY"] is State.FAILED
    usage = dataclasses.replace(broken, reasons=(reason("signature.key_usage"),))
    assert {a.code: a.state for a in answers(usage)}["SCOPE"] is State.FAILED


def test_no_signature_stands_in_a_tampered_file() -> None:
    # The indication alone says TOTAL-PASSED; an unlawful change decides.
    changed = samples.tampered().findings.signatures[0]
    assert changed.indication is Indication.PASSED and outcome(changed) is State.FAILED
    verdict = samples.valid()
    assert standing(verdict, verdict.findings.signatures[0]) is State.PASSED
    behind = dataclasses.replace(verdict, reasons=(reason("pdf.tampered.bytes"),))
    assert outcome(behind.findings.signatures[0]) is State.PASSED and standing(behind, behind.findings.signatures[0]) is State.FAILED


def tolerant() -> PdfVerdict:
    """A policy that leaves later signatures in new fields to others, as ``crypto-only`` does: VALID, with a warning."""
    failed = (State.FAILED, "signature.undeclared_field")
    signature = dataclasses.replace(
        samples.valid().findings.signatures[0],
        indication=Indication.FAILED,
        sub_indication="FORMAT_FAILURE",
        checks=samples.checks(later_changes=failed),
        reasons=(reason("signature.undeclared_field", "NguoiKy", "Sig2"),),
    )
    return dataclasses.replace(samples.valid(), policy="crypto-only", findings=samples.findings(signature), warnings=signature.reasons)


def test_what_the_policy_only_warns_of_is_neither_good_nor_bad() -> None:
    verdict = tolerant()
    (signature,) = verdict.findings.signatures
    assert standing(verdict, signature) is State.INDETERMINATE and outcome(signature) is State.FAILED
    integrity = answers(signature, excused(verdict))[0]
    assert integrity.state is State.PASSED and "chính sách chỉ lưu ý" in integrity.vi
    assert [(e.reason, e.warning) for e in explain(verdict)] == [("signature.undeclared_field", True)]
    assert true_indication(verdict, signature) == (State.INDETERMINATE, "SIG_CONSTRAINTS_FAILURE")
    assert b"constraintStatus:overridden" in etsi_report(verdict, made_at=samples.NOW)
    # An unlawful change is never excused.
    worse = dataclasses.replace(signature, changes=(samples.Change("page", "1", 3, False),))
    assert standing(verdict, worse) is State.FAILED
    assert standing(dataclasses.replace(verdict, reasons=signature.reasons), signature) is State.FAILED


def told(verdict: PdfVerdict) -> str:
    return "\n".join(f"{e.place} {e.check} {e.found_vi} {e.needed_vi} " + " ".join(vi for vi, _ in e.facts) for e in explain(verdict))


def test_explanations_name_the_concrete_thing() -> None:
    assert explain(dataclasses.replace(samples.valid(), warnings=())) == ()
    changed = told(samples.tampered())
    assert "bản 3: thay đổi trang (trang 1)" in changed and "DSS" not in changed and "Thiếu chữ ký số của cơ quan" in changed
    assert "bị thu hồi 25/10/2026 10:00:00 +07:00" in told(samples.revoked())
    late = told(samples.undetermined())
    assert "không muộn hơn 21/11/2026 10:00:00 +07:00" in late
    assert "cần CRL hoặc OCSP của CA phục vụ cơ quan nhà nước (mô phỏng)" in late
    assert "TimeoutError: wall clock" in told(samples.unreadable())


def test_one_reason_behind_two_checks_is_told_once() -> None:
    verdict = samples.tampered()
    changed = (State.FAILED, "pdf.tampered.changed")
    signature = dataclasses.replace(verdict.findings.signatures[0], checks=samples.checks(later_changes=changed, status=changed))
    twice = dataclasses.replace(verdict, findings=dataclasses.replace(verdict.findings, signatures=(signature,)))
    assert [e.check for e in explain(twice) if e.reason == "pdf.tampered.changed"] == ["later_changes"]
    only = dataclasses.replace(signature, checks=samples.checks(status=changed))
    alone = explain(dataclasses.replace(verdict, findings=dataclasses.replace(verdict.findings, signatures=(only,))))
    assert [e.check for e in alone if e.reason == "pdf.tampered.changed"] == ["later_changes"] and alone[0].facts


@every
def test_every_reason_is_explained_once_in_both_languages(sample: Sample) -> None:
    verdict = sample()
    found = explain(verdict)
    codes = {e.reason for e in found}
    assert {r.code for r in (*verdict.reasons, *verdict.warnings)} <= codes
    assert len({(e.place, e.reason, e.check) for e in found}) == len(found)
    assert all(e.found_vi and e.found_en and e.found_vi != e.found_en for e in found)
    assert all(e.needed_vi and e.needed_en for e in found if e.reason in CATALOGUE)


# ——— ETSI TS 119 102-2 ———


@pytest.fixture(scope="module")
def etsi() -> etree.XMLSchema:
    # No network: every import names a file beside it.
    with (_ETSI / "ts_119102-2_v1.2.2.xsd").open("rb") as file:
        return etree.XMLSchema(etree.parse(file, etree.XMLParser(no_network=True), base_url=str(_ETSI) + "/"))


def test_the_schemas_stand_alone() -> None:
    names = {p.name for p in _ETSI.iterdir()}
    for name in names - {"README.md"}:
        tree = etree.fromstring((_ETSI / name).read_bytes(), etree.XMLParser(no_network=True))
        named = {e.get("schemaLocation") for e in tree.iter("{http://www.w3.org/2001/XMLSchema}import", "{http://www.w3.org/2001/XMLSchema}include")}
        assert named <= names, name


def variations(verdict: PdfVerdict) -> list[PdfVerdict]:
    """The same with fields left out, as other paths and older verifiers do."""
    bare = [
        dataclasses.replace(
            s, checks=(), chain=(), certificate=None, revocations=(), timestamps=(), claimed_time=None, best_time=None, byte_range=(), message_digest=b""
        )
        for s in verdict.findings.signatures
    ]
    findings = dataclasses.replace(verdict.findings, signatures=tuple(bare), judged_at=None)
    return [verdict, dataclasses.replace(verdict, findings=findings)]


@every
def test_the_etsi_report_is_valid(sample: Sample, etsi: etree.XMLSchema) -> None:
    for verdict in (*variations(sample()), tolerant()):
        tree = etree.fromstring(etsi_report(verdict, made_at=samples.NOW))
        assert etsi.validate(tree), etsi.error_log
        assert len(tree.findall(f"{{{VR}}}SignatureValidationReport")) == max(1, len(verdict.findings.signatures))
        for main in tree.iterfind(f".//{{{VR}}}SignatureValidationStatus/{{{VR}}}MainIndication"):
            assert main.text is not None
            assert verdict.indication is Indication.PASSED or not main.text.endswith("total-passed")


def values(verdict: PdfVerdict, path: str) -> list[str]:
    tree = etree.fromstring(etsi_report(verdict, made_at=samples.NOW))
    return [(e.text or "").rsplit(":", 1)[-1] for e in tree.iterfind("/".join([".", *(f"{{{VR}}}{name}" for name in path.split("/"))]).replace("./", ".//", 1))]


def test_the_etsi_report_tells_the_truth() -> None:
    status = "SignatureValidationReport/SignatureValidationStatus/"
    assert values(samples.valid(), status + "MainIndication") == ["total-passed", "total-passed"]
    assert values(samples.valid(), status + "SubIndication") == []
    # The finding itself says TOTAL-PASSED, as an AdES process without difference analysis does.
    assert samples.tampered().findings.signatures[0].indication is Indication.PASSED
    assert values(samples.tampered(), status + "MainIndication") == ["total-failed"]
    assert values(samples.tampered(), status + "SubIndication") == ["HASH_FAILURE"]
    assert values(samples.unsigned(), status + "SubIndication") == ["SIGNED_DATA_NOT_FOUND"]


def test_a_policy_that_is_not_met_is_never_total_passed() -> None:
    verdict = samples.valid()
    signature = verdict.findings.signatures[0]
    half = dataclasses.replace(samples.unsigned(), findings=verdict.findings)
    assert true_indication(verdict, signature) == (State.PASSED, "")
    assert true_indication(half, signature) == (State.INDETERMINATE, "SIG_CONSTRAINTS_FAILURE")
    behind = dataclasses.replace(samples.tampered(), findings=verdict.findings)
    assert true_indication(behind, signature) == (State.FAILED, "HASH_FAILURE")
    odd = dataclasses.replace(signature, indication=Indication.INDETERMINATE, sub_indication="SOMETHING_ELSE")
    state, sub = true_indication(dataclasses.replace(verdict, sub_indication="NONSENSE"), odd)
    assert state is State.INDETERMINATE and sub in SUB_INDICATIONS


@pytest.mark.parametrize("sub", sorted(SUB_INDICATIONS))
def test_total_failed_goes_with_the_sub_indications_that_the_standard_pairs_with_it(sub: str) -> None:
    verdict = samples.tampered()
    failed = dataclasses.replace(verdict.findings.signatures[0], indication=Indication.FAILED, sub_indication=sub)
    for outer in (sub, ""):
        for one in (failed, verdict.findings.signatures[0]):
            state, said = true_indication(dataclasses.replace(verdict, sub_indication=outer), one)
            assert state is State.FAILED and said in {"FORMAT_FAILURE", "HASH_FAILURE", "SIG_CRYPTO_FAILURE", "REVOKED", "EXPIRED", "NOT_YET_VALID"}


def test_the_etsi_report_holds_what_the_verdict_rests_on() -> None:
    tree = etree.fromstring(etsi_report(samples.revoked(), made_at=samples.NOW))
    text = etree.tostring(tree, encoding="unicode")
    for wanted in (
        "urn:etsi:019102:validationObject:certificate",
        "urn:etsi:019102:validationObject:OCSPResponse",
        "RevocationTime>2026-10-25T03:00:00Z<",
        "http://www.w3.org/2007/05/xmldsig-more#sha256-rsa-MGF1",
        "SecureAlgorithm>true<",
        "urn:etsi:019102:poetype:validation",
        "SignatureTimeStamp",
        "urn:vanthu:difference-analysis",
        'name="KEY-MATCH"',
        "PolicyName>crypto-only<",
        "urn:vanthu:constraint:revocation",
        "ByteRange>0 60000 76386 3000<",
        samples.AGENCY.subject,
    ):
        assert wanted in text, wanted
    unlawful = etsi_report(samples.tampered(), made_at=samples.NOW).decode()
    assert 'kind="page" what="trang 1" revision="3" lawful="false"' in unlawful


# ——— HTML ———


class Page(HTMLParser):
    """Collects what a browser would act on."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.stack: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in ("meta", "br", "line", "rect", "circle"):
            self.stack.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.stack and self.stack.pop() == tag, tag

    def handle_data(self, data: str) -> None:
        self.text += data


@every
def test_the_page_is_self_contained_and_escaped(sample: Sample) -> None:
    verdict = sample()
    text = html_report(verdict.findings.name, verdict, made_at=samples.NOW)
    page = Page(text)
    assert page.stack == []
    assert not {"script", "iframe", "img", "link", "object", "form", "base"} & set(page.tags)
    names = [name for name, _ in page.attributes]
    assert not [n for n in names if n.startswith("on") or n in ("src", "srcset", "style", "action")]
    assert all(value.startswith("#") for name, value in page.attributes if name == "href")
    assert "url(" not in text and "@import" not in text and "http://" not in text and "https://" not in text
    assert ("default-src 'none'" in text) and 'lang="vi"' in text
    assert not re.search("[\x00-\x09\x0b-\x1f\u202a-\u202e]", text)
    ids = [value for name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids))


def test_the_page_says_it_all() -> None:
    page = Page(html_report("125.pdf", samples.tampered(), made_at=samples.NOW, claimed=True))
    for wanted in (
        "KHÔNG HỢP LỆ",
        "NOT VALID",
        "Xét tại thời điểm người ký tự khai",
        "Bản 3/3",
        "✗ thay đổi trang; thêm hoặc sửa chú thích",
        "Nguyễn Văn A (mô phỏng)",
        "CA gốc chuyên dùng (mô phỏng)",
        CATALOGUE["pdf.tampered.changed"].remedy_vi,
        CATALOGUE["pdf.tampered.changed"].remedy_en,
        "sha256sum -- '125.pdf'",
        samples.tampered().findings.sha256,
    ):
        assert wanted in page.text, wanted


def test_a_file_name_cannot_leave_its_quotes() -> None:
    page = Page(html_report("a'; rm -rf ~ #.pdf", samples.valid(), made_at=samples.NOW))
    assert "sha256sum -- 'a'\\''; rm -rf ~ #.pdf'" in page.text


def test_a_timeline_of_many_revisions_stays_small() -> None:
    many = tuple(samples.signature(Role.PERSON, samples.PERSON, f"S{n}", n, revisions=60) for n in range(1, 61))
    verdict = dataclasses.replace(samples.valid(), findings=samples.findings(*many, revisions=60))
    page = Page(html_report("a.pdf", verdict, made_at=samples.NOW))
    assert page.tags.count("rect") <= 24 and "Bản 60/60" in page.text


def test_the_index_counts_and_links() -> None:
    documents = [(f"{f.__name__}.pdf", f(), f"{n:04d}-{f.__name__}.html") for n, f in enumerate(samples.EVERY)]
    page = Page(index_page([*documents, ("<b>.pdf", samples.valid(), "0009-_b_.html")], made_at=samples.NOW))
    assert "2 HỢP LỆ" in page.text and "<b>.pdf" in page.text
    assert ("href", "0000-valid.html") in page.attributes and "script" not in page.tags


# ——— Terminal ———


def printed(verdict: PdfVerdict, width: int, lang: str = "vi") -> str:
    screen = Screen(lang=lang)
    screen.out = Console(width=width, highlight=False, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    screen.verdict(verdict.findings.name or "a.pdf", verdict)
    screen.explanations(explain(verdict))
    screen.out.file.close()
    return screen.out.export_text()


@every
@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("lang", ["vi", "en"])
def test_the_screen_fits_and_cannot_be_hijacked(sample: Sample, width: int, lang: str) -> None:
    verdict = sample()
    text = printed(verdict, width, lang)
    label = verdict.verdict.vi if lang == "vi" else verdict.verdict.en
    assert text.startswith(label)
    assert max(len(row) for row in text.splitlines()) <= width
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", text)


def test_the_screen_says_who_when_how() -> None:
    text = " ".join(printed(samples.valid(), 120).split())
    for wanted in (
        "1. Nguyễn Văn A (mô phỏng) người có thẩm quyền",
        "khai 24/11/2026 08:00:00 +07:00",
        "chứng minh 24/11/2026 08:00:03 +07:00 (dấu thời gian trên chữ ký)",
        "✓ Dẫn tới gốc tin cậy CA gốc chuyên dùng (mô phỏng).",
        "✓ Không bị thu hồi (CRL nhúng trong tệp, 23/11/2026 10:00:00 +07:00).",
        "RSASSA-PSS · RSA-3072 · SHA-256 — đạt chuẩn 2025",
        "NguoiKy · B-LT",
        "✓ bản 3: điền chữ ký vào trường đã khai báo (CoQuan)",
        samples.valid().findings.sha256,
    ):
        assert wanted in text, wanted
    assert "✗ 1. Nguyễn Văn A" in printed(samples.tampered(), 80)


# ——— Words ———


def test_every_code_has_words_in_both_languages() -> None:
    for table in (v for v in vars(wording).values() if isinstance(v, dict) and v and all(isinstance(e, tuple) for e in v.values())):
        assert all(vi and en for vi, en in table.values())
    assert set(samples.CODES) <= set(wording.CHECKS)
    assert wording.words(wording.CHANGES, "something new") == ("something new", "something new")


def test_names_and_numbers_for_people() -> None:
    assert wording.common_name("CN=Nguyễn\\, Văn A,O=Sở,C=VN") == "Nguyễn, Văn A"
    assert wording.common_name("O=Sở\\,CN=Giả") == "O=Sở,CN=Giả"
    assert wording.size_of(1234567) == "1.234.567"
    assert wording.algorithm("pkcs1v15", "RSA-2048", "sha3_256") == "RSA PKCS#1 v1.5 · RSA-2048 · SHA3-256"
    assert wording.local(samples.NOW + timedelta(hours=14)) == "25/11/2026 00:00:00 +07:00"
    assert wording.safe("a\nb\x1b[2J\u202ec") == "a\ufffdb\ufffd[2J\ufffdc"
    assert wording.safe(samples.valid()) == samples.valid()


def test_a_report_names_the_release_that_made_it() -> None:
    printed = CliRunner().invoke(cli, ["--version"]).output
    assert re.fullmatch(r"\d+\.\d+\.\d+", tool().version) and printed.split()[-1] == tool().version
    assert all(version != "0" for version in tool().libraries.values())
