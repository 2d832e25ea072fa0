"""hub_scenarios — the misbehaviour of a hub, by number."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web

from exchange.simulate import bad_answers as bad
from exchange.simulate.bad_answers import Bad, Means
from exchange.simulate.observed import FETCH, LIST, SUBMIT, TELL, Book, Seen
from exchange.simulate.scenario import Scenario

MOST_TAKEN = 128_000_000
LEAST_PAUSE = 0.2
_AGAIN = (
    "không coi là đã gửi, hỏi lại cho đến khi có biên nhận thật",
    "not treated as sent; asks again, the same, until an honest receipt comes",
)
_NO_01 = ("không báo đã nhận khi chưa có đúng từng byte", "no acknowledgement before the exact bytes are there")
_ONE_01 = ("chỉ một thông báo 01, giống từng byte", "one acknowledgement, the same byte for byte")


@dataclass(frozen=True, slots=True)
class HubScenario:
    """One scenario: what is answered badly, how, and what is looked at afterwards."""

    scenario: Scenario
    kind: str
    bad: Bad
    verdict: Callable[[Book], str]
    native: bool = False  # only the native interface has it

    @property
    def final(self) -> bool:
        """Whether a sound system rightly does not ask again: a changed package whose digest fits."""
        return self.bad is _flipped_with_digest


async def _flipped(request: web.Request, body: bytes, _seen: Seen, _means: Means) -> web.StreamResponse:
    at = len(body) // 2
    return _package(request, body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :])


async def _flipped_with_digest(request: web.Request, body: bytes, _seen: Seen, _means: Means) -> web.StreamResponse:
    at = len(body) // 2
    other = body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]
    digest = base64.b64encode(hashlib.sha256(other).digest()).decode()
    return _package(request, other, {"Repr-Digest": f"sha-256=:{digest}:"})


def _package(request: web.Request, body: bytes, more: dict[str, str] | None = None) -> web.Response:
    kept = {n: v for n, v in request["headers"].items() if n.startswith(("Vanthu-", "Repr-"))}
    return web.Response(body=body, headers={**kept, "Content-Type": "application/edxml+xml", **(more or {})})


async def _listed_twice(_request: web.Request, body: bytes, _seen: Seen, _means: Means) -> web.StreamResponse:
    value = json.loads(body)
    return web.json_response({**value, "items": [item for item in value["items"] for _ in range(2)]})


async def _garbled_list(_request: web.Request, _body: bytes, _seen: Seen, _means: Means) -> web.StreamResponse:
    return web.json_response({"items": [None, 7, {"kind": "document"}], "next": "x"})


def _goes_on(book: Book) -> str:
    (lines,) = book.of(LIST).values()
    return book.told_once() if any(line.honest for line in lines) else book.repeated_until_honest(LIST)


def _again(book: Book) -> str:
    return book.repeated_until_honest(SUBMIT)


_RECEIPT = "ETSI EN 319 522; Luật 20/2023 Điều 15"
_TABLE: tuple[tuple[str, tuple[str, str], tuple[str, str], str, Bad, Callable[[Book], str], bool], ...] = (
    ("Luật 20/2023 Điều 15", ("Nhận rồi ngắt trước khi trả lời", "Accepts, then cuts before the answer"), _AGAIN, SUBMIT, bad.cut, _again, False),
    (
        "RFC 9110 9.2.2",
        ("Trả lời muộn", "Answers late"),
        ("chờ, hoặc hỏi lại sau; không hỏi chồng", "waits, or asks again later; never beside itself"),
        SUBMIT,
        bad.late,
        lambda b: b.one_at_a_time(SUBMIT),
        False,
    ),
    (
        "RFC 9110 15.6.4",
        ("Liên tiếp 503", "A storm of 503"),
        ("hỏi lại, có nghỉ giữa các lần", "asks again, with pauses"),
        SUBMIT,
        bad.unavailable,
        lambda b: b.not_hammering(SUBMIT, LEAST_PAUSE),
        False,
    ),
    ("RFC 8259", ("Trả lời vô nghĩa", "A garbage answer"), _AGAIN, SUBMIT, bad.garbage, _again, False),
    ("RFC 9110 8.6", ("Trả lời rỗng", "An empty answer"), _AGAIN, SUBMIT, bad.nothing, _again, False),
    ("RFC 9112 8", ("Trả lời bị cắt đôi", "Half an answer"), _AGAIN, SUBMIT, bad.truncated, _again, False),
    (
        "RFC 9110 15.5.9",
        ("Trả lời nhỏ giọt", "An answer that trickles"),
        ("bỏ sau một lúc, hỏi lại", "gives up after a while and asks again"),
        SUBMIT,
        bad.drip,
        _again,
        False,
    ),
    (
        "RFC 9110 15.5.14",
        ("Trả lời không có hồi kết", "An answer without end"),
        ("không nhận quá giới hạn", "takes no more than a limit"),
        SUBMIT,
        bad.endless,
        lambda b: b.stopped_taking(SUBMIT, MOST_TAKEN),
        False,
    ),
    ("RFC 9110 8.4", ("Trả lời nén nghìn lần", "An answer compressed a thousandfold"), _AGAIN, SUBMIT, bad.folded, _again, False),
    (
        "RFC 9110 15.4",
        ("Chuyển hướng sang nơi khác", "Redirects elsewhere"),
        ("không đi theo", "does not follow"),
        SUBMIT,
        bad.redirect,
        lambda b: b.nobody_went_elsewhere(SUBMIT),
        False,
    ),
    ("RFC 8259 4", ("Một tên hai lần trong biên nhận", "A name stands twice in the receipt"), _AGAIN, SUBMIT, bad.twice_named, _again, True),
    (_RECEIPT, ("Biên nhận của văn bản khác", "The receipt of another document"), _AGAIN, SUBMIT, bad.other_receipt, _again, True),
    (_RECEIPT, ("Biên nhận do người khác ký", "A receipt of another signer"), _AGAIN, SUBMIT, bad.wrong_signer, _again, True),
    (_RECEIPT, ("Biên nhận với giá trị băm khác", "A receipt with another hash"), _AGAIN, SUBMIT, bad.wrong_hash, _again, True),
    ("RFC 9162", ("Bằng chứng cũ, của mục khác", "A stale proof, of another entry"), _AGAIN, SUBMIT, bad.stale_proof, _again, True),
    ("RFC 9162", ("Đầu sổ giả", "A forged head"), _AGAIN, SUBMIT, bad.forged_proof, _again, True),
    ("NĐ 30/2020 Điều 21", ("Liệt kê mọi thứ hai lần", "Lists everything twice"), _ONE_01, LIST, _listed_twice, lambda b: b.told_once(), True),
    ("RFC 8259", ("Danh sách vô nghĩa", "A garbage list"), ("không dừng, hỏi lại", "does not stop, asks again"), LIST, _garbled_list, _goes_on, True),
    ("RFC 9530", ("Gói tin sai một bit", "A package with one bit wrong"), _NO_01, FETCH, _flipped, lambda b: b.told_after_honest_fetch(), True),
    (
        "QĐ 28/2018/QĐ-TTg Điều 9.1",
        ("Gói tin bị sửa, kèm giá trị băm khớp", "A changed package with a digest that fits"),
        _NO_01,
        FETCH,
        _flipped_with_digest,
        lambda b: b.told_after_honest_fetch(),
        True,
    ),
    ("RFC 9112 8", ("Gói tin bị cắt đôi", "Half a package"), _NO_01, FETCH, bad.truncated, lambda b: b.told_after_honest_fetch(), True),
    ("NĐ 30/2020 Điều 21.2.c", ("Nhận 01 rồi ngắt", "Takes the 01, then cuts"), _ONE_01, TELL, bad.cut, lambda b: b.repeated_until_honest(TELL), True),
    (
        _RECEIPT,
        ("Biên nhận của 01 do người khác ký", "A receipt of the 01 by another signer"),
        _ONE_01,
        TELL,
        bad.wrong_signer,
        lambda b: b.repeated_until_honest(TELL),
        True,
    ),
)
SCENARIOS = {
    f"H-{n:02d}": HubScenario(Scenario(f"H-{n:02d}", clause, *done, *sound), kind, how, verdict, native)
    for n, (clause, done, sound, kind, how, verdict, native) in enumerate(_TABLE, 1)
}
