"""bad_sender — bên gửi xử sự sai: numbered misbehaviour against anybody's hub, and what must hold afterwards."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

from exchange.conformance.criteria import Criterion, NotAsked, want
from exchange.conformance.wire import Answer
from exchange.simulate import hostile_packages
from exchange.simulate.raw_http import Line, Request, exchange
from exchange.simulate.sender_scenarios import SCENARIOS
from exchange.simulate.speech import Speech

TOGETHER = 8
POLL = 0.2


@dataclass(slots=True)
class BadSender:
    """One run against one hub.

    Args:
        wait: seconds for an accepted document to reach its recipient.
        alive: seconds in which a proper call must be answered whatever else goes on.
        patience: seconds after which the hub must have let go of a connection that trickles.
        lines: connections that trickle at the same time.
    """

    speech: Speech
    wait: float = 10.0
    alive: float = 10.0
    patience: float = 120.0
    lines: int = 20
    accepted: dict[str, bytes] = field(default_factory=dict)
    refused: dict[str, bytes] = field(default_factory=dict)

    def steps(self, chosen: Sequence[str] = ()) -> list[tuple[Criterion, Callable[[], Any]]]:
        """The scenarios in order, those `chosen` by number, or all; the last looks at what came of the others."""
        table = {s.number: (s, getattr(self, name)) for name, s in SCENARIOS.items()}
        found = [table[n] for n in (chosen or table)]
        return [(s.criterion(), self._then_alive(step)) for s, step in found]

    def _then_alive(self, step: Callable[[], Any]) -> Callable[[], Any]:
        def run() -> Any:
            detail = step()
            self.still_alive()
            return detail

        return run

    # -- what scenarios share -----------------------------------------------

    def package(self, name: str, **more: str) -> bytes:
        """A new document."""
        return self.speech.material.package(name, **more)

    def still_alive(self) -> float:
        """Seconds that a small proper call takes now; it must be answered."""
        start = time.monotonic()
        answer = exchange(self.speech.alive(), seconds=self.alive)
        want(answer is not None and answer.status == 200, f"no longer answers a proper call: {answer}")
        return time.monotonic() - start

    def accept(self, name: str, package: bytes, *answers: Answer | None) -> bytes:
        """All answers must be the same acceptance, and the recipient must be shown the document once."""
        given = {self.speech.taken(answer) for answer in answers}
        want(len(given) == 1 and b"" not in given, [str(a) for a in answers])
        self.accepted[name] = package
        end = time.monotonic() + self.wait
        while not (count := self.speech.listed(package)) and time.monotonic() < end:
            time.sleep(POLL)
        want(count == 1, f"shown to the recipient {count} times")
        return given.pop()

    def refuse(self, name: str, package: bytes, answer: Answer | None, *, silent: bool = False) -> str:
        """It must not be an acceptance; a refusal in words, or (`silent`) a connection closed without."""
        self.refused[name] = package
        want(not self.speech.taken(answer), f"taken: {answer}")
        want(silent or answer is not None, "no answer")
        want(answer is None or answer.status < 500 or answer.status == 503, answer)
        return str(answer)[:120] if answer is not None else "closed"

    # -- scenarios ----------------------------------------------------------

    def answer_lost(self) -> str:
        package = self.package("S1")
        request = self.speech.submit(package)
        for _ in range(3):
            with Line(request.wire) as line:
                line.send(request.whole())
                time.sleep(0.2)
                line.cut()
        self.accept("S1", package, *(exchange(self.speech.submit(package)) for _ in range(2)))
        return "3 cut, 2 asked again"

    def all_at_once(self) -> str:
        package = self.package("S2")
        requests = [self.speech.submit(package) for _ in range(TOGETHER)]
        with ThreadPoolExecutor(TOGETHER) as pool:
            answers = list(pool.map(exchange, requests))
        # One that came while another was worked on may be told to ask again.
        answers = [a if self.speech.taken(a) else exchange(self.speech.submit(package)) for a in answers]
        self.accept("S2", package, *answers)
        return f"{TOGETHER} at the same moment"

    def cut_body(self) -> str:
        package = self.package("S3")
        request = self.speech.submit(package)
        size = len(request.body)
        for at in (0, size // 4, size // 2, size * 3 // 4, size - 1):
            with Line(request.wire) as line:
                line.send(request.head() + request.body[:at])
                line.cut()
        time.sleep(0.5)
        want(self.speech.listed(package) == 0, "a part of it was taken")
        self.accept("S3", package, exchange(self.speech.submit(package)))
        return "5 cuts, then whole"

    def length_too_large(self) -> str:
        package = self.package("S4")
        request = self.speech.submit(package)
        for more in (1, 100_000):
            with Line(request.wire, seconds=self.patience) as line:
                line.send(request.head(("Content-Length", str(len(request.body) + more))) + request.body)
                self.refuse("S4", package, line.answer(), silent=True)
        return "1 and 100,000 bytes missing"

    def length_too_small(self) -> str:
        package = self.package("S5")
        request = self.speech.submit(package)
        with Line(request.wire) as line:
            line.send(request.head(("Content-Length", str(len(request.body) - 40))) + request.body)
            return self.refuse("S5", package, line.answer(), silent=True)

    def two_framings(self) -> str:
        package = self.package("S6")
        request = self.speech.submit(package)
        hidden = self.speech.alive().head()
        with Line(request.wire) as line:
            head = request.head(("Transfer-Encoding", "chunked"), ("Content-Length", str(len(request.body))))
            line.send(head + b"0\r\n\r\n" + hidden)
            answers = line.rest(3.0).count(b"HTTP/1.1 ")
        want(answers <= 1, f"{answers} answers to one request")
        want(self.speech.listed(package) == 0, "taken")
        return f"{answers} answer"

    def broken_framing(self) -> str:
        package = self.package("S7")
        request = self.speech.submit(package)
        size, plain = len(request.body), request.head(without="Content-Length")[:-2]
        fields = {
            "two lengths": b"Content-Length: %d\r\nContent-Length: %d\r\n" % (size, size - 1),
            "a list of lengths": b"Content-Length: %d, %d\r\n" % (size, size - 1),
            "signed length": b"Content-Length: +%d\r\n" % size,
            "hex length": b"Content-Length: 0x%x\r\n" % size,
            "bad chunk": b"Transfer-Encoding: chunked\r\n",
            "NUL in a field": b"X-A: a\x00b\r\nContent-Length: %d\r\n" % size,
        }
        for name, lines in fields.items():
            with Line(request.wire, seconds=self.alive) as line:
                line.send(plain + lines + b"\r\n" + (b"zz\r\n" if name == "bad chunk" else b"") + request.body)
                answer = line.answer()
                want(not self.speech.taken(answer) and (answer is None or answer.status < 500), f"{name}: {answer}")
        self.refused["S7"] = package
        return f"{len(fields)} ways"

    def wrong_hash(self) -> str:
        package = self.package("S8")
        return self.refuse("S8", package, exchange(self.speech.wrong_hash(package)))

    def wrong_signer(self) -> str:
        package = self.package("S9")
        return self.refuse("S9", package, exchange(self.speech.wrong_signer(package)))

    def reused_id(self) -> str:
        first, second = self.package("S10"), self.package("S10", subject="Nội dung khác (mô phỏng)")
        given = self.accept("S10", first, exchange(self.speech.submit(first)))
        detail = self.refuse("S10b", second, exchange(self.speech.submit(second)))
        want(self.speech.taken(exchange(self.speech.submit(first))) == given, "the first is no longer known")
        return detail

    def slow_head(self) -> str:
        return self._trickle("S11", lambda request: (request.whole(), 1))

    def slow_body(self) -> str:
        return self._trickle("S12", lambda request: (request.whole(), len(request.head()) + 10))

    def _trickle(self, name: str, plan: Callable[[Request], tuple[bytes, int]]) -> str:
        """Many connections that send a byte now and then; a proper sender beside them; then they must be let go."""
        slow = self.speech.submit(self.package(f"{name}a"))
        data, first = plan(slow)
        lines = [Line(slow.wire) for _ in range(self.lines)]
        try:
            for line in lines:
                line.send(data[:first])
            package = self.package(name)
            start = time.monotonic()
            answer = exchange(self.speech.submit(package), seconds=self.alive)
            took = time.monotonic() - start
            self.accept(name, package, answer)
            left, at = list(lines), first
            end = time.monotonic() + self.patience
            while left and time.monotonic() < end:
                for line in left:
                    line.send(data[at : at + 1])
                at = min(at + 1, len(data) - 2)
                time.sleep(POLL)
                left = [line for line in left if not line.closed()]
            want(not left, f"{len(left)} of {len(lines)} connections still held after {self.patience:.0f} s")
            return f"a proper sender beside {len(lines)} slow ones: {took:.1f} s; let go of after {time.monotonic() - start:.0f} s"
        finally:
            for line in lines:
                line.cut()

    def not_reading(self) -> str:
        request = self.speech.alive()
        lines = [Line(request.wire) for _ in range(self.lines)]
        try:
            for line in lines:
                for _ in range(20):  # twenty questions, no answer read
                    line.send(request.head())
            return f"{self.still_alive():.1f} s beside {len(lines)} that do not read"
        finally:
            for line in lines:
                line.cut()

    def hostile(self, name: str, body: bytes) -> Answer | None:
        """Submit bytes that are no good package, properly signed."""
        start = time.monotonic()
        answer = exchange(self.speech.submit(body))
        took = time.monotonic() - start
        self.refuse(name, body, answer, silent=answer is None)
        want(answer is not None, f"{name}: no answer")
        want(took < self.alive, f"{name}: {took:.1f} s")
        return answer

    def many_attachments(self) -> str:
        return str(self.hostile("S13", hostile_packages.many_attachments(self.package("S13"))))[:120]

    def many_parts(self) -> str:
        self.hostile("S14", hostile_packages.many_parts())
        kind, body = hostile_packages.many_form_parts()
        request = self.speech.submit(self.package("S14f"))
        form = replace(request, headers=tuple((n, kind if n == "Content-Type" else v) for n, v in request.headers), body=body)
        return self.refuse("S14f", body, exchange(form))

    def long_heads(self) -> str:
        request = self.speech.submit(self.package("S15"))
        many = [(f"X-{n}", "a" * 50) for n in range(5000)]
        for name, head in {
            "5,000 fields": request.head(*many),
            "a field of 1 MB": request.head(("X-A", "a" * 1_000_000)),
            "a line of 1 MB": b"GET /" + b"a" * 1_000_000 + request.head()[4:],
        }.items():
            with Line(request.wire, seconds=self.alive) as line:
                line.send(head + request.body)
                answer = line.answer()
                want(not self.speech.taken(answer) and (answer is None or 400 <= answer.status < 500), f"{name}: {answer}")
        return "3 ways"

    def bombs(self) -> str:
        package = self.package("S16")
        for name, body in hostile_packages.bombs(package).items():
            self.hostile(f"S16 {name}", body)
        return "8 kinds"

    def folded(self) -> str:
        request = self.speech.submit(hostile_packages.folded(100_000_000))
        start = time.monotonic()
        answer = exchange(replace(request, headers=(*request.headers, ("Content-Encoding", "gzip"))))
        want(time.monotonic() - start < self.alive, f"{time.monotonic() - start:.1f} s")
        return self.refuse("S17", b"", answer)

    def idle(self) -> str:
        """Connections that say nothing, and some that do not speak HTTP."""
        request = self.speech.alive()
        words = (b"", b"\x16\x03\x01\x02\x00\x01", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\x00" * 4096, b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n")
        lines = [Line(request.wire) for _ in range(self.lines)]
        try:
            for number, line in enumerate(lines):
                line.send(words[number % len(words)])
            return f"{self.still_alive():.1f} s beside {len(lines)}"
        finally:
            for line in lines:
                line.cut()

    def wrong_json(self) -> str:
        return self.refuse("S19", b"", exchange(self.speech.twice_named()))

    def stale(self) -> str:
        package = self.package("S20")
        return self.refuse("S20", package, exchange(self.speech.stale(package)))

    def nothing_lost_or_doubled(self) -> str:
        if not self.accepted and not self.refused:
            raise NotAsked("no other scenario was run")
        counts = {name: self.speech.listed(package) for name, package in self.accepted.items()}
        want(all(count == 1 for count in counts.values()), f"accepted, and shown to the recipient: {counts}")
        there = [name for name, package in self.refused.items() if package and self.speech.listed(package)]
        want(not there, f"refused, yet delivered: {there}")
        return f"{len(counts)} accepted, {len(self.refused)} refused"
