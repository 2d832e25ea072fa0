"""live_trust — tin cậy đang dùng: the hub's trust folder as it is now, and its revocation data kept fresh.

The folder is looked at once a second; CRLs and OCSP answers are fetched from allow-listed
places only, in a loop of its own that no message waits for.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import structlog
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from exchange.config import HubSettings
from exchange.store import agencies
from exchange.store.engine import Store
from signing.errors import TrustUnusable
from signing.fetch import http_fetch
from signing.sources import Sources, refresh
from signing.trust import Trust

log = structlog.get_logger()
LOOK_SECONDS = 1.0  # a changed CRL or directory takes effect after this at the latest


class LiveTrust:
    """The trust folder and the directory's seals, read again when either changes."""

    def __init__(self, settings: HubSettings, store: Store) -> None:
        self._folder, self._store = settings.trust, store
        self._lock = threading.Lock()
        self._seen: tuple[float, frozenset[str]] | None = None
        self._trust: Trust | None = None
        self._looked = 0.0

    def __call__(self) -> Trust:
        with self._lock:
            # Looking at every file for every document would cost more than it tells.
            if self._trust is not None and time.monotonic() - self._looked < LOOK_SECONDS:
                return self._trust
            self._looked = time.monotonic()
        newest = max((p.stat().st_mtime for p in self._folder.rglob("*") if p.exists()), default=0.0)
        with self._store.read() as connection:
            seals = agencies.seal_fingerprints(connection)
        with self._lock:
            if self._trust is None or self._seen != (newest, seals):
                self._trust = replace(Trust.load(self._folder), agency_certificates=seals)
                self._seen = (newest, seals)
            return self._trust


def keep_fresh(folder: Path, store: Store, clock: Callable[[], datetime]) -> int:
    """Ask the allow-listed sources for what is due; how many were down. Nothing due stays off the network."""
    with store.read() as connection:
        seals = [x509.load_pem_x509_certificate(pem.encode()).public_bytes(Encoding.DER) for pem in agencies.seal_certificates(connection)]
    try:
        outcomes = refresh(folder, http_fetch(Sources.load(folder).allows), clock(), certificates=seals)
    except TrustUnusable as error:
        log.error("trust", action="trust_unusable", code=error.code, detail=error.detail)
        return 1
    down = [o for o in outcomes if o.state in ("failed", "refused")]
    for outcome in down:
        log.warning("trust", action="source_down", place=outcome.url, code=outcome.reason.code if outcome.reason else "")
    return len(down)
