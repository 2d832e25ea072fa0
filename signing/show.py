"""show — how verdicts look in a terminal, and as JSON. People look rather than read."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta, timezone
from functools import wraps
from typing import Any, TypeVar

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from signing.errors import SigningError
from signing.report import PdfVerdict, Reason, Verdict, to_json

VIETNAM = timezone(timedelta(hours=7))
F = TypeVar("F", bound=Callable[..., Any])
_STYLE = {Verdict.VALID: "bold green", Verdict.INVALID: "bold red", Verdict.UNDETERMINED: "bold yellow"}


def options(command: F) -> F:
    """``--json`` and ``--lang`` on a command; its body gets a `Screen` as `screen`."""

    @click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
    @click.option("--lang", type=click.Choice(["vi", "en"]), default="vi", envvar="VANTHU_LANG", show_default=True, help="Language for people.")
    @wraps(command)
    def wrapped(*args: Any, as_json: bool, lang: str, **kwargs: Any) -> Any:
        return command(*args, screen=Screen(as_json=as_json, lang=lang), **kwargs)

    return wrapped  # type: ignore[return-value]


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
        for column in columns:
            table.add_column(self.word(*column), overflow="fold")
        for row in rows:
            table.add_row(*row)
        self.out.print(table)

    def reasons(self, reasons: Iterable[Reason]) -> None:
        """One line per reason."""
        for reason in reasons:
            place = f" [{reason.place}]" if reason.place else ""
            self.out.print(f"  • {self.word(reason.vi, reason.en)} ({reason.code}){place}", markup=False)

    def verdict(self, name: str, verdict: PdfVerdict) -> None:
        """A PDF's verdict with its signatures."""
        if self.as_json:
            return
        label = self.word(verdict.verdict.vi, verdict.verdict.en)
        self.out.print(f"{name}: [{_STYLE[verdict.verdict]}]{label}[/]  ({verdict.indication.value} {verdict.sub_indication})".rstrip())
        rows = [
            (
                s.field,
                self.word(*ROLES[s.role.value]),
                s.signer,
                s.organisation,
                local(s.claimed_time),
                f"{s.revision}/{s.revisions}",
                s.level,
                s.algorithm,
                s.revocation,
                s.indication.value,
            )
            for s in verdict.findings.signatures
        ]
        if rows:
            self.table(("Chữ ký", "Signatures"), _COLUMNS, rows)
        self.reasons(verdict.reasons)

    def fail(self, code: str, vi: str, en: str, *, place: str = "", detail: str = "") -> None:
        """An error on standard error: code, sentence, where."""
        where = " ".join(part for part in (place, detail) if part)
        self.err.print(f"vanthu: {code}: {self.word(vi, en)}" + (f" — {where}" if where else ""), markup=False)


ROLES = {
    "person": ("người có thẩm quyền", "authorised person"),
    "agency": ("cơ quan", "agency"),
    "timestamp": ("dấu thời gian", "time-stamp"),
    "unknown": ("chưa rõ", "unknown"),
}
_COLUMNS = (
    ("Trường", "Field"),
    ("Vai trò", "Role"),
    ("Người ký", "Signer"),
    ("Cơ quan", "Organisation"),
    ("Thời điểm khai", "Claimed time"),
    ("Bản", "Revision"),
    ("Mức", "Level"),
    ("Thuật toán", "Algorithm"),
    ("Thu hồi", "Revocation"),
    ("Kết quả", "Result"),
)


def local(moment: datetime | None) -> str:
    """Vietnam's time, to the second, with its zone (NĐ 30/2020 Annex I)."""
    return moment.astimezone(VIETNAM).strftime("%d/%m/%Y %H:%M:%S +07:00") if moment is not None else "—"


EVENTS = {
    "SubmissionAcceptance": ("Trục tiếp nhận", "Accepted by the hub"),
    "SubmissionRejection": ("Trục từ chối", "Refused by the hub"),
    "ContentConsignment": ("Đã chuyển tới", "Delivered"),
    "ContentConsignmentFailure": ("Không chuyển được", "Delivery failed"),
    "ContentHandover": ("Đã xác nhận", "Acknowledged"),
    "ContentHandoverFailure": ("Quá hạn nhận", "Not collected in time"),
    "ConsignmentAcceptance": ("Tiếp nhận, vào sổ", "Registered"),
    "ConsignmentRejection": ("Từ chối tiếp nhận", "Refused by the recipient"),
    "Status": ("Trạng thái", "Status"),
    "Recheck": ("Kiểm tra lại", "Checked again"),
    "OperatorAction": ("Người vận hành", "Operator"),
    "DirectoryChange": ("Danh bạ", "Directory"),
}


EVENT_COLUMNS = (
    ("Mục", "Entry"),
    ("Thời điểm (+07:00)", "Time (+07:00)"),
    ("Sự kiện", "Event"),
    ("Do", "By"),
    ("Bên nhận", "Recipient"),
)


def event_label(screen: Screen, uri: str, status: str) -> str:
    """An event for people, with the status code it carries."""
    name = uri.rsplit("/", 1)[-1].rsplit(":", 1)[-1]
    return " ".join((screen.word(*EVENTS.get(name, (name, name))), status)).strip()


def moment(value: str) -> str:
    """A log entry's time in Vietnam, to the second; the column says +07:00."""
    return local(datetime.fromisoformat(value)).removesuffix(" +07:00")


def refused(screen: Screen, error: SigningError) -> int:
    """Show a signing error; exit code 1."""
    screen.fail(error.code, error.vi, error.en, place=error.place, detail=error.detail)
    return 1
