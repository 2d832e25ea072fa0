"""markup — the few pieces that every page is made of. All text is escaped here, once.

Texts come in pairs: Vietnamese first, English beside it in a quieter face, each marked
with its language so that a screen reader changes its voice.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import cache
from html import escape
from importlib.resources import files

from signing import wording
from signing.report import State, Verdict
from signing.report_json import tool
from signing.wording import MARKS, Pair, local, words

# Nothing may be loaded or run, whatever a hostile file put into its names.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_VERDICT_MARK = {Verdict.VALID: "✓", Verdict.INVALID: "✗", Verdict.UNDETERMINED: "?"}


def both(pair: Pair, *, block: bool = False) -> str:
    """Vietnamese and English; one text when they are the same."""
    vi, en = pair
    if vi == en:
        return escape(vi)
    tag = "div" if block else "span"
    return f'<{tag} lang="vi">{escape(vi)}</{tag}> <{tag} lang="en" class="en">{escape(en)}</{tag}>'


def time(moment: datetime | None) -> str:
    """A time element in Vietnam's zone."""
    return f'<time datetime="{moment.isoformat()}">{local(moment)}</time>' if moment is not None else "—"


def mark(state: State, sign: str = "") -> str:
    """The sign of an outcome with its word for those who do not see it; "!" is a warning."""
    vi = "lưu ý" if sign else words(wording.STATES, state.value)[0]
    return f'<span class="mark {state.value}" role="img" aria-label="{escape(vi)}">{sign or MARKS[state.value]}</span>'


def facts(rows: Iterable[tuple[Pair, str]]) -> str:
    """A list of labels and values; `rows` hold ready HTML as values, empty ones are left out."""
    body = "".join(f"<div><dt>{both(label)}</dt><dd>{value}</dd></div>" for label, value in rows if value)
    return f'<dl class="facts">{body}</dl>'


def table(caption: Pair, columns: Iterable[Pair], rows: Iterable[Iterable[str]]) -> str:
    """A table of ready HTML; on a narrow page its rows become cards, named by `data-label`."""
    columns = tuple(columns)
    head = "".join(f'<th scope="col">{both(c)}</th>' for c in columns)
    body = "".join("<tr>" + "".join(f'<td data-label="{escape(c[0])}">{cell}</td>' for c, cell in zip(columns, row, strict=True)) + "</tr>" for row in rows)
    return f"<table><caption>{both(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>" if body else ""


def section(title: Pair, body: str, *, name: str = "") -> str:
    """A section with a heading; nothing when it is empty."""
    named = f' id="{name}"' if name else ""
    return f"<section{named}><h2>{both(title)}</h2>{body}</section>" if body else ""


def banner(verdict: Verdict, name: str, lines: Iterable[str]) -> str:
    """The verdict, large, with the file's name and lines of ready HTML."""
    more = "".join(f"<p>{line}</p>" for line in lines)
    return (
        f'<header class="banner {verdict.value}"><div class="sign" aria-hidden="true">{_VERDICT_MARK[verdict]}</div><div>'
        f'<h1><span lang="vi">{escape(verdict.vi)}</span> <span lang="en" class="en">{escape(verdict.en)}</span></h1>'
        f'<p class="name">{escape(name)}</p>{more}</div></header>'
    )


@cache
def _style() -> str:
    return files(__package__).joinpath("page.css").read_text(encoding="utf-8")


def whole_page(title: str, body: str, made_at: datetime) -> str:
    """The page around `body`."""
    used = tool()
    libraries = " · ".join(f"{escape(name)} {escape(number)}" for name, number in used.libraries.items())
    foot = f"{escape(used.name)} {escape(used.version)} · Python {escape(used.python)} · {libraries}"
    return (
        '<!DOCTYPE html>\n<html lang="vi"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">'
        f'<meta name="referrer" content="no-referrer"><title>{escape(title)}</title><style>{_style()}</style></head>'
        f"<body><main>{body}</main><footer><p>{both(('Báo cáo lập lúc', 'Report made at'))}: {time(made_at)}</p><p>{foot}</p></footer></body></html>\n"
    )
