"""The picture of a document's life: says what was proven, runs nothing, and hides nothing that is wrong."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree

import pytest

from signing.timeline_html import MOST_LANES, Life, LifeEvent, draw, picture_of

START = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)
ETSI = "http://uri.etsi.org/19522/Event/"


def event(number: int, name: str, *, by: str = "hub", to: str = "B", minutes: int = 0, **values: str) -> LifeEvent:
    made = LifeEvent(
        number=number,
        index=number,
        at=(START + timedelta(minutes=minutes)).isoformat(),
        event=ETSI + name,
        by=by,
        sender="A",
        recipient=to,
        status=values.get("status", ""),
        why=values.get("why", ""),
        n=0,
        state=values.get("state", "published"),
        leaf='{"v":1}',
        leaf_hash="ab" * 32,
        proof="c2sp.org/tlog-proof@v1\nindex 3\nAAAA\nBBBB\n\nnote",
        problem=values.get("problem", ""),
        chained=not values.get("problem"),
    )
    return made


LIFE = Life(
    envelope="e-1",
    document_id="A,2026/11/24,1/QĐ",
    subject="V/v thử (mô phỏng)",
    sha256="0" * 64,
    size=1234,
    agencies=(("A", "Cơ quan gửi (mô phỏng)"), ("B", "Cơ quan nhận (mô phỏng)")),
    events=(
        event(3, "SubmissionAcceptance", to="", state="sealed"),
        event(4, "ContentConsignment"),
        event(5, "ContentHandover", by="B", status="01", minutes=200),
        event(6, "ConsignmentRejection", by="B", status="02", why="RejectedByRecipient: Sai thẩm quyền", minutes=201),
    ),
    origin="hub.example.vn/custody/2026",
    head_size=7,
    head_root="cd" * 32,
    signers=("hub.example.vn/custody/2026",),
    made_at=START,
)


def svg(life: Life, lang: str = "vi") -> ElementTree.Element:
    return ElementTree.fromstring(picture_of(life, lang))


def texts(life: Life, lang: str = "vi") -> str:
    return " | ".join(t.text or "" for t in svg(life, lang).iter("text"))


def test_every_event_is_drawn_from_lane_to_lane() -> None:
    root = svg(LIFE)
    assert len(list(root.iter("a"))) == 4 and len([x for x in root.iter("line") if x.get("class") == "lane"]) == 3
    moves = [x for x in root.iter("line") if "move" in (x.get("class") or "")]
    right = [float(m.get("x2", 0)) > float(m.get("x1", 0)) for m in moves]
    assert right == [True, True, False, False]  # out to the recipient, and answers back
    assert [m.get("class") for m in moves] == ["move", "move", "move", "move no"]
    assert len([c for c in root.iter("circle") if "through" in (c.get("class") or "")]) == 2
    said = texts(LIFE)
    assert "3 giờ 20 phút" in said and "Sai thẩm quyền" in said and "RejectedByRecipient" not in said and "đã niêm phong" in said
    assert "Refused by the recipient · 02" in texts(LIFE, "en") and "3 h 20 min" in texts(LIFE, "en")


def test_a_recall_goes_out_and_its_answer_comes_back() -> None:
    local = [(7, "RecallRequested"), (8, "CopyDestroyed"), (9, "Withdrawn"), (10, "UpdateRequested"), (11, "UpdateDeclined")]
    made = [event(n, name, why="RejectedByRecipient: Không" if name.endswith("Declined") else "") for n, name in local]
    changes = tuple(replace(e, event=f"urn:vanthu:event:{name}") for e, (_, name) in zip(made, local, strict=True))
    root = svg(replace(LIFE, events=changes))
    moves = [x for x in root.iter("line") if "move" in (x.get("class") or "")]
    assert [float(m.get("x2", 0)) > float(m.get("x1", 0)) for m in moves] == [True, False, True, True, False]
    assert [m.get("class") for m in moves] == ["move"] * 4 + ["move no"]
    # All but the withdrawal, which ends at the hub, go through it from agency to agency.
    assert len([c for c in root.iter("circle") if "through" in (c.get("class") or "")]) == 4


def test_what_does_not_hold_is_seen_at_once() -> None:
    bad = replace(LIFE, events=(*LIFE.events[:2], event(5, "ContentHandover", by="B", problem="prev"), LIFE.events[3]))
    page = draw(bad)
    assert LIFE.ok and not bad.ok and "CÓ BẰNG CHỨNG SAI" in page and "1 trong 4" in page and 'class="chain broken"' in page
    assert "BẰNG CHỨNG ĐÚNG" in draw(LIFE) and "chain broken" not in picture_of(LIFE) and "bằng chứng sai" in texts(bad)
    assert not replace(LIFE, events=()).ok


def test_many_recipients_share_a_lane_but_trouble_has_its_own() -> None:
    agencies = (LIFE.agencies[0], *((f"H{n}", f"Xã {n} (mô phỏng)") for n in range(40)), LIFE.agencies[1])
    events = (*LIFE.events, event(9, "ContentConsignment", to="H39"))
    life = replace(LIFE, agencies=agencies, events=events)
    lanes = [x for x in svg(life).iter("line") if x.get("class") == "lane"]
    assert len(lanes) == MOST_LANES + 2
    said = texts(life).replace(" | ", " ")  # names stand on two lines
    assert "Cơ quan nhận" in said and "cơ quan khác" in said
    far = replace(life, events=tuple(event(n, "ContentConsignment", to=f"H{n}") for n in range(30)))
    assert "Đã chuyển tới · H29" in texts(far)


@pytest.mark.parametrize("recipients", [1, 3, 5, 8])
def test_the_picture_fits_a_common_screen_without_scrolling(recipients: int) -> None:
    agencies = (LIFE.agencies[0], *((f"H{n}", f"Xã {n} (mô phỏng)") for n in range(recipients)))
    life = replace(LIFE, agencies=agencies, events=tuple(event(n, "ContentConsignment", to=f"H{n}") for n in range(recipients)))
    width = int(svg(life).attrib["width"])
    assert width <= 1180 and (width <= 920 or 'class="life wide broad"' in draw(life))


def test_who_an_event_concerns_is_named_where_no_arrow_says_so() -> None:
    life = replace(LIFE, events=(*LIFE.events, event(9, "Withdrawn", to=LIFE.agencies[1][0], why="SenderDecision: Gửi nhầm")))
    assert f"· {LIFE.agencies[1][0]}" in texts(life) and "Theo quyết định của bên gửi: Gửi nhầm" in texts(life)
    assert f"· {LIFE.agencies[1][1]}" in draw(life) and "By the sender&#x27;s decision" in draw(life, lang="en")


def test_nothing_hostile_gets_through() -> None:
    evil = '"><script>alert(1)</script>\u202e'
    events = (replace(LIFE.events[1], why=evil, leaf=evil, proof=evil),)
    life = replace(LIFE, subject=evil, document_id=evil, agencies=(("A", evil), ("B", evil)), events=events)
    page = draw(life)
    assert "<script" not in page and "\u202e" not in page and re.search(r"default-src 'none'", page)
    assert "ký tự không hiển thị" in page and "ký tự không hiển thị" not in draw(LIFE)


def test_the_details_hold_what_is_needed_to_check_again() -> None:
    page = draw(LIFE)
    assert page.count("<details") == 4 and "2 mã băm nối mục này với đầu sổ" in page and "{&quot;v&quot;:1}" in page
    assert 'href="#e5"' in page and 'id="e5"' in page and "vanthu custody verify --proof" in page


def test_a_narrow_screen_gets_the_same_events_as_a_list() -> None:
    broken = replace(LIFE, events=(*LIFE.events[:2], replace(LIFE.events[2], problem="mã băm <khác>", chained=False), LIFE.events[3]))
    page = draw(broken)
    steps = page[page.index('<ol class="steps">') : page.index("</ol>")]
    assert steps.count("<li") == len(LIFE.events) and [int(n) for n in re.findall(r'href="#e(\d+)"', steps)] == [3, 4, 5, 6]
    assert "mã băm &lt;khác&gt;" in steps and "unchained" in steps and "Sai thẩm quyền" in steps and "⋮ 3 giờ" in steps
    # Below 44 rem the list is shown and the lanes are not; printed on paper the picture stays.
    assert "@media screen and (max-width: 44rem) { div.life.wide { display: none; } ol.steps { display: block; } }" in page
