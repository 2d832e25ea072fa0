"""show — how verdicts look in a terminal, and as JSON. People look rather than read."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import wraps
from typing import Any, TypeVar

import click
from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from signing import wording
from signing.errors import SigningError
from signing.explain import Explanation
from signing.reason_words import reason_words
from signing.report import PdfVerdict, Reason, Role, SignatureFinding, State, Verdict, to_json
from signing.sub_verdicts import CERT, INTEGRITY, KEY_MATCH, SCOPE, STATUS, VALIDITY, Answer, answers, excused, standing
from signing.wording import MARKS, ROLES, VIETNAM, Pair, common_name, event_name, local, safe, size_of, words

__all__ = ["EVENT_COLUMNS", "ROLES", "VIETNAM", "Screen", "event_label", "local", "moment", "options", "refused"]
F = TypeVar("F", bound=Callable[..., Any])
_STYLE = {Verdict.VALID: "bold green", Verdict.INVALID: "bold red", Verdict.UNDETERMINED: "bold yellow"}
_COLOUR = {State.PASSED: "green", State.FAILED: "red", State.INDETERMINATE: "yellow", State.SKIPPED: "dim"}
_SHORT: dict[str, Pair] = {VALIDITY: ("Hiệu lực", "Validity"), SCOPE: ("Phạm vi", "Scope"), STATUS: ("Trạng thái", "Status")}
_LABEL = 13  # with the margin a SHA-256 still fits on a line of 80; width of the column of labels


def options(command: F) -> F:
    """``--json`` and ``--lang`` on a command; its body gets a `Screen` as `screen`."""

    @click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
    @click.option("--lang", type=click.Choice(["vi", "en"]), default="vi", envvar="VANTHU_LANG", show_default=True, help="Language for people.")
    @wraps(command)
    def wrapped(*args: Any, as_json: bool, lang: str, **kwargs: Any) -> Any:
        return command(*args, screen=Screen(as_json=as_json, lang=lang), **kwargs)

    return wrapped  # type: ignore[return-value]

_WHOLE_WORD = 13  # characters of the longest code of an agency


class Screen:
    """Results to standard output, everything else to standard error."""

    def __init__(self, *, as_json: bool = False, lang: str = "vi") -> None:
        self.as_json, self.lang = as_json, lang
        self.out = Console(highlight=False, soft_wrap=False)
        self.err = Console(stderr=True, highlight=False)

    def say(self, vi: str, en: str) -> None:
        """One line for people."""
        if not self.as_json:
            self.out.print(vi if self.lang == "vi" else en)

    def word(self, vi: str, en: str) -> str:
        """The word in the chosen language."""
        return vi if self.lang == "vi" else en

    def value(self, value: Any) -> None:
        """The result for programs, when asked for."""
        if self.as_json:
            click.echo(json.dumps(to_json(value), ensure_ascii=False, indent=2))

    def table(self, title: tuple[str, str], columns: Sequence[tuple[str, str]], rows: Iterable[Sequence[str]]) -> None:
        """A table for people."""
        if self.as_json:
            return
        table = Table(title=self.word(*title), title_justify="left", header_style="bold", box=SIMPLE_HEAD, pad_edge=False)
        rows = [tuple(row) for row in rows]
        heads = [self.word(*column) for column in columns]
        for head, width in zip(heads, _widths(heads, rows, self.out.width), strict=True):
            table.add_column(head, overflow="fold", width=width)
        for row in rows:
            table.add_row(*(Text(cell) for cell in row))
        self.out.print(table)

    def reasons(self, reasons: Iterable[Reason]) -> None:
        """One line per reason, each once."""
        for reason in dict.fromkeys(reasons):
            place = f" [{reason.place}]" if reason.place else ""
            self.out.print(_bullet(f"{self.word(reason.vi, reason.en)} ({reason.code}){place}"))

    def verdict(self, name: str, verdict: PdfVerdict, *, at: datetime | None = None) -> None:
        """A PDF's verdict: the word first, then each signature, then why. `at` is the moment of judgement."""
        if self.as_json:
            return
        name, verdict = safe(name), safe(verdict)
        head = Text()
        head.append(self.word(verdict.verdict.vi, verdict.verdict.en), style=_STYLE[verdict.verdict])
        head.append(f"  {name}", style="bold")
        self.out.print(head)
        self.out.print(Padding(_facts(self._document_rows(verdict, at or verdict.findings.judged_at)), (0, 0, 0, 2), expand=False))
        for number, signature in enumerate(verdict.findings.signatures, 1):
            self._signature(number, signature, standing(verdict, signature), excused(verdict))
        if verdict.reasons:
            self.out.print(Text(self.word("Lý do", "Reasons"), style="bold"))
            self.reasons(verdict.reasons)
        if verdict.warnings:
            self.out.print(Text(self.word("Lưu ý (không đổi kết luận)", "Warnings (the verdict stands)"), style="bold"))
            self.reasons(verdict.warnings)

    def _document_rows(self, verdict: PdfVerdict, at: datetime | None) -> list[tuple[str, Text]]:
        findings = verdict.findings
        word = self.word
        sub = f" · {verdict.sub_indication}" if verdict.sub_indication else ""
        rule = f" · {word(*words(wording.DUAL, verdict.dual_signature.value))}" if verdict.dual_signature.value != "not_applicable" else ""
        kind = word(*words(wording.DOCUMENT_KINDS, verdict.kind))
        rows = [(word("Chính sách", "Policy"), Text(f"{verdict.policy} · {kind} · {verdict.indication.value}{sub}{rule}"))]
        if at is not None:
            rows.append((word("Xét tại", "Judged at"), Text(local(at))))
        if findings.sha256:
            rows.append(("SHA-256", Text(findings.sha256)))
        shape = word(f"{size_of(findings.size)} byte · {findings.revisions} bản", f"{size_of(findings.size)} bytes · {findings.revisions} revisions")
        if findings.syntax:
            shape += " · " + ", ".join(word(*words(wording.SYNTAX, code)) for code in findings.syntax)
        rows.append((word("Tệp", "File"), Text(shape)))
        return rows

    def _signature(self, number: int, s: SignatureFinding, state: State, lenient: frozenset[str]) -> None:
        head = Text()
        head.append(f"{MARKS[state.value]} {number}. {s.signer or s.field}", style=f"bold {_COLOUR[state]}")
        head.append(f"  {self.word(*words(ROLES, s.role.value))} · {s.field} · {s.level}", style="dim")
        self.out.print(head)
        self.out.print(Padding(_facts(self._signature_rows(s, lenient)), (0, 0, 0, 2), expand=False))

    def _signature_rows(self, s: SignatureFinding, lenient: frozenset[str]) -> list[tuple[str, Text]]:
        word, answered = self.word, {a.code: a for a in answers(s, lenient)}
        rows: list[tuple[str, Text]] = []

        def add(label: Pair, text: str | Text) -> None:
            if text:
                rows.append((word(*label), text if isinstance(text, Text) else Text(text)))

        add(("Cơ quan", "Organisation"), s.organisation)
        add(("Đóng dấu lúc", "Stamped at") if s.role is Role.TIMESTAMP else ("Ký lúc", "Signed at"), self._times(s))
        for code in (INTEGRITY, KEY_MATCH, CERT):
            add(wording.QUESTIONS[code], self._answer(answered[code]))
        for code in (VALIDITY, SCOPE, STATUS):
            rows.append(("  " + word(*_SHORT[code]), self._answer(answered[code])))
        add(("Đường tin cậy", "Trust path"), " › ".join(common_name(c.subject) for c in s.chain))
        for f in (f for f in s.revocations[1:] if f.source != "anchor"):
            rows.append(
                (word("Thu hồi CA", "CA revocation"), Text(f"{common_name(f.subject)}: {self._revocation(f.state, f.source, f.produced_at)}", style="dim"))
            )
        add(("Thuật toán", "Algorithm"), self._algorithm(s))
        add(("Thay đổi sau", "Later changes"), self._changes(s))
        add(("Dấu thời gian", "Time-stamps"), self._stamps(s) if s.role is not Role.TIMESTAMP else "")
        if s.mark is not None:
            shown = " · ".join(p for p in (word(*words(wording.MARK_KINDS, s.mark.kind)), s.mark.form, s.mark.number, s.mark.organisation) if p)
            add(("Trên trang", "On the page"), word(f"{shown} · trang {s.mark.page}", f"{shown} · page {s.mark.page}"))
        return rows

    def _answer(self, answer: Answer) -> Text:
        text = Text(f"{MARKS[answer.state.value]} ", style=_COLOUR[answer.state])
        text.append(self.word(answer.vi, answer.en), style="default" if answer.state is State.PASSED else _COLOUR[answer.state])
        return text

    def _times(self, s: SignatureFinding) -> str:
        proven = self.word(*words(wording.PROOFS, s.best_time_source))
        if s.role is Role.TIMESTAMP:
            stamp = s.timestamps[0] if s.timestamps else None
            return local(stamp.time if stamp is not None else s.best_time)
        claimed = self.word(f"khai {local(s.claimed_time)}", f"claimed {local(s.claimed_time)}")
        if s.best_time_source in wording.PROVEN:
            return claimed + self.word(f"\nchứng minh {local(s.best_time)} ({proven})", f"\nproven {local(s.best_time)} ({proven})")
        return claimed + self.word("\nchưa có dấu thời gian chứng minh", "\nno time-stamp proves it")

    def _revocation(self, state: str, source: str, produced: datetime | None) -> str:
        parts = [
            self.word(*words(wording.REVOCATION, state)),
            self.word(*words(wording.SOURCES, source)) if source else "",
            local(produced) if produced else "",
        ]
        return " · ".join(p for p in parts if p)

    def _algorithm(self, s: SignatureFinding) -> str:
        used = wording.algorithm(s.scheme or s.algorithm, s.key, s.digest)
        return used + (f" — {self.word(*words(wording.STRENGTH, s.strength))}" if used and s.strength != "unknown" else "")

    def _changes(self, s: SignatureFinding) -> Text:
        text = Text(self.word(*words(wording.CHANGES_AFTER, s.changes_after)))
        text.append(self.word(f" · bản {s.revision}/{s.revisions}", f" · revision {s.revision}/{s.revisions}"))
        for change in s.changes[:8]:
            label = self.word(*words(wording.CHANGES, change.kind))
            mark, style = (MARKS["passed"], "dim") if change.lawful else (MARKS["failed"], "red")
            text.append(f"\n{mark} {self.word('bản', 'revision')} {change.revision}: {label} ({change.what})", style=style)
        if len(s.changes) > 8:
            text.append(self.word(f"\n… và {len(s.changes) - 8} thay đổi nữa", f"\n… and {len(s.changes) - 8} more"))
        return text

    def _stamps(self, s: SignatureFinding) -> str:
        lines = []
        for stamp in s.timestamps:
            mark = MARKS["passed" if stamp.holds else "failed"]
            problem = f" ({stamp.problem})" if stamp.problem else ""
            lines.append(f"{mark} {local(stamp.time)} · {common_name(stamp.authority)} · {self.word(*words(wording.TIMESTAMPS, stamp.kind))}{problem}")
        return "\n".join(lines)

    def explanations(self, found: Sequence[Explanation]) -> None:
        """What would have to be different, for each check that did not pass."""
        if self.as_json or not found:
            return
        self.out.print(Text(self.word("Cần khác đi thế nào", "What would have to be different"), style="bold"))
        for e in safe(tuple(found)):
            head = Text("  ! ", style="yellow") if e.warning else Text(f"  {MARKS[e.state.value]} ", style=_COLOUR[e.state])
            head.append(" · ".join(p for p in (e.place, self.word(*words(wording.CHECKS, e.check))) if p), style="bold")
            self.out.print(head)
            lines = [self.word(e.found_vi, e.found_en), *(f"– {self.word(*fact)}" for fact in e.facts)]
            body = Text("\n".join(lines))
            needed = self.word(e.needed_vi, e.needed_en)
            if needed:
                body.append(f"\n→ {needed}", style="cyan")
            self.out.print(Padding(body, (0, 0, 0, 4), expand=False))

    def fail(self, code: str, vi: str, en: str, *, place: str = "", detail: str = "") -> None:
        """An error on standard error: code, sentence, where."""
        where = " ".join(part for part in (place, detail) if part)
        self.err.print(f"vanthu: {code}: {self.word(vi, en)}" + (f" — {where}" if where else ""), markup=False)


