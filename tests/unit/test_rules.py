"""Lifecycle, delivery, agencies, receipts, custody leaves: the pure rules."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.agency import Agency, AgencyStatus, check_code, check_open
from exchange.config import load_hub, load_node
from exchange.custody import Entry, Event, leaf_bytes
from exchange.delivery import Retry, State, may_move
from exchange.errors import (
    AccessError,
    AgencyError,
    ClosedAgency,
    ConfigError,
    CustodyError,
    DeliveryError,
    ExchangeError,
    InvalidField,
    LockedAgency,
    ReasonRequired,
    ReceiptInvalid,
    StatusError,
    StatusNotAllowed,
    SucceededAgency,
)
from exchange.lifecycle import Status, advance, check_emit, parse_status
from exchange.receipt import Receipt, from_bytes, to_bytes
from exchange.web.custody_api import parse_tile
from exchange.web.problems import document

NOW = datetime(2026, 11, 20, tzinfo=UTC)


def test_lawful_statuses() -> None:
    check_emit("", Status.ARRIVED, reason="")
    check_emit("01", Status.REFUSED, reason="Sai nơi nhận")
    with pytest.raises(StatusNotAllowed):
        check_emit("", Status.FINISHED, reason="")
    with pytest.raises(ReasonRequired):
        check_emit("01", Status.REFUSED, reason=" ")
    with pytest.raises(StatusError):
        parse_status("07")


@given(st.lists(st.sampled_from(list(Status)), max_size=12))
def test_taken_statuses_never_go_back(taken: list[Status]) -> None:
    rank = {"": 0, "01": 1, "13": 1, "16": 1, "03": 3, "04": 4, "05": 5, "02": 6, "06": 6, "15": 6}
    state = ""
    for status in taken:
        after = advance(state, status)
        assert rank[after] >= rank[state]
        assert advance(after, status) == after or status is Status.TAKE_BACK_REFUSED
        state = after


def test_transport_moves() -> None:
    assert may_move(State.QUEUED, State.CLAIMED) and not may_move(State.ACKNOWLEDGED, State.QUEUED) and not may_move(State.RECALLED, State.QUEUED)


def test_back_off_doubles_to_its_limit() -> None:
    retry = Retry()
    assert [retry.wait(n).total_seconds() for n in (1, 2, 3, 50)] == [5, 10, 20, 600]


@pytest.mark.parametrize("code", ["000.00.12.H56", "H37.DN.001", "28.22.H17", "vxp.saas.03", "A" * 35])
def test_codes_accepted(code: str) -> None:
    assert check_code(code, place="x") == code


@pytest.mark.parametrize("code", ["", ".", "A" * 36, "a b", "../etc", "A\n"])
def test_codes_refused(code: str) -> None:
    with pytest.raises(InvalidField):
        check_code(code, place="x")


def test_where_mail_may_go() -> None:
    check_open(Agency("A", "A"), place="x")
    for agency, error in (
        (Agency("A", "A", status=AgencyStatus.CLOSED), ClosedAgency),
        (Agency("A", "A", status=AgencyStatus.CLOSED, successor="B"), SucceededAgency),
        (Agency("A", "A", status=AgencyStatus.LOCKED), LockedAgency),
    ):
        with pytest.raises(error):
            check_open(agency, place="x")


def test_leaf_is_canonical_and_small() -> None:
    entry = Entry(Event.ACCEPTED, NOW, "hub", envelope="e", document_id="đ", document_sha256="0" * 64)
    leaf = leaf_bytes(entry, n=0, previous="", salt=b"0" * 16)
    assert leaf == json.dumps(json.loads(leaf), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    with pytest.raises(CustodyError):
        leaf_bytes(Entry(Event.REFUSED_SUBMISSION, NOW, "hub"), n=0, previous="", salt=b"")
    with pytest.raises(CustodyError):
        leaf_bytes(Entry(Event.ACCEPTED, NOW, "hub", document_id="x" * 3000), n=0, previous="", salt=b"")


@given(st.binary(max_size=50), st.binary(max_size=50), st.integers(0, 2**40))
def test_receipts_round_trip(evidence: bytes, seal: bytes, index: int) -> None:
    receipt = Receipt("e", "x", index, evidence, seal, b"{}", "proof")
    assert from_bytes(to_bytes(receipt)) == receipt


@given(st.binary(max_size=100))
def test_garbage_is_no_receipt(data: bytes) -> None:
    with pytest.raises(ReceiptInvalid):
        from_bytes(data)


def test_tile_paths() -> None:
    assert parse_tile("0", "x001/x234/067") == (0, 1234067, 256)
    assert parse_tile("1", "000.p/17") == (1, 0, 17)
    for bad in ("67", "x001", "000.p/0", "000.p/256", "../000"):
        with pytest.raises(ExchangeError):
            parse_tile("0", bad)


def test_problems_leak_nothing_of_unknown_failures() -> None:
    assert document(ExchangeError("secret detail"))["detail"] == ""
    for error in (AccessError, AgencyError, DeliveryError):
        problem = document(error("x", place="y"))
        assert (problem["code"], problem["detail"], problem["place"], problem["retry"]) == (error.code, "x", "y", error.retry)


def test_configuration(tmp_path: Path) -> None:
    path = tmp_path / "hub.toml"
    keys = "".join(f'{k} = "{k}"\n' for k in ("data", "trust", "tls_certificate", "tls_ca", "seal_key", "log_key"))
    path.write_text(f"[hub]\n{keys}port = 9\n")
    settings = load_hub(path, {"VANTHU_DATABASE": "sqlite:///x"})
    assert settings.port == 9 and settings.data == tmp_path / "data" and settings.database_url == "sqlite:///x"
    for more in ('colour = "red"', "host = 5", "port = true"):
        path.write_text(f"[hub]\n{keys}{more}\n")
        with pytest.raises(ConfigError):
            load_hub(path, {})
    with pytest.raises(ConfigError):
        load_node(path, {})


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("", "config.witnesses"),
        ('witness_policy = "policy.txt"', ""),
        ('witnesses = "none"', ""),
        ('witnesses = "w1, w2"', "config.invalid"),
        ('witnesses = "none"\nwitness_policy = "policy.txt"', "config.invalid"),
    ],
)
def test_a_hub_serves_only_when_it_is_said_who_witnesses(tmp_path: Path, said: str, code: str) -> None:
    path = tmp_path / "hub.toml"
    keys = "".join(f'{k} = "{k}"\n' for k in ("data", "trust", "tls_certificate", "tls_ca", "seal_key", "log_key"))
    path.write_text(f"[hub]\n{keys}{said}\n")
    settings = load_hub(path, {})  # other verbs do without: `witness policy` is how the file is made
    try:
        settings.decide_witnesses()
    except ConfigError as error:
        assert error.code == code
    else:
        assert code == ""


def test_give_up_is_a_day() -> None:
    assert Retry().give_up == timedelta(hours=24)
