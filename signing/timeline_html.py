"""timeline_html — hình đời văn bản: who did what when to one document, with the proof of each event, as one page.

A lane for each agency and one for the hub; time runs down. What is drawn is what was proven
when it was drawn; the proofs stand below, so that anybody can check them again, offline.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from html import escape

from signing.reason_words import reason_words
from signing.report import State
from signing.report_html.markup import both, facts, mark, section, time, whole_page
from signing.timeline_steps import STEPS_STYLE, Step, steps_of
from signing.wording import VIETNAM, Pair, event_name, safe, size_of

HUB, OTHERS = "hub", "…"
LEFT, RIGHT, ROW, HEAD = 112, 138, 62, 70
WIDTH, WIDE, NARROWEST, WIDEST = 920, 1180, 92, 230  # of the page, of a picture with many lanes; of a lane
FEW_LANES = 5  # as many have room within the page
GAP_SECONDS, GAP_ROOM = 3600, 30
MOST_LANES = 8  # of recipients
STATES: dict[str, Pair] = {
    "committed": ("đã ghi", "committed"),
    "sequenced": ("đã vào sổ", "in the log"),
    "published": ("đã công bố", "published"),
    "sealed": ("đã niêm phong", "sealed"),
}
_STYLE = """
.life { overflow-x: auto; border: 1px solid var(--line); border-radius: .5rem; background: var(--paper); }
.life.broad { margin-inline: calc(50% - min(50vw - 1.2rem, 592px)); }
.life svg { display: block; margin: 0 auto; font-family: system-ui, "Segoe UI", "Noto Sans", Arial, sans-serif; }
.life text { fill: var(--ink); font-size: 12.5px; } .life .quiet { fill: var(--quiet); font-size: 11px; }
.life .name { font-weight: 600; } .life .what { font-weight: 600; }
.life .what, .life .halo { paint-order: stroke; stroke: var(--paper); stroke-width: 5px; stroke-linejoin: round; }
.life .lane { stroke: var(--line); stroke-width: 2; } .life .stripe { fill: var(--panel); }
.life .chain { stroke: var(--passed); stroke-width: 5; stroke-linecap: round; opacity: .55; }
.life .chain.broken { stroke: var(--failed); stroke-dasharray: 4 6; opacity: 1; }
.life .move { stroke: var(--link); stroke-width: 2; fill: none; } .life .move.no { stroke: var(--failed); stroke-dasharray: 5 4; }
.life .through { fill: var(--paper); stroke: var(--link); stroke-width: 2; } .life .through.no { stroke: var(--failed); }
.life .dot { fill: var(--link); stroke: var(--paper); stroke-width: 2; } .life .dot.no { fill: var(--failed); }
.life .bad { fill: var(--failed); } .life a { text-decoration: none; } .life a:hover .what, .life a:focus .what { text-decoration: underline; }
.life .ring { fill: none; stroke: var(--passed); stroke-width: 2; } .life .full { fill: var(--passed); } .life .ring.no { stroke: var(--failed); }
.legend { display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; list-style: none; padding: 0; font-size: .9rem; color: var(--quiet); }
.life.icon { border: 0; background: none; } .life.icon svg { display: inline; }
.legend svg { vertical-align: -3px; margin-right: .3rem; }
details.event { border: 1px solid var(--line); border-radius: .4rem; padding: .4rem .8rem; margin: .4rem 0; }
details.event > summary { color: var(--ink); } details.event:target { outline: 2px solid var(--link); }
"""


@dataclass(frozen=True, slots=True)
class LifeEvent:
    """One event as it was proven. `number` counts over the whole log, `index` in its tree;
    `state` is one of `STATES`; `problem` is "" when the proof holds and the chain goes on."""

    number: int
    index: int
    at: str
    event: str
    by: str
    sender: str
    recipient: str
    status: str
    why: str
    n: int
    state: str
    leaf: str
    leaf_hash: str
    proof: str
    problem: str
    chained: bool


@dataclass(frozen=True, slots=True)
class Life:
    """One document's life. `agencies` are (code, name): the sender first, then recipients."""

    envelope: str
    document_id: str
    subject: str
    sha256: str
    size: int
    agencies: tuple[tuple[str, str], ...]
    events: tuple[LifeEvent, ...]
    origin: str
    head_size: int
    head_root: str
    signers: tuple[str, ...]
    made_at: datetime

    @property
    def ok(self) -> bool:
        """Do all proofs hold?"""
        return bool(self.events) and not any(e.problem for e in self.events)