def _bullet(text: str) -> Table:
    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_row(Text("  •"), Text(text))
    return grid


def _facts(rows: Iterable[tuple[str, Text]]) -> Table:
    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_column(width=_LABEL, style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for label, value in rows:
        grid.add_row(label, value)
    return grid


def _widths(heads: Sequence[str], rows: Sequence[Sequence[str]], screen: int) -> list[int]:
    """Characters for each column, so that no letter is cut off at the edge of the screen.

    Laid out here because the library, when it narrows columns that have a least width, may draw them past the edge.
    An agency's code or a date is not broken where there is room for it; digests and ids may be.
    """
    columns = [[head, *(row[number] for row in rows)] for number, head in enumerate(heads)]
    wanted = [max((cell_len(line) for cell in column for line in cell.splitlines()), default=0) or 1 for column in columns]
    words = [[cell_len(word) for cell in column for word in cell.split()] for column in columns]
    widths = [max((w for w in lengths if w <= _WHOLE_WORD), default=1) for lengths in words]
    room = max(screen - (3 * len(heads) - 1), 3 * len(heads))  # edges, gaps and padding
    while sum(widths) > room:
        widths[widths.index(max(widths))] -= 1
    for _ in range(room - sum(widths)):
        needy = max(range(len(heads)), key=lambda n: wanted[n] / widths[n])
        if wanted[needy] <= widths[needy]:
            break
        widths[needy] += 1
    return widths


EVENT_COLUMNS = (
    ("Mục", "Entry"),
    ("Thời điểm (+07:00)", "Time (+07:00)"),
    ("Sự kiện", "Event"),
    ("Do", "By"),
    ("Bên nhận", "Recipient"),
)


def event_label(screen: Screen, uri: str, status: str, why: str = "") -> str:
    """An event for people, with the status code it carries, and below it the reason given."""
    label = " ".join((screen.word(*event_name(uri)), status)).strip()
    return f"{label}\n{screen.word(*reason_words(why))}" if why else label


def moment(value: str) -> str:
    """A log entry's time in Vietnam, to the second; the column says +07:00."""
    return local(datetime.fromisoformat(value)).removesuffix(" +07:00")


def refused(screen: Screen, error: SigningError) -> int:
    """Show a signing error; exit code 1."""
    screen.fail(error.code, error.vi, error.en, place=error.place, detail=error.detail)
    return 1
