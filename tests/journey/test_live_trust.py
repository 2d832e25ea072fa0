"""The hub fetches revocation data by itself: a CRL that was missing comes, and the mark is lifted."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from exchange.live_trust import keep_fresh
from signing.trust import Trust
from tests.house import House, Pki


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        return


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    folder = tmp_path / "served"
    folder.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield folder, f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_missing_list_comes_by_itself(pki: Pki, house: House, served: tuple[Path, str], tmp_path: Path) -> None:
    web, url = served
    trust = tmp_path / "trust"
    shutil.copytree(pki.folder / "trust", trust)
    lists = sorted((trust / "crls").iterdir())
    held = [path.read_bytes() for path in lists]
    shutil.rmtree(trust / "crls")
    (trust / "sources.toml").write_text(f'allow = ["{url}"]\ncrls = ["{url}issuing.crl", "{url}root.crl"]\n')
    seal = pki.seal("000.00.99.H56")

    now = datetime.now(UTC)
    assert keep_fresh(trust, house.hub.store, lambda: now) == 2  # down at the start: said, nothing raised
    assert Trust.load(trust).path(seal.certificate, seal.chain, at=now).revocation.state == "unknown"

    for path, data in zip(lists, held, strict=True):
        (web / path.name).write_bytes(data)
    later = now + timedelta(hours=2)
    assert keep_fresh(trust, house.hub.store, lambda: later) == 0
    assert Trust.load(trust).path(seal.certificate, seal.chain, at=now).revocation.state == "good"
