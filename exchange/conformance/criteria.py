"""criteria — tiêu chí: what is checked, by which clause, and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")


class NotMet(Exception):
    """A criterion does not hold; the text says what was seen."""


class NotAsked(Exception):
    """A criterion could not be asked, as one before it did not hold or a key is missing."""


@dataclass(frozen=True, slots=True)
class Criterion:
    """One numbered criterion. `clause` is the rule behind it."""

    number: str
    clause: str
    vi: str
    en: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one criterion: `verdict` is ``met``, ``not met`` or ``not asked``."""

    criterion: Criterion
    verdict: str
    detail: str = ""

    def row(self) -> dict[str, str]:
        """As a line of the report."""
        c = self.criterion
        return {"number": c.number, "clause": c.clause, "vi": c.vi, "en": c.en, "verdict": self.verdict, "detail": self.detail}


def want(holds: object, seen: object) -> None:
    """The criterion goes on only if `holds`.

    Raises:
        NotMet: it does not; `seen` is told.
    """
    if not holds:
        raise NotMet(str(seen)[:300])


def needed(value: T | None, what: str) -> T:
    """`value`, when an earlier criterion found it.

    Raises:
        NotAsked: it did not.
    """
    if value is None:
        raise NotAsked(what)
    return value


def run(steps: Sequence[tuple[Criterion, Callable[[], Any]]], progress: Callable[[Outcome], None] | None = None) -> list[Outcome]:
    """Ask every criterion in order; whatever is raised is an outcome, never a crash."""
    outcomes = []
    for criterion, step in steps:
        try:
            detail = step()
            outcome = Outcome(criterion, "met", str(detail or "")[:300])
        except NotMet as error:
            outcome = Outcome(criterion, "not met", str(error))
        except NotAsked as error:
            outcome = Outcome(criterion, "not asked", str(error))
        except Exception as error:  # a partner may answer anything at all
            outcome = Outcome(criterion, "not met", f"{type(error).__name__}: {error}"[:300])
        outcomes.append(outcome)
        if progress is not None:
            progress(outcome)
    return outcomes
