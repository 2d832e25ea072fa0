"""Every event of the vocabulary is written by exactly the rooms named here, or the page says why it is not; negative ones give a reason."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from exchange.custody import NEGATIVE, Entry, Event, leaf_bytes
from exchange.errors import CustodyError
from exchange.event_reasons import ReasonCode, split_why, why
from tests.architecture.test_rooms import ROOT

# Who writes each event, below exchange/ (facts: EN 319 522-1 A–F, hub-local ones, log control).
WRITTEN: dict[Event, tuple[str, ...]] = {
    Event.ACCEPTED: ("intake",),
    Event.REFUSED_SUBMISSION: ("intake",),
    Event.RELAY_FAILED: ("clocks",),
    Event.RELAY_DUE: ("clocks",),
    Event.CONSIGNED: ("intake", "dispatch"),
    Event.CONSIGNMENT_FAILED: ("dispatch", "clocks"),
    Event.CONSIGNMENT_DUE: ("clocks",),
    Event.HANDED_OVER: ("reports", "connector"),
    Event.HANDOVER_FAILED: ("clocks", "connector"),
    Event.HANDOVER_DUE: ("clocks",),
    Event.REGISTERED: ("reports",),
    Event.RECIPIENT_REFUSED: ("reports",),
    Event.ACCEPTANCE_EXPIRED: ("clocks",),
    Event.ASSIGNED: ("reports",),
    Event.IN_PROCESS: ("reports",),
    Event.FINISHED: ("reports",),
    Event.RECALL_REQUESTED: ("reports",),
    Event.RECALL_AGREED: ("reports",),
    Event.RECALL_REFUSED: ("reports",),
    Event.WITHDRAWN: ("amendments", "reports"),
    Event.RECALL_ASKED: ("amendments",),
    Event.COPY_DESTROYED: ("reports",),
    Event.RECALL_DECLINED: ("reports",),
    Event.UPDATED: ("amendments",),
    Event.UPDATE_AGREED: ("reports",),
    Event.UPDATE_DECLINED: ("reports",),
    Event.RECIPIENT_ADDED: ("amendments",),
    Event.SUPERSEDED: ("amendments",),
    Event.OPERATOR: ("dispatch",),
    Event.DIRECTORY: ("directory", "directory_exchange", "connector"),
    Event.RECHECKED: ("intake",),
    Event.LOG_EPOCH: ("store/sign_order", "store/custody_recovery"),
    Event.LOG_KEY: ("log_keys", "store/sign_order", "store/custody_recovery"),
    Event.LOG_RECOVER: ("store/custody_recovery",),
    Event.LOG_TICK: ("publishing",),
    Event.LOG_STAMP: ("sealing",),
    Event.LOG_WITNESS: ("attendance", "hearsay"),
    Event.LOG_STATEMENT: ("statements",),
}
# In the vocabulary, and nothing yet that they would be about; docs/evidence.md says why.
NOT_WRITTEN = {
    Event.RELAY_ACCEPTED,
    Event.RELAY_REJECTED,
    Event.NOTIFIED_FOR_ACCEPTANCE,
    Event.NOTIFIED_FOR_ACCEPTANCE_FAILED,
    Event.NOTIFIED,
    Event.NOTIFY_FAILED,
    Event.CONTENT_ACCESSED,
    Event.TO_LEGACY,
    Event.TO_LEGACY_FAILED,
    Event.FROM_LEGACY,
    Event.STATUS,
    Event.LOG_PURGE,
}
READERS = {"custody.py", "custody_search.py", "heads.py", "reconcile.py", "custody_life.py", "evidence_file.py"}
# EN 319 522-1: 22 events in six groups; two share a code that is not certain, and are left out.
UNCERTAIN = {"NotificationDelivered", "NotificationAccessTracking"}


def test_the_table_names_every_event_once() -> None:
    assert set(WRITTEN) | NOT_WRITTEN == set(Event) and not set(WRITTEN) & NOT_WRITTEN
    assert sum(not event.local for event in Event) + len(UNCERTAIN) == 22


def test_each_event_is_written_where_the_table_says_and_nowhere_else() -> None:
    found: dict[str, set[str]] = {}
    for path in sorted((ROOT / "exchange").rglob("*.py")):
        if path.name in READERS:
            continue
        for name in set(re.findall(r"\bEvent\.([A-Z_]+)\b", path.read_text())):
            found.setdefault(name, set()).add(str(path.relative_to(ROOT / "exchange").with_suffix("")))
    for event, places in WRITTEN.items():
        assert set(places) <= found.get(event.name, set()), event
        assert found[event.name] == set(places), event
    for event in NOT_WRITTEN:
        assert event.name not in found, f"{event} is written now: it belongs into the table"


def test_the_page_names_every_event() -> None:
    page = (ROOT / "docs" / "evidence.md").read_text()
    for event in Event:
        if event in (Event.CONSIGNMENT_DUE, Event.HANDOVER_DUE, Event.RELAY_DUE):
            assert "DueSoon" in page
        elif event not in (Event.NOTIFIED_FOR_ACCEPTANCE_FAILED, Event.NOTIFY_FAILED, Event.TO_LEGACY_FAILED):  # "and its failure"
            assert f"`{event.value}`" in page, event


@pytest.mark.parametrize("event", sorted(NEGATIVE))
def test_a_negative_event_without_a_reason_of_the_list_is_refused(event: Event) -> None:
    entry = Entry(event, datetime(2026, 11, 24, tzinfo=UTC), "hub", object_sha256="0" * 64, object_type="x")
    for text in ("", "because", "Nothing: because"):
        with pytest.raises(CustodyError, match="reason"):
            leaf_bytes(replace(entry, why=text), n=0, previous="", salt=bytes(16))
    for code in ReasonCode:
        given = why(code, "vì thế")
        assert split_why(given) == (code, "vì thế")
        assert leaf_bytes(replace(entry, why=given), n=0, previous="", salt=bytes(16))
