"""timeline_steps — diễn biến theo bước: a document's life as a list from top to bottom, for screens too narrow for lanes."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from signing.report_html.markup import both
from signing.wording import Pair

STEPS_STYLE = """
ol.steps { display: none; list-style: none; margin: 0; padding: 0; }
@media screen and (max-width: 44rem) { div.life.wide { display: none; } ol.steps { display: block; } }
ol.steps > li { position: relative; padding: .1rem 0 1.1rem 1.5rem; border-left: 3px solid var(--line); margin-left: .5rem; }
ol.steps > li:last-child { padding-bottom: .2rem; }
ol.steps > li::before { content: ""; position: absolute; left: -8px; top: .45rem; width: 13px; height: 13px; border-radius: 50%; background: var(--link);
  outline: 3px solid var(--paper); }
ol.steps > li.paused::before { top: 2.3rem; }
ol.steps > li.no::before { background: var(--failed); }
ol.steps > li.chained { border-left-color: var(--passed); } ol.steps > li.unchained { border-left: 3px dashed var(--failed); }
ol.steps .when { color: var(--quiet); font-size: .85rem; } ol.steps .what { font-weight: 600; display: block; }
ol.steps a { color: inherit; text-decoration: none; display: block; } ol.steps a:focus .what, ol.steps a:hover .what { text-decoration: underline; }
ol.steps .no .what { color: var(--failed); } ol.steps .who, ol.steps .why { font-size: .9rem; display: block; } ol.steps .no .why { color: var(--failed); }
ol.steps .proof { font-size: .85rem; color: var(--passed); } ol.steps .proof.bad { color: var(--failed); font-weight: 600; }
ol.steps .pause { color: var(--quiet); font-size: .85rem; display: block; margin-bottom: .5rem; }
"""


@dataclass(frozen=True, slots=True)
class Step:
    """One event in words. `pause` is the time since the one before, "" when short; `problem` "" when the proof holds."""

    number: int
    when: str
    what: Pair
    status: str
    start: str
    end: str
    why: str
    proof: Pair
    problem: str
    negative: bool
    chained: bool
    pause: str


def steps_of(steps: list[Step]) -> str:
    """The list; a style sheet decides whether it or the picture is seen."""
    return '<ol class="steps">' + "".join(_step(step) for step in steps) + "</ol>"


def _step(step: Step) -> str:
    kinds = " ".join(["no"] * step.negative + ["chained" if step.chained else "unchained"] + ["paused"] * bool(step.pause))
    parties = escape(step.start) + (f" → {escape(step.end)}" if step.end != step.start else "")
    status = f" · {escape(step.status)}" if step.status else ""
    pause = f'<span class="pause">⋮ {escape(step.pause)}</span>' if step.pause else ""
    why = f'<span class="why">{escape(step.why)}</span>' if step.why else ""
    proof = f'<span class="proof bad">✗ {escape(step.problem)}</span>' if step.problem else f'<span class="proof">✓ {both(step.proof)}</span>'
    return (
        f'<li class="{kinds}">{pause}<a href="#e{step.number}"><span class="when">{escape(step.when)}</span>'
        f'<span class="what">{both(step.what)}{status}</span><span class="who">{parties}</span>{why}{proof}</a></li>'
    )
