"""show_evidence — an evidence file on screen: who did what when; what is proven, only claimed, missing."""

from __future__ import annotations

from rich.padding import Padding
from rich.text import Text

from signing.evidence import EvidenceReport, Standing
from signing.report import Verdict
from signing.show import Screen, event_label, moment
from signing.wording import safe

_STYLE = {Standing.PROVEN: "green", Standing.CLAIMED: "yellow", Standing.MISSING: "red"}
_COLUMNS = (
    ("Thời điểm (+07:00)", "Time (+07:00)"),
    ("Ai", "Who"),
    ("Việc", "What"),
    ("Bên nhận", "Recipient"),
    ("Căn cứ", "Standing"),
)


def show_evidence(screen: Screen, report: EvidenceReport) -> None:
    """The report for people: the document, a line for each act, then the statements by how they stand."""
    if screen.as_json:
        return
    report = safe(report)
    facts = (("Văn bản", "Document", report.document_id), ("Bên gửi", "Sender", report.sender), ("Gói tin", "Package", f"SHA-256\n    {report.package_sha256}"))
    for vi, en, value in facts:
        screen.out.print(Text(f"  {screen.word(vi, en)}: {value}"))
    rows = []
    for act in report.acts:
        # The code stands beside the name on the seal unless the next column has it, or the hub entered what was sealed.
        code = f" ({act.by})" if act.by not in ("hub", act.recipient) else ""
        who = f"{act.signer}{code}" if act.signer else screen.word("trục", "the hub") if act.by == "hub" else act.by
        rows.append((_moment(act.at), who, event_label(screen, act.event, act.status, act.why), act.recipient, screen.word(act.standing.vi, act.standing.en)))
    screen.table(("Ai làm gì, khi nào", "Who did what, when"), _COLUMNS, rows)
    for name, _, word in report.files:
        verdict = Verdict(word) if word else None
        screen.out.print(Text(f"  {name}: {screen.word(verdict.vi, verdict.en) if verdict else '—'}"))
    for standing in Standing:
        statements = [s for s in report.statements if s.standing is standing]
        if statements:
            screen.out.print(Text(screen.word(standing.vi, standing.en), style=f"bold {_STYLE[standing]}"))
        for statement in statements:
            screen.out.print(Padding(Text(f"· {screen.word(statement.vi, statement.en)}"), (0, 0, 0, 2), expand=False))
    screen.reasons(report.reasons)


def _moment(value: str) -> str:
    try:
        return moment(value)
    except ValueError:
        return value[:32]