def draw(life: Life, *, lang: str = "vi") -> str:
    """The page, self-contained: no script, nothing loaded.

    Args:
        lang: language of the words inside the picture; all other text stands in both.
    """
    proofs = [e.proof for e in life.events]
    hidden = {e.number for e in life.events if safe(e.leaf) != e.leaf}
    life = safe(life)
    # A proof is text of many lines, and of nothing but base64, names and digits in each.
    life = replace(life, events=tuple(replace(e, proof="\n".join(map(safe, p.split("\n")))) for e, p in zip(life.events, proofs, strict=True)))
    bad = sum(1 for e in life.events if e.problem)
    line = (
        (f"{len(life.events)} sự kiện, mọi bằng chứng đều đúng", f"{len(life.events)} events, every proof holds")
        if life.ok
        else (f"{bad} trong {len(life.events)} bằng chứng không đúng", f"{bad} of {len(life.events)} proofs do not hold")
    )
    about = facts(
        [
            (("Trích yếu", "Subject"), escape(life.subject)),
            (("Mã văn bản", "Document id"), f"<code>{escape(life.document_id)}</code>"),
            (("Mã gói tin", "Envelope"), f"<code>{escape(life.envelope)}</code>"),
            (("SHA-256 của gói tin", "SHA-256 of the package"), f"<code>{escape(life.sha256)}</code> · {size_of(life.size)} byte"),
            (("Sổ lưu giữ", "Custody log"), f"<code>{escape(life.origin)}</code>"),
            (
                ("Đầu sổ dùng để chứng minh", "Head that proves it"),
                both((f"{life.head_size} mục", f"{life.head_size} entries")) + f" · <code>{escape(life.head_root)}</code>",
            ),
            (("Chữ ký trên đầu sổ", "Signatures on the head"), " · ".join(f"<code>{escape(s)}</code>" for s in life.signers)),
        ]
    )
    title = f"Đời văn bản {life.document_id}"
    broad = " broad" if len(_lanes(life, 0)) > FEW_LANES else ""
    picture = f'<div class="life wide{broad}" tabindex="0">{picture_of(life, lang)}</div>{steps_of(_steps(life, lang))}{_legend()}'
    details = "".join(_detail(e, hidden=e.number in hidden) for e in life.events)
    body = (
        f"<style>{_STYLE}{STEPS_STYLE}</style>"
        + _banner(life, line)
        + section(("Diễn biến", "What happened"), picture, name="picture")
        + section(("Văn bản", "The document"), about)
        + section(("Từng sự kiện và bằng chứng", "Each event and its proof"), details, name="events")
        + section(("Tự kiểm tra lại", "Check it again"), _again())
    )
    return whole_page(title, body, life.made_at)


def _banner(life: Life, line: Pair) -> str:
    # Not the word of a verdict: what is judged here are the proofs, not the signatures in the document.
    kind, sign = ("valid", "✓") if life.ok else ("invalid", "✗")
    head = ("BẰNG CHỨNG ĐÚNG", "PROOFS HOLD") if life.ok else ("CÓ BẰNG CHỨNG SAI", "A PROOF DOES NOT HOLD")
    return (
        f'<header class="banner {kind}"><div class="sign" aria-hidden="true">{sign}</div><div>'
        f'<h1>{both(head)}</h1><p class="name">{escape(life.document_id)}</p><p>{both(line)}</p></div></header>'
    )


