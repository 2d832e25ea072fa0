"""demo — a hub and three agencies as real processes on loopback; one document goes all the way.

Ends with the hub stopped, the evidence file verified by another process, and
one changed byte refused. Exit 0 only if all of that held.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from exchange.demo_house import AGENCIES, PULLER, PUSHER, SENDER, DemoHouse, Failed
from exchange.demo_letter import VIETNAM, write_letter
from exchange.demo_signing import sign_attachment, sign_letter
from exchange.edxml.write import write_package
from exchange.envelope import Business, Header, Kind, Organ, Outgoing, Trace
from signing.show import Screen
from signing.trust import Trust

STEP_SECONDS = 40.0


class Story:
    """Prints each step as it happens, with the seconds since the start."""

    def __init__(self, screen: Screen) -> None:
        self.screen, self.started = screen, time.monotonic()

    def tell(self, vi: str, en: str) -> None:
        """One step that held."""
        seconds = time.monotonic() - self.started
        first, second = (vi, en) if self.screen.lang == "vi" else (en, vi)
        line = Table.grid(padding=(0, 1))
        line.add_column(width=7, justify="right", style="dim")
        line.add_column(width=1)
        line.add_column()
        line.add_row(f"{seconds:.1f} s", "[green]✓[/]", f"{first}\n[dim]{second}[/]")
        self.screen.out.print(line)

    def wait(self, vi: str, en: str, look: Any) -> Any:
        """Wait until `look()` gives something, then tell it."""
        end = time.monotonic() + STEP_SECONDS
        while time.monotonic() < end:
            found = look()
            if found:
                self.tell(vi, en)
                return found
            time.sleep(0.1)
        raise Failed(f"{en}: nothing after {STEP_SECONDS:.0f} s")


@click.command()
@click.option("--keep", is_flag=True, help="Leave everything running and print the addresses.")
@click.option("--pdf", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="Send this PDF instead of the demonstration letter.")
@click.option("--dir", "folder", type=click.Path(path_type=Path), help="Work in this empty folder and leave it there.")
@click.option("--witnesses", is_flag=True, help="Each agency cosigns the log's heads; two of the three must.")
@click.option("--lang", type=click.Choice(["vi", "en"]), default="vi", show_default=True, help="Language shown first.")
def demo(keep: bool, pdf: Path | None, folder: Path | None, witnesses: bool, lang: str) -> None:
    """Send a signed document through a hub and three agencies on this machine."""
    screen = Screen(lang=lang)
    where = folder or Path(tempfile.mkdtemp(prefix="vanthu-demo-"))
    where.mkdir(parents=True, exist_ok=True)
    house = DemoHouse(where.absolute())
    house.width = screen.out.width
    story = Story(screen)
    try:
        evidence = run(house, story, pdf, witnesses=witnesses)
        if witnesses:
            watch(house, story)
        if keep:
            keep_running(house, screen)
            return
        house.stop("hub")
        story.tell("Đã dừng máy chủ trục liên thông.", "The hub is stopped.")
        prove(house, story, evidence)
    except Failed as error:
        screen.fail("demo.failed", "Bước sau không thành công.", "A step did not hold.", detail=str(error))
        for line in house.last_words():
            screen.err.print(line, markup=False)
        sys.exit(1)
    finally:
        house.stop_all()
        if folder is None and not keep:
            shutil.rmtree(where, ignore_errors=True)
    screen.say("[bold green]Mọi bước đều đúng.[/]", "[bold green]Every step held.[/]")


def run(house: DemoHouse, story: Story, pdf: Path | None, *, witnesses: bool = False) -> Path:
    """From nothing to the evidence file."""
    house.build(witnesses=witnesses)
    story.tell("Đã tạo khóa, chứng thư, danh bạ (tất cả đều mô phỏng).", "Keys, certificates and a directory are made (all fictitious).")
    house.start()
    story.tell(
        "Đang chạy: trục liên thông, ba cơ quan, máy chủ dấu thời gian; mỗi nơi có cơ sở dữ liệu và khóa riêng.",
        "Running: the hub, three agencies and a time-stamp authority, each with its own database and keys.",
    )
    package, document_id = make_package(house, story, pdf)
    house.call(SENDER, "POST", "/outbox", package.read_bytes())
    sent = story.wait(
        "Đã gửi qua TLS hai chiều; biên nhận có niêm phong và chứng minh trong sổ đã được kiểm tra.",
        "Submitted over mutual TLS; the sealed receipt and its proof in the log were verified.",
        lambda: _sent(house, document_id),
    )
    deliveries = {}
    for code, vi, en in (
        (PUSHER, "Trục đã chuyển đến cơ quan nhận hai.", "The hub delivered to the second recipient (push)."),
        (PULLER, "Cơ quan nhận một đã lấy về.", "The first recipient collected it (pull)."),
    ):
        deliveries[code] = story.wait(vi, en, lambda code=code: _received(house, code, document_id))
    for status, vi, en in (
        ("01", "đã đến (tự động, có niêm phong)", "arrived (by itself, sealed)"),
        ("03", "đã tiếp nhận, vào sổ", "registered"),
        ("06", "hoàn thành", "finished"),
    ):
        for code, delivery in deliveries.items():
            if status != "01":
                body = json.dumps({"code": status, "description": vi}).encode()
                house.call(code, "POST", f"/inbox/{delivery}/status", body)
        story.wait(
            f"Bên gửi đã có trạng thái {status} — {vi} — của cả hai cơ quan.",
            f"The sender has status {status}, {en}, of both recipients.",
            lambda status=status: _statuses(house, document_id, status) == {PUSHER, PULLER},
        )
    recall(house, story, document_id)
    house.vanthu("custody", "seal", "--config", str(house.config("hub")))
    story.tell(
        "Đầu sổ mới nhất đã được niêm phong và đóng dấu thời gian, không đợi đến giờ.",
        "The newest head of the log is sealed and time-stamped, without waiting for the hour.",
    )
    target = house.folder / "chung-cu.asice"
    house.vanthu("custody", "prove", str(sent["envelope"]), "--config", str(house.config("hub")), "-o", str(target))
    story.tell(f"Đã ghi tệp chứng cứ ({target.stat().st_size // 1024} KB).", f"The evidence file is written ({target.stat().st_size // 1024} KB).")
    return target


def recall(house: DemoHouse, story: Story, document_id: str) -> None:
    """The sender recalls the document; both recipients destroy their copies and say so under their seals."""
    header = Header(
        sender=Organ(code=SENDER, name=AGENCIES[SENDER]),
        recipients=tuple(Organ(code=code, name=AGENCIES[code]) for code in (PULLER, PUSHER)),
        document_id=document_id,
        subject="Thu hồi công văn",
        business=Business(kind=Kind.RECALL, document_id=document_id, reason="Ban hành nhầm bản dự thảo (mô phỏng)"),
    )
    package = house.folder / "thu-hoi.edxml"
    write_package(package, header, [])
    house.call(SENDER, "POST", "/outbox", package.read_bytes())
    story.wait(
        "Bên gửi thu hồi văn bản: cả hai cơ quan đã hủy bản nhận, giữ lại bia mộ và báo 15 có niêm phong.",
        "The sender recalled the document: both recipients destroyed their copies, keep a tombstone, and said 15 under seal.",
        lambda: _statuses(house, document_id, "15") == {PUSHER, PULLER},
    )
    stones = house.call(PULLER, "GET", "/tombstones")["items"]
    if [s["document_id"] for s in stones] != [document_id] or not stones[0]["destroyed_at"]:
        raise Failed("no tombstone")
    _, text = house.run_vanthu("trace", document_id, "--config", str(house.config("hub")), "--lang", story.screen.lang)
    story.screen.out.print(text, markup=False)


def watch(house: DemoHouse, story: Story) -> None:
    """Who cosigned; then one witness stops, and two of three are still enough."""
    story.wait(
        "Ba cơ quan đã cùng chứng kiến đầu sổ mới nhất.",
        "All three agencies cosigned the newest head.",
        lambda: _state(house)["missing"] == [],
    )
    house.stop(PULLER)
    house.vanthu("agency", "add", "H56.98", "Xã mới (mô phỏng)", "--config", str(house.config("hub")))
    story.wait(
        "Một cơ quan ngừng chứng kiến: hai trong ba vẫn đủ, và thấy rõ ai vắng.",
        "One of them stopped: two of three are still enough, and it is seen who is missing.",
        lambda: (now := _state(house))["quorum"] and now["missing"] == [PULLER] and now["witnessed"] == now["entries"],
    )
    _, text = house.run_vanthu("custody", "witness", "state", "--config", str(house.config("hub")), "--lang", story.screen.lang)
    story.screen.out.print(text, markup=False)


def _state(house: DemoHouse) -> dict[str, Any]:
    _, text = house.run_vanthu("custody", "witness", "state", "--config", str(house.config("hub")), "--json")
    value: dict[str, Any] = json.loads(text)
    return value


def make_package(house: DemoHouse, story: Story, pdf: Path | None) -> tuple[Path, str]:
    """Sign as the law says and pack: (package, document id)."""
    now = datetime.now(UTC)
    number, notation = "125", "SKHCN-CĐS"
    if pdf is None:
        letter, table = write_letter(house.folder, number=f"{number}/{notation}", now=now)
        story.tell("Đã soạn công văn hai trang và một phụ lục.", "A letter of two pages and one attachment are typeset.")
    else:
        letter, table = pdf, None
    trust = Trust.load(house.folder / "pki" / "trust")
    signed, code = house.folder / "van-ban.pdf", f"{number}/{notation}"
    stamp, clerk = house.timestamper(trust), house.seal_key(SENDER)
    sign_letter(letter, signed, person=house.person_key(), agency=clerk, organisation=AGENCIES[SENDER], now=now, trust=trust, timestamp=stamp)
    files = [Outgoing(f"{number}-{notation}.pdf", "Văn bản chính", "application/pdf", signed)]
    if table is not None:
        attachment = house.folder / "phu-luc-da-ky.pdf"
        sign_attachment(table, attachment, agency=clerk, number=code, now=now, trust=trust, timestamp=stamp)
        files.append(Outgoing("phu-luc.pdf", "Phụ lục", "application/pdf", attachment))
    story.tell(
        "Người có thẩm quyền đã ký, rồi cơ quan ký có dấu thời gian; phụ lục do cơ quan ký.",
        "Signed by the authorised person, then by the agency with a time-stamp; the attachment by the agency.",
    )
    day = now.astimezone(VIETNAM)
    document_id = f"{SENDER},{day:%Y/%m/%d},{number}/{notation}"
    header = Header(
        sender=Organ(code=SENDER, name=AGENCIES[SENDER]),
        recipients=tuple(Organ(code=code, name=AGENCIES[code]) for code in (PULLER, PUSHER)),
        document_id=document_id,
        subject="V/v thí điểm gửi, nhận văn bản điện tử ký số qua trục liên thông",
        code_number=number,
        code_notation=notation,
        place="Tỉnh mô phỏng",
        promulgation_date=day.date(),
        type_group=2,
        type_detail=18,
        type_name="Công văn",
        competence="KT.",
        position="Phó Giám đốc",
        full_name="Nguyễn Văn A (mô phỏng)",
        pages=2,
        to_places=("Như trên", "Lưu: VT, CĐS"),
        traces=(Trace(SENDER, f"{day:%Y/%m/%d %H:%M:%S}"),),
    )
    package = house.folder / "goi-tin.edxml"
    write_package(package, header, files)
    story.tell(f"Đã đóng gói edXML: {document_id}", f"Packed as edXML: {document_id}")
    return package, document_id


def _sent(house: DemoHouse, document_id: str) -> Any:
    rows = house.call(SENDER, "GET", "/outbox")["items"]
    row = next((r for r in rows if r["document_id"] == document_id), None)
    if row is not None and row["state"] == "refused":
        raise Failed(row["last_error"])
    return row if row is not None and row["state"] == "sent" else None


def _received(house: DemoHouse, code: str, document_id: str) -> Any:
    rows = house.call(code, "GET", "/inbox")["items"]
    return next((r["delivery"] for r in rows if r["document_id"] == document_id), None)


def _statuses(house: DemoHouse, document_id: str, status: str) -> set[str]:
    rows = house.call(SENDER, "GET", "/statuses")["items"]
    return {r["agency"] for r in rows if r["document_id"] == document_id and r["code"] == status}


def prove(house: DemoHouse, story: Story, evidence: Path) -> None:
    """Verify the evidence file in a process of its own, then a changed copy."""
    trust = house.folder / "pki" / "trust"
    code, text = house.run_vanthu("verify", str(evidence), "--trust", str(trust), "--lang", story.screen.lang)
    story.screen.out.print(text, markup=False)
    if code != 0:
        raise Failed("the evidence file does not verify")
    story.tell("Không cần máy chủ: tệp chứng cứ HỢP LỆ.", "Without the hub: the evidence file is VALID.")
    forged = evidence.with_name("da-sua.asice")
    data = bytearray(evidence.read_bytes())
    place = data.index(b"%PDF-", data.index(b"documents/files/")) + 2000
    data[place] ^= 0x01
    forged.write_bytes(data)
    code, text = house.run_vanthu("verify", str(forged), "--trust", str(trust), "--lang", story.screen.lang)
    story.screen.out.print(text, markup=False)
    if code != 1:
        raise Failed("a changed byte was not noticed")
    story.tell("Sửa một byte trong bản sao: bị từ chối, có lý do.", "One byte changed in a copy: refused, with the reason.")


def keep_running(house: DemoHouse, screen: Screen) -> None:
    """Print the addresses and wait for Ctrl-C."""
    for line in house.addresses():
        screen.out.print(line, markup=False)
    screen.say("Nhấn Ctrl-C để dừng.", "Press Ctrl-C to stop.")
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        return
