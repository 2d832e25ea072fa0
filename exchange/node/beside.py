"""beside — bên cạnh nút: what an agency sends by its command line goes into its node's journal too.

Otherwise the day's statement of the hub would have entries of the agency that its journal does
not know: in daily reconciliation that is what a stolen seal looks like.
"""

from __future__ import annotations

from datetime import datetime

import structlog

from exchange.client import Proven
from exchange.config import NodeSettings
from exchange.store import journal_review
from exchange.store.engine import Store

log = structlog.get_logger()


def enter(settings: NodeSettings, proven: Proven, now: datetime) -> bool:
    """Enter a package or status that was sent with this verified receipt; was there a journal to take it?

    What is sent is sent: a journal that cannot be written is a warning, and the day's reconciliation will name the entry.
    """
    if not settings.database and not (settings.data / "node.sqlite").exists():
        return False  # no node runs here, so nothing is reconciled
    finding = proven.finding
    try:
        store = Store.open(settings.database_url, blobs=settings.data / "blobs", schema="node")
        try:
            store.write(lambda c: journal_review.put_beside(c, finding.package_sha256, finding.document_id, finding.envelope, proven.data, now))
        finally:
            store.close()
    except Exception as error:  # whatever is wrong with the journal, the receipt must reach the caller
        log.warning("journal", action="not_entered_beside", sha256=finding.package_sha256, detail=f"{type(error).__name__}: {error}"[:300])
        return False
    return True