def picture_of(life: Life, lang: str = "vi") -> str:
    """The picture alone, as inline SVG."""
    pick = 0 if lang == "vi" else 1
    lanes = _lanes(life, pick)
    lane = max(NARROWEST, min(WIDEST, ((WIDTH if len(lanes) <= FEW_LANES else WIDE) - LEFT - RIGHT) // len(lanes)))
    place = {code: LEFT + lane * (i + 0.5) for i, (code, _) in enumerate(lanes)}
    rows, height = _rows(life)
    width = LEFT + lane * len(lanes) + RIGHT
    out = [
        f'<svg width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img" aria-labelledby="life-title life-text">'
        f'<title id="life-title">{escape(("Đời văn bản ", "Life of the document ")[pick] + life.document_id)}</title>'
        f'<desc id="life-text">{escape(_told(life, pick))}</desc>'
        '<defs><marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" orient="auto-start-reverse">'
        '<path d="M0 0 10 5 0 10z" fill="context-stroke"/></marker></defs>'
    ]
    for number, y in enumerate(rows):
        if number % 2 == 0:
            out.append(f'<rect class="stripe" x="0" y="{y - ROW / 2:.0f}" width="{width}" height="{ROW}"/>')
        if number and y - rows[number - 1] > ROW:
            out.append(f'<text class="quiet" x="12" y="{y - ROW / 2 - 10:.0f}">⋮ {escape(_pause(life, number, pick))}</text>')
    for code, name in lanes:
        x = place[code]
        out.append(f'<line class="lane" x1="{x:.0f}" x2="{x:.0f}" y1="{HEAD - 8}" y2="{height - 10}"/>')
        for line, text in enumerate(_two_lines(name, lane // 8)):
            out.append(f'<text class="name" x="{x:.0f}" y="{18 + 15 * line}" text-anchor="middle">{escape(text)}</text>')
        below = life.origin.partition("/")[0] if code == HUB else code
        out.append(f'<text class="quiet" x="{x:.0f}" y="50" text-anchor="middle">{escape(_cut(below, lane // 7))}</text>')
    out += _chains(life, rows, place)
    for event, y in zip(life.events, rows, strict=True):
        out.append(_event(event, y, place, width, pick))
    return "".join(out) + "</svg>"


def _steps(life: Life, lang: str) -> list[Step]:
    pick = 0 if lang == "vi" else 1
    names = dict(life.agencies) | {HUB: ("Trục liên thông", "The exchange")[pick]}
    steps = []
    for number, e in enumerate(life.events):
        start, end = (names.get(code, code) for code in _ends(e))
        if e.recipient not in ("", *_ends(e)):
            end += f" · {names.get(e.recipient, e.recipient)}"
        at = datetime.fromisoformat(e.at).astimezone(VIETNAM)
        pause = _pause(life, number, pick) if number and _seconds(life, number) > GAP_SECONDS else ""
        state = STATES.get(e.state, (e.state, e.state))
        proof = (f"mục {e.number}, {state[0]}", f"entry {e.number}, {state[1]}")
        no = bool(e.why) and _negative(e)
        words = reason_words(e.why)[pick]
        steps.append(Step(e.number, f"{at:%H:%M:%S %d/%m/%Y}", event_name(e.event), e.status, start, end, words, proof, e.problem, no, e.chained, pause))
    return steps


def _lanes(life: Life, pick: int) -> list[tuple[str, str]]:
    # Sender left of the hub, recipients right of it: a document goes from left to right, answers come back.
    first, rest = life.agencies[:1], life.agencies[1:]
    hub = (HUB, ("Trục liên thông", "The exchange")[pick])
    if len(rest) <= MOST_LANES:
        return [*first, hub, *rest]
    # Too many: those with something wrong or much to tell get a lane of their own, the others share one.
    weight = {code: sum(1 + 100 * (bool(e.problem) or _negative(e)) for e in life.events if e.recipient == code) for code, _ in rest}
    shown = sorted(rest, key=lambda agency: -weight[agency[0]])[: MOST_LANES - 1]
    others = len(rest) - len(shown)
    return [*first, hub, *(a for a in rest if a in shown), (OTHERS, (f"{others} cơ quan khác", f"{others} other agencies")[pick])]


def _rows(life: Life) -> tuple[list[float], int]:
    rows, y = [], HEAD + ROW / 2
    for number in range(len(life.events)):
        if number:
            y += ROW + (GAP_ROOM if _seconds(life, number) > GAP_SECONDS else 0)
        rows.append(y)
    return rows, int((rows[-1] if rows else HEAD) + ROW / 2 + 14)


def _seconds(life: Life, number: int) -> float:
    before, after = life.events[number - 1].at, life.events[number].at
    return (datetime.fromisoformat(after) - datetime.fromisoformat(before)).total_seconds()


def _pause(life: Life, number: int, pick: int) -> str:
    minutes = int(_seconds(life, number) // 60)
    days, hours = minutes // 1440, minutes % 1440 // 60
    parts = [(days, ("ngày", "d")), (hours, ("giờ", "h")), (minutes % 60, ("phút", "min"))]
    return " ".join([f"{n} {unit[pick]}" for n, unit in parts if n][:2])


def _chains(life: Life, rows: Sequence[float], place: dict[str, float]) -> list[str]:
    """The chain of each recipient: every entry names the hash of the one before."""
    out, last = [], dict[str, float]()
    for event, y in zip(life.events, rows, strict=True):
        key = event.recipient or HUB
        x = place.get(key)
        if x is None:
            continue
        if key in last:
            kind = "chain" if event.chained else "chain broken"
            out.append(f'<line class="{kind}" x1="{x:.0f}" x2="{x:.0f}" y1="{last[key]:.0f}" y2="{y:.0f}"/>')
        last[key] = y
    return out


# Entered by the hub in this document's chain because of what that agency sealed.
_OF_SENDER = ("Withdrawn", "RecallRequested", "UpdateRequested", "RecipientAdded", "Superseded")
_OF_RECIPIENT = ("CopyDestroyed", "RecallDeclined", "UpdateAgreed", "UpdateDeclined")


def _ends(event: LifeEvent) -> tuple[str, str]:
    """From whose lane to whose lane an event goes."""
    name = event.event.rsplit("/", 1)[-1].rsplit(":", 1)[-1]
    if name in ("SubmissionAcceptance", "ReceivedFromNonERDS"):
        return event.sender, HUB
    if name == "SubmissionRejection":
        return HUB, event.sender
    if event.by == event.sender or name in _OF_SENDER:
        return event.sender, HUB if name == "Withdrawn" else event.recipient or HUB
    if (event.by == event.recipient or name in _OF_RECIPIENT) and event.recipient:
        return event.recipient, event.sender
    return HUB, event.recipient or HUB


def _event(event: LifeEvent, y: float, place: dict[str, float], width: int, pick: int) -> str:
    start, end = _ends(event)
    other = place.get(OTHERS, place[HUB])
    x1, x2 = place.get(start, other), place.get(end, other)
    negative = " no" if event.why and _negative(event) else ""
    at = datetime.fromisoformat(event.at).astimezone(VIETNAM)
    name = event_name(event.event)[pick] + (f" · {event.status}" if event.status else "")
    if event.recipient and (event.recipient not in place or event.recipient not in (start, end)):
        name += f" · {event.recipient}"
    middle = (x1 + x2) / 2 if x1 != x2 else x1
    bend = -7 if x1 != x2 else 0
    out = [f'<a href="#e{event.number}"><title>{escape(name)}</title>']
    out.append(f'<text x="12" y="{y - 2:.0f}">{at:%H:%M:%S}</text><text class="quiet" x="12" y="{y + 13:.0f}">{at:%d/%m/%Y}</text>')
    if x1 != x2:
        inset = 8 if x2 > x1 else -8
        out.append(f'<line class="move{negative}" x1="{x1:.0f}" x2="{x2 - inset:.0f}" y1="{y:.0f}" y2="{y:.0f}" marker-end="url(#tip)"/>')
        if HUB not in (start, end) and min(x1, x2) < place[HUB] < max(x1, x2):
            out.append(f'<circle class="through{negative}" cx="{place[HUB]:.0f}" cy="{y:.0f}" r="4"/>')  # it went through the hub
    out.append(f'<circle class="dot{negative}" cx="{x1:.0f}" cy="{y:.0f}" r="6"/>')
    out.append(f'<text class="what{" bad" if negative else ""}" x="{middle:.0f}" y="{y + bend - (12 if x1 == x2 else 2):.0f}" text-anchor="middle">')
    out.append(f"{escape(_cut(name, 40))}</text>")
    if event.why:
        out.append(f'<text class="quiet halo" x="{middle:.0f}" y="{y + 19:.0f}" text-anchor="middle">{escape(_cut(reason_words(event.why)[pick], 46))}</text>')
    return "".join(out) + _badge(event, width - RIGHT + 26, y, pick) + "</a>"


def _badge(event: LifeEvent, x: float, y: float, pick: int) -> str:
    word = STATES.get(event.state, (event.state, event.state))[pick]
    if event.problem:
        sign = f'<circle class="ring no" cx="{x:.0f}" cy="{y:.0f}" r="8"/><text class="bad name" x="{x:.0f}" y="{y + 4.5:.0f}" text-anchor="middle">✗</text>'
        word = ("bằng chứng sai", "proof fails")[pick]
    else:
        sign = seal_sign(event.state, x, y)
    head = f"{('mục', 'entry')[pick]} {event.number}"
    kind = "bad" if event.problem else "quiet"
    return f'{sign}<text x="{x + 16:.0f}" y="{y - 2:.0f}">{head}</text><text class="{kind}" x="{x + 16:.0f}" y="{y + 13:.0f}">{escape(word)}</text>'


def seal_sign(state: str, x: float, y: float) -> str:
    """How far an entry has come, as a ring that fills: in the log, published, sealed."""
    ring = f'<circle class="ring" cx="{x:.0f}" cy="{y:.0f}" r="8"/>'
    if state == "sealed":
        return ring + f'<circle class="full" cx="{x:.0f}" cy="{y:.0f}" r="5.5"/>'
    if state == "published":
        return ring + f'<path class="full" d="M{x - 5.5:.1f} {y:.1f}A5.5 5.5 0 0 0 {x + 5.5:.1f} {y:.1f}z"/>'
    return ring


def _negative(event: LifeEvent) -> bool:
    name = event.event.rsplit("/", 1)[-1].rsplit(":", 1)[-1]
    return name.endswith(("Rejection", "Failure", "Expiry", "Refused", "Declined")) or event.status in ("02", "16")


def _legend() -> str:
    def icon(inner: str) -> str:
        return f'<span class="life icon"><svg width="22" height="20" viewBox="0 0 22 20">{inner}</svg></span>'

    items = [
        (icon(seal_sign("sequenced", 11, 10)), ("đã vào sổ", "in the log")),
        (icon(seal_sign("published", 11, 10)), ("đầu sổ đã công bố", "its head is published")),
        (icon(seal_sign("sealed", 11, 10)), ("đầu sổ đã niêm phong", "its head is sealed")),
        (icon('<line class="chain" x1="11" x2="11" y1="3" y2="17"/>'), ("mục sau nêu mã băm của mục trước", "an entry names the hash of the one before")),
        (icon('<line class="move no" x1="1" x2="21" y1="10" y2="10"/>'), ("không thành hoặc từ chối", "failed or refused")),
    ]
    return '<ul class="legend">' + "".join(f"<li>{sign}{both(text)}</li>" for sign, text in items) + "</ul>"


def _detail(event: LifeEvent, *, hidden: bool) -> str:
    name = event_name(event.event)
    state = State.FAILED if event.problem else State.PASSED
    hashes = max(0, event.proof.partition("\n\n")[0].count("\n") - 1)
    moment = datetime.fromisoformat(event.at)
    holds = (f"Đúng: {hashes} mã băm nối mục này với đầu sổ", f"Holds: {hashes} hashes join this entry to the head")
    rows = [
        (("Thời điểm", "Time"), time(moment)),
        (("Sự kiện", "Event"), f"<code>{escape(event.event)}</code>"),
        (("Do", "By"), escape(event.by)),
        (("Bên nhận", "Recipient"), escape(event.recipient)),
        (("Lý do", "Reason"), escape(event.why)),
        (("Mã băm của mục", "Leaf hash"), f"<code>{escape(event.leaf_hash)}</code>"),
        (("Vị trí trong sổ", "Place in the log"), f"{event.index}"),
        (("Tình trạng", "State"), both(STATES.get(event.state, (event.state, event.state)))),
        (("Bằng chứng", "Proof"), f"<b class='failed'>{escape(event.problem)}</b>" if event.problem else both(holds)),
    ]
    text = f"<h4>{both(('Mục trong sổ, từng byte', 'The entry, byte for byte'))}</h4><pre>{escape(event.leaf)}</pre>"
    if hidden:
        told = (
            "Mục có ký tự không hiển thị, ở đây đã thay đi; chép từ trang này sẽ không khớp.",
            "The entry has characters that do not show and were replaced here; a copy from this page will not match.",
        )
        text += f"<p class='failed'>{both(told)}</p>"
    text += f"<h4>tlog-proof</h4><pre>{escape(event.proof)}</pre>" if event.proof else ""
    label = f"{mark(state)} {event.number} · {time(moment)} · {both(name)}" + (f" · {escape(event.status)}" if event.status else "")
    return f'<details class="event" id="e{event.number}"><summary>{label}</summary>{facts(rows)}{text}</details>'


def _again() -> str:
    told = (
        "Chép mục và tlog-proof của một sự kiện ra hai tệp (mục không có dòng mới ở cuối), rồi kiểm tra không cần mạng với khóa đã có sẵn từ trước:",
        "Copy an event's entry and tlog-proof into two files (no newline after the entry) and check them offline with a key had beforehand:",
    )
    return both(told, block=True) + "<pre>vanthu custody verify --proof e.tlog-proof --leaf e.json --trust TRUST-FOLDER</pre>"


def _told(life: Life, pick: int) -> str:
    """The picture in words, for those who cannot see it."""
    lines = []
    for e in life.events:
        start, end = _ends(e)
        state = e.problem or STATES.get(e.state, (e.state, e.state))[pick]
        lines.append(f"{datetime.fromisoformat(e.at).astimezone(VIETNAM):%d/%m/%Y %H:%M:%S} {start} → {end}: {event_name(e.event)[pick]} {e.status} ({state}).")
    return " ".join(lines)


def _two_lines(text: str, most: int) -> list[str]:
    """A name on at most two lines, cut between words."""
    lines = textwrap.wrap(text, max(8, most)) or [""]
    return lines if len(lines) <= 2 else [lines[0], _cut(" ".join(lines[1:]), most)]


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
