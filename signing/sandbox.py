"""sandbox — lồng kính: verification in worker processes with limits.

A worker has no more than its share of CPU and memory and is killed when it
overruns the wall clock. Whatever happens there is a verdict "cannot be
determined" with a reason, never a crash of the caller. Messages are pickled
frozen values over pipes; the worker ends when its pipe closes.
"""

from __future__ import annotations

import multiprocessing
import os
import queue
import resource
import signal
import threading
from datetime import datetime
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

from signing.policy import judge
from signing.reasons import reason
from signing.report import DualSignature, Indication, PdfFindings, PdfVerdict, Verdict
from signing.trust import Trust
from signing.verify_pdf import verify_pdf

CPU_SECONDS = 2  # for one file
MEMORY_MB = 256  # for one worker
_context = multiprocessing.get_context("spawn")


class Sandbox:
    """A pool of `workers` verifiers. Thread-safe; workers start at first use."""

    def __init__(self, workers: int = 2, *, cpu_seconds: float = CPU_SECONDS, memory_mb: int = MEMORY_MB, wall_seconds: float = 10.0) -> None:
        self._limits = (cpu_seconds, memory_mb)
        self._wall = wall_seconds
        self._idle: queue.LifoQueue[_Worker | None] = queue.LifoQueue()
        for _ in range(workers):
            self._idle.put(None)
        self._workers: set[_Worker] = set()
        self._lock = threading.Lock()
        self._closed = False

    def verify(self, path: Path, trust: Trust, *, at: datetime, policy: str = "nd30", kind: str = "document", number: str = "") -> PdfVerdict:
        """Verify and judge one file in a worker; blocks until the verdict.

        Args:
            number: number and symbol of the document, which an attachment's mark must show.
        """
        worker = self._idle.get()
        try:
            if worker is None:
                worker = _Worker(self._limits)
                with self._lock:
                    self._workers.add(worker)
            verdict = worker.ask(path, trust, at, (policy, kind, number), wall=self._wall)
        except (EOFError, OSError, TimeoutError) as error:
            if worker is not None:
                self._discard(worker)
                worker = None
            verdict = _undetermined(policy, error)
        finally:
            self._idle.put(worker)
        return verdict

    def _discard(self, worker: _Worker) -> None:
        worker.stop()
        with self._lock:
            self._workers.discard(worker)

    def close(self) -> None:
        """End all workers."""
        with self._lock:
            workers, self._workers = self._workers, set()
        for worker in workers:
            worker.stop()


class _Worker:
    def __init__(self, limits: tuple[float, int]) -> None:
        self._pipe, child = _context.Pipe()
        self._process = _context.Process(target=_serve, args=(child, *limits), daemon=True, name="vanthu-verifier")
        _start_unheard(self._process)
        child.close()
        self._known = ""

    def ask(self, path: Path, trust: Trust, at: datetime, rule: tuple[str, str, str], *, wall: float) -> PdfVerdict:
        # The trust list is sent once and then named by its fingerprint.
        fingerprint = trust.fingerprint
        self._pipe.send((path, None if self._known == fingerprint else trust, at, rule))
        self._known = fingerprint
        if not self._pipe.poll(wall):
            raise TimeoutError("wall clock")
        verdict = self._pipe.recv()
        if not isinstance(verdict, PdfVerdict):
            raise EOFError("no verdict")
        return verdict

    def stop(self) -> None:
        self._pipe.close()
        if self._process.is_alive():
            self._process.kill()
        self._process.join(5)


def _start_unheard(process: BaseProcess) -> None:
    """Start a worker that a Ctrl-C at the terminal does not reach: whoever started it ends it, without a trace on the screen."""
    resource_tracker.ensure_running()  # it would lift the mask when it is started in between
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        process.start()  # a mask is inherited, and holds while the interpreter is still starting
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(pipe: Connection, cpu_seconds: float, memory_mb: int) -> None:
    # Private writable memory: what a hostile file could make grow; mapped libraries are not counted.
    resource.setrlimit(resource.RLIMIT_DATA, (memory_mb << 20, memory_mb << 20))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    trust: Trust | None = None
    try:
        while True:
            path, sent, at, (policy, kind, number) = pipe.recv()
            trust = sent or trust
            if trust is None:
                raise EOFError
            # Process CPU time, exact to the tick; when it is used up the process ends by SIGPROF.
            signal.setitimer(signal.ITIMER_PROF, cpu_seconds)
            verdict = judge(verify_pdf(path, trust, at=at), policy=policy, kind=kind, number=number)
            signal.setitimer(signal.ITIMER_PROF, 0)
            pipe.send(verdict)
    except (EOFError, OSError, KeyboardInterrupt):
        os._exit(0)


def _undetermined(policy: str, error: Exception) -> PdfVerdict:
    why = reason("pdf.limit", "", type(error).__name__)
    findings = PdfFindings(sha256="", size=0, reasons=(why,), error=f"{type(error).__name__}: {error}"[:200])
    return PdfVerdict(policy, Verdict.UNDETERMINED, DualSignature.NOT_APPLICABLE, Indication.INDETERMINATE, "GENERIC", (why,), findings)
