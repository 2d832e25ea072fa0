"""observed — điều đã thấy: what a system under test did towards a partner that misbehaved."""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import dataclass, field

from exchange.conformance.criteria import NotAsked, want

SUBMIT, FETCH, TELL, LIST, PUSH, ELSEWHERE = "submit", "fetch", "tell", "list", "push", "elsewhere"


@dataclass(slots=True)
class Seen:
    """One request of the system under test. `what` names its subject (a document, a delivery), `digest` its bytes.

    `played` is whether it was misbehaved at; `ended` when its answer was out or the partner gone, in seconds as `at`.
    """

    at: float
    kind: str
    what: str = ""
    digest: str = ""
    played: bool = False
    honest: bool = False
    ended: float = 0.0
    taken: int = 0  # bytes of an endless answer that were taken


@dataclass(slots=True)
class Book:
    """Everything that was seen, in order."""

    lines: list[Seen] = field(default_factory=list)

    def enter(self, kind: str, what: str = "", digest: str = "") -> Seen:
        """A request that came in now."""
        seen = Seen(time.monotonic(), kind, what, digest)
        self.lines.append(seen)
        return seen

    def of(self, kind: str) -> dict[str, list[Seen]]:
        """Requests of a kind by their subject.

        Raises:
            NotAsked: there was none.
        """
        found: dict[str, list[Seen]] = defaultdict(list)
        for line in self.lines:
            if line.kind == kind:
                found[line.what].append(line)
        if not found:
            raise NotAsked(f"nothing to see: the system under test did not {kind}")
        return found

    # -- what a sound system does ---------------------------------------------

    def repeated_until_honest(self, kind: str) -> str:
        """What was misbehaved at is asked again, the same, until an honest answer; then no more."""
        for what, lines in self.of(kind).items():
            want(len({line.digest for line in lines}) == 1, f"{what}: other bytes when asked again")
            honest = [n for n, line in enumerate(lines) if line.honest]
            want(honest, f"{what}: given up after {len(lines)} attempts, without an honest answer")
            want(len(lines) - 1 - honest[0] == 0, f"{what}: asked {len(lines) - 1 - honest[0]} times more after the honest answer")
        played = sum(line.played for line in self.lines)
        want(played, "nothing was misbehaved at")
        return f"{played} bad answers, asked again each time"

    def not_hammering(self, kind: str, least: float) -> str:
        """Between two attempts there is a pause of at least `least` seconds."""
        self.repeated_until_honest(kind)
        for what, lines in self.of(kind).items():
            pauses = [b.at - a.ended for a, b in zip(lines, lines[1:], strict=False)]
            want(all(pause >= least for pause in pauses), f"{what}: pauses of {[round(p, 2) for p in pauses]} s")
        return f"at least {least} s between attempts"

    def one_at_a_time(self, kind: str) -> str:
        """While an answer is still out, the same is not asked beside it."""
        self.repeated_until_honest(kind)
        for what, lines in self.of(kind).items():
            beside = [b for a, b in zip(lines, lines[1:], strict=False) if a.ended == 0 or b.at < a.ended]
            want(not beside, f"{what}: asked {len(beside)} times beside itself")
        return "one at a time"

    def nobody_went_elsewhere(self, kind: str) -> str:
        """A redirect is not followed, and what it was about is asked again here."""
        want(not any(line.kind == ELSEWHERE for line in self.lines), "went where it was sent")
        return self.repeated_until_honest(kind)

    def stopped_taking(self, kind: str, most: int) -> str:
        """Of an answer without end no more than `most` bytes are taken."""
        taken = max((line.taken for line in self.lines if line.played), default=0)
        want(taken <= most, f"took {taken} bytes of an answer without end")
        self.repeated_until_honest(kind)
        return f"took {taken} bytes"

    def told_once(self) -> str:
        """Of each delivery one acknowledgement, however often it is listed, fetched or asked again."""
        for what, lines in self.of(TELL).items():
            want(len({line.digest for line in lines}) == 1, f"{what}: {len({line.digest for line in lines})} different acknowledgements")
        return f"{len(self.of(TELL))} deliveries"

    def told_after_honest_fetch(self) -> str:
        """No acknowledgement before the exact bytes were given."""
        for what, lines in self.of(FETCH).items():
            honest = [line.ended for line in lines if line.honest]
            told = [line.at for line in self.lines if line.kind == TELL and line.what == what]
            want(not told or (honest and min(honest) <= min(told)), f"{what}: acknowledged without its exact bytes")
        return f"{sum(line.played for line in self.lines)} bad answers"
