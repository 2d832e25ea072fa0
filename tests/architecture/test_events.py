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
# Which test shows it, below tests/.
_EVENTS, _CHANGES = "journey/test_evidence_events.py", "security/test_evidence_changes.py"
_ALL = f"{_EVENTS}::test_every_event_has_evidence_that_holds"
_BEGUN, _PUSH = f"{_EVENTS}::test_work_begun_and_finished_and_a_take_back_refused", f"{_EVENTS}::test_a_push_that_nobody_answers"
_BAD_DAY = "journey/test_custody_verbs.py::test_a_restored_backup_is_explained_and_given_up_openly"
_MAILBOX = f"{_EVENTS}::test_a_document_that_nobody_collects"
_BEFORE_AND_AFTER, _MOVED = f"{_CHANGES}::test_recalled_before_and_after_collection", f"{_CHANGES}::test_updated_with_new_and_removed_recipients"
SHOWN: dict[Event, str] = {
    Event.ACCEPTED: _PUSH,
    Event.REFUSED_SUBMISSION: f"{_EVENTS}::test_a_refused_package_is_an_event_with_its_reason",
    Event.RELAY_FAILED: _PUSH,
    Event.RELAY_DUE: _PUSH,
    Event.CONSIGNED: _MAILBOX,
    Event.CONSIGNMENT_FAILED: _PUSH,
    Event.CONSIGNMENT_DUE: _PUSH,
    Event.HANDED_OVER: f"{_EVENTS}::test_statuses_have_their_events",
    Event.HANDOVER_FAILED: _MAILBOX,
    Event.HANDOVER_DUE: _MAILBOX,
    Event.REGISTERED: _BEGUN,
    Event.RECIPIENT_REFUSED: f"{_EVENTS}::test_statuses_have_their_events",
    Event.ACCEPTANCE_EXPIRED: f"{_EVENTS}::test_limits_are_configured",
    Event.ASSIGNED: _BEGUN,
    Event.IN_PROCESS: _BEGUN,
    Event.FINISHED: _BEGUN,
    Event.RECALL_REQUESTED: _BEGUN,
    Event.RECALL_AGREED: f"{_CHANGES}::test_taken_back",
    Event.RECALL_REFUSED: _BEGUN,
    Event.WITHDRAWN: _BEFORE_AND_AFTER,
    Event.RECALL_ASKED: _BEFORE_AND_AFTER,
    Event.COPY_DESTROYED: _BEFORE_AND_AFTER,
    Event.RECALL_DECLINED: f"{_CHANGES}::test_a_recall_under_an_id_of_its_own_is_tied_by_the_package",
    Event.UPDATED: f"{_CHANGES}::test_updated_with_new_text",
    Event.UPDATE_AGREED: f"{_CHANGES}::test_updated_with_new_text",
    Event.UPDATE_DECLINED: f"{_CHANGES}::test_updated_with_new_text",
    Event.RECIPIENT_ADDED: _MOVED,
    Event.SUPERSEDED: f"{_CHANGES}::test_replaced",
    Event.OPERATOR: "journey/test_demo.py::test_hold_release_resend",
    Event.DIRECTORY: "store/test_custody_search.py::test_search_by_everything_an_auditor_knows",
    Event.RECHECKED: "journey/test_recheck.py::test_missing_crl",
    Event.LOG_EPOCH: _BAD_DAY,
    Event.LOG_KEY: "journey/test_attendance.py::test_the_hubs_certificate_vouches_for_the_key_of_the_log",
    Event.LOG_RECOVER: _BAD_DAY,
    Event.LOG_TICK: "journey/test_witnesses.py::test_a_tick_a_minute_while_something_goes_on",
    Event.LOG_STAMP: "faults/test_tsa_down.py::test_a_sealed_head_holds_in_every_way",
    Event.LOG_WITNESS: "journey/test_attendance.py::test_entries_about_witnesses_call_for_no_seal_and_no_tick",
    Event.LOG_STATEMENT: "unit/test_statements.py::test_statements_follow_each_other_without_a_gap",
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


def test_each_event_is_shown_by_the_test_that_the_table_names() -> None:
    assert set(SHOWN) == set(WRITTEN)
    for event, test in SHOWN.items():
        file, _, name = test.partition("::")
        text = (ROOT / "tests" / file).read_text()
        assert f"def {name}(" in text, test
        assert re.search(rf"\b{event.value}\b|\bEvent\.{event.name}\b", text), f"{file} does not speak of {event.value}"


def test_the_page_says_where_each_is_raised_and_shown() -> None:
    page = (ROOT / "docs" / "evidence.md").read_text()
    for event, places in WRITTEN.items():
        raised = ", ".join(f"`{place}`" for place in places)
        mark = " †" if event.negative else ""
        assert f"| `{event.uri}`{mark} | {raised} | `{SHOWN[event]}` |" in page, event


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
