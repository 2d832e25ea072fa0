"""Peers in processes of their own: made, asked, ended. A peer that cannot be had is left out with a word why."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from typing import Any, Self

HERE = Path(__file__).resolve().parent
PINNED = "pdfsignerpy==0.3.1"


class Unavailable(Exception):
    """The peer cannot be had here."""


class Peer:
    """A process that answers one JSON line to each JSON line."""

    def __init__(self, name: str, command: list[str], folder: Path) -> None:
        self.name = name
        self._log = (folder / f"{name}.log").open("w")
        # Away from this project, so that nothing of it is imported by accident.
        surroundings = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, text=True, cwd=folder, env=surroundings)

    def ask(self, **request: Any) -> dict[str, Any]:
        """The peer's answer: ``ms`` of CPU for one of ``calls`` in a row, ``holds``, ``peak`` MB.

        Raises:
            Unavailable: it ended.
        """
        assert self._process.stdin is not None and self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        except (OSError, ValueError) as error:
            raise Unavailable(f"{self.name} ended: {Path(self._log.name).read_text().strip()[-200:]}") from error
        return answer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=60)
        self._log.close()


def rust(folder: Path) -> Peer:
    """pdfsignerpy in an environment kept for the next run.

    Raises:
        Unavailable: it cannot be installed here.
    """
    home = Path(tempfile.gettempdir()) / f"vanthu-bench-{PINNED.replace('==', '-')}"
    python = home / "bin" / "python"
    try:
        if not (home / "ready").exists():
            venv.create(home, with_pip=True, clear=True)
            subprocess.run([python, "-m", "pip", "install", "-q", "--no-deps", PINNED], check=True, capture_output=True, timeout=300)
            (home / "ready").touch()
    except (OSError, subprocess.SubprocessError) as error:
        raise Unavailable(f"{PINNED} cannot be installed here") from error
    return Peer("pdfsignerpy", [str(python), "-P", str(HERE / "peer_pdfsignerpy.py")], folder)


def stock(folder: Path, trust: Path) -> Peer:
    """Stock pyHanko in the project's environment, without the project."""
    return Peer("pyhanko", [sys.executable, "-P", str(HERE / "peer_pyhanko.py"), str(trust)], folder)
