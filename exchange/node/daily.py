"""daily — việc hằng ngày của nút: fetches each day's sealed statement and compares it with the journal, by itself.

What was found is a log event, a file, and an item of the local interface. A statement that does
not come is an event too.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta

import structlog

from exchange.client import Client
from exchange.node.desk import Desk
from exchange.node.reconcile import Reconciliation, Shelf, reconcile
from signing.errors import SigningError
from signing.statement_check import check_statement
from signing.tile_log import Fetch
from signing.wording import VIETNAM

log = structlog.get_logger()
LOOK_SECONDS = 600.0
OVERDUE = timedelta(hours=6)  # after midnight; the hub closes a day within minutes


class Daily:
    """Reconciliation as a step of the node's loop."""

    def __init__(self, desk: Desk, client: Client, shelf: Shelf, *, vkeys: Sequence[str], fetch: Fetch, clock: Callable[[], datetime]) -> None:
        self.desk, self.client, self.shelf = desk, client, shelf
        self._vkeys, self._fetch, self._clock = tuple(vkeys), fetch, clock
        self._next = 0.0

    async def reconcile(self) -> bool:
        """Compare every day that is not done yet; True when there was one."""
        if time.monotonic() < self._next:
            return False
        self._next = time.monotonic() + LOOK_SECONDS
        days = sorted(item["day"] for item in await self.client.statements())
        self._overdue(days)
        todo = [day for day in days if day not in self.shelf.days()]
        for day in todo:
            data = await self.client.statement(day)
            try:
                result = await asyncio.to_thread(self.compare, data)
            except SigningError as error:
                log.error("statement", action="statement_refused", day=day, code=error.code, detail=error.detail, vi=error.vi)
                return False
            await asyncio.to_thread(self.shelf.keep, data, result)
            _tell(result)
        return bool(todo)

    def compare(self, data: bytes) -> Reconciliation:
        """Check a statement and hold it against the journal.

        Raises:
            StatementInvalid, SealInvalid: it does not hold. LogUnavailable: the log did not answer.
        """
        now = self._clock()
        found = check_statement(data, trust=self.desk.trust(), vkeys=self._vkeys, at=now)
        kept = self.shelf.before(found.statement.day)
        before = check_statement(kept, trust=self.desk.trust(), vkeys=self._vkeys, at=now) if kept is not None else None
        with self.desk.store.read() as connection:
            return reconcile(connection, found, before=before, fetch=self._fetch)

    def _overdue(self, days: list[str]) -> None:
        due = ((self._clock() - OVERDUE).astimezone(VIETNAM).date() - timedelta(days=1)).isoformat()
        if days and days[-1] < due:
            late = (date.fromisoformat(due) - date.fromisoformat(days[-1])).days
            log.error("statement", action="statement_overdue", day=due, days=late, vi="Trục chưa lập bảng kê ngày.")


def _tell(result: Reconciliation) -> None:
    if result.ok:
        log.info("reconciled", action="reconciled", day=result.day, count=result.count, matched=result.matched, elsewhere=len(result.elsewhere))
    for d in result.differences:
        log.error("reconciliation", action=f"reconcile_{d.kind}", day=result.day, entry=d.number, document=d.document_id, vi=d.reason.vi, en=d.reason.en)
