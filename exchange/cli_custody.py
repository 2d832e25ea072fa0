"""cli_custody — the auditor's verbs over the custody log: search, see, prove, check, and recover."""

from __future__ import annotations

import sys
from datetime import UTC, date, datetime, timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import click

from exchange import cli_custody_day, cli_custody_follow, custody_life, fsck, publishing
from exchange.cli_custody_follow import FILE, bar_of, log_keys
from exchange.cli_custody_recover import recover
from exchange.cli_custody_seal import seal_now
from exchange.cli_custody_witness import policy_of, witness
from exchange.cli_hub import CONFIG, hub_of
from exchange.custody import Event, event_named
from exchange.statements import end_of
from exchange.store import custody_search
from exchange.store.custody_search import Query
from signing.checkpoint import Checkpoint, split_note, verify_note, verify_proof
from signing.errors import SigningError
from signing.show import EVENT_COLUMNS, Screen, event_label, local, moment, options, refused
from signing.tile_log import verify_folder
from signing.timeline_html import STATES, draw


@click.group()
def custody() -> None:
    """The custody log: search, prove, check, follow, reconcile."""


@custody.command("search")
@CONFIG
@click.argument("text", default="")
@click.option("--document", default="", help="The document's id, its number, or the envelope's id.")
@click.option("--agency", default="", help="Sender or recipient.")
@click.option("--event", default="", help="Name of the event, e.g. ContentHandover.")
@click.option("--since", help="From this day on, YYYY-MM-DD, or a time in ISO 8601.")
@click.option("--until", help="To this day, included, or before this time.")
@click.option("--digest", default="", help="SHA-256 of a package, file, seal or status message, or an entry's leaf hash.")
@click.option("--after", default=-1, help="Only entries above this number: for the next page.")
@click.option("--limit", default=200, show_default=True, type=click.IntRange(1, 100_000), help="Most rows.")
@options
def search(
    config: Path,
    text: str,
    document: str,
    agency: str,
    event: str,
    since: str | None,
    until: str | None,
    digest: str,
    after: int,
    limit: int,
    screen: Screen,
) -> None:
    """Find entries of the log; TEXT is a document's id or number, or a digest.

    Exit codes: 0 found, 1 nothing found, 2 wrong usage.
    """
    is_digest = len(text) == 64 and all(c in "0123456789abcdefABCDEF" for c in text)
    digest, document = digest or (text if is_digest else ""), document or ("" if is_digest else text)
    if digest and (len(digest) != 64 or any(c not in "0123456789abcdef" for c in digest.lower())):
        raise click.UsageError("--digest: 64 hexadecimal digits")
    query = Query(document, agency, _event(event), _time(since), _time(until, end=True), digest.lower(), after, limit)
    with hub_of(config) as hub, hub.store.read() as connection:
        found = custody_search.search(connection, query)
    screen.value(found)
    columns = (*EVENT_COLUMNS[:3], ("Từ", "From"), ("Bên nhận", "Recipient"), ("Văn bản", "Document"))
    rows = [(str(f.number), moment(f.at.isoformat()), event_label(screen, f.event, ""), f.sender, f.recipient, f.document_id) for f in found]
    if rows:
        screen.table(("Sổ lưu giữ", "Custody log"), columns, rows)
    else:
        screen.say("Không có mục nào như vậy trong sổ.", "There is no such entry in the log.")
    if len(found) == limit:
        screen.say(f"… còn nữa: --after {found[-1].number}", f"… more: --after {found[-1].number}")
    sys.exit(0 if found else 1)


def _event(name: str) -> str:
    if not name:
        return ""
    found = event_named(name)
    if found is None:
        near = get_close_matches(name.lower(), [event.value.lower() for event in Event], n=3)
        likely = ", ".join(event.value for event in Event if event.value.lower() in near)
        raise click.UsageError(f"--event: no event is called {name[:60]}" + (f"; is it {likely}?" if likely else "; docs/evidence.md names them all"))
    return found.value


def _time(value: str | None, *, end: bool = False) -> datetime | None:
    if value is None:
        return None
    try:
        if len(value) == 10:
            day = date.fromisoformat(value)
            return end_of(day) if end else end_of(day) - timedelta(days=1)
        at = datetime.fromisoformat(value)
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    except ValueError as error:
        raise click.UsageError(f"not a day or a time: {value}") from error


@custody.command("timeline")
@CONFIG
@click.argument("document")
@click.option("--html", type=click.Path(path_type=Path), help="Draw it: one self-contained page.")
@options
def timeline(config: Path, document: str, html: Path | None, screen: Screen) -> None:
    """The life of DOCUMENT (its id or number, or the envelope's id), each event with its proof.

    Exit codes: 0 every proof holds, 1 one does not or there is no such document, 2 wrong usage.
    """
    with hub_of(config) as hub:
        lives = custody_life.lives(hub, document)
    screen.value(lives)
    for number, life in enumerate(lives):
        screen.say(f"{life.document_id} — {life.subject}", f"{life.document_id} — {life.subject}")
        columns = (*EVENT_COLUMNS, ("Bằng chứng", "Proof"))
        rows = [
            (
                str(e.number),
                moment(e.at),
                event_label(screen, e.event, e.status, e.why),
                e.by,
                e.recipient,
                ("✗ " + e.problem) if e.problem else "✓ " + screen.word(*STATES[e.state]),
            )
            for e in life.events
        ]
        screen.table(("Diễn biến", "Life of the document"), columns, rows)
        if html is not None:
            target = html if len(lives) == 1 else html.with_stem(f"{html.stem}-{number + 1}")
            target.write_text(draw(life, lang=screen.lang), encoding="utf-8")
            screen.say(f"Đã vẽ {target}", f"Drawn {target}")
    sys.exit(0 if all(life.ok for life in lives) else 1)


@custody.command("prove")
@CONFIG
@click.argument("envelope")
@click.option("--index", type=int, help="Which event; the acceptance by default.")
@click.option("--no-content", is_flag=True, help="Leave the documents out of the evidence file; digests remain.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write an evidence file (.asice) instead of a proof.")
@options
def prove(config: Path, envelope: str, index: int | None, no_content: bool, output: Path | None, screen: Screen) -> None:
    """Print the offline proof of an event, or write the evidence file."""
    with hub_of(config) as hub:
        if output is not None:
            hub.evidence(None, envelope, output, content=not no_content)
            screen.value({"file": str(output)})
            screen.say(f"Đã ghi {output}", f"Written {output}")
            return
        text = hub.proof(None, envelope, index)
    screen.value({"proof": text})
    if not screen.as_json:
        click.echo(text, nl=False)


@custody.command("verify")
@click.argument("folder", type=FILE, required=False)
@click.option("--config", "config", type=FILE, envvar="VANTHU_CONFIG", help="The hub's configuration: recompute its whole log.")
@click.option("--proof", type=FILE, help="A .tlog-proof file; with --leaf.")
@click.option("--leaf", type=FILE, help="The log entry that the proof is about.")
@click.option("--trust", "trust_folder", type=FILE, envvar="VANTHU_TRUST", help="Folder with log.vkey.")
@options
def verify(folder: Path | None, config: Path | None, proof: Path | None, leaf: Path | None, trust_folder: Path | None, screen: Screen) -> None:
    """Recompute a mirror in FOLDER, or the hub's own log, or check one proof. Offline."""
    if proof is not None and leaf is not None and trust_folder is not None:
        try:
            index, checkpoint = verify_proof(proof.read_text(), leaf.read_bytes(), log_keys(trust_folder))
        except SigningError as error:
            sys.exit(refused(screen, error))
        screen.value({"index": index, "origin": checkpoint.origin, "size": checkpoint.size})
        screen.say(f"Đúng: mục {index} của {checkpoint.size} trong sổ {checkpoint.origin}", f"Holds: entry {index} of {checkpoint.size} in {checkpoint.origin}")
    elif folder is not None and trust_folder is not None:
        _verify_folder(folder, log_keys(trust_folder), screen)
    elif config is not None and folder is None and proof is None:
        _verify_hub(config, screen)
    else:
        raise click.UsageError("FOLDER with --trust, or --config, or --proof with --leaf and --trust")


def _fail(screen: Screen, problem: str, place: str = "") -> None:
    screen.fail("custody.failed", "Không khớp", "Does not hold", place=place, detail=problem)


def _verify_folder(folder: Path, keys: list[str], screen: Screen) -> None:
    try:
        with bar_of(screen) as bar:
            task = bar.add_task(screen.word("Tính lại bản sao", "Recomputing the mirror"), total=None)
            found = verify_folder(folder, keys, progress=lambda done: bar.update(task, completed=done))
    except SigningError as error:
        sys.exit(refused(screen, error))
    head = found.head
    value = {"origin": head.origin, "size": head.size, "root": head.root.hex(), "entries": found.entries, "heads": found.heads}
    screen.value({**value, "ok": found.ok, "problems": found.problems})
    for problem in found.problems:
        _fail(screen, problem)
    if not found.ok:
        sys.exit(1)
    screen.say(
        f"Bản sao đúng: {head.size} mục của {head.origin}, {found.entries} mục có nội dung, {found.heads} đầu sổ khớp, gốc {head.root.hex()}",
        f"The mirror holds: {head.size} entries of {head.origin}, {found.entries} with content, {found.heads} heads agree, root {head.root.hex()}",
    )


def _verify_hub(config: Path, screen: Screen) -> None:
    with hub_of(config) as hub, bar_of(screen) as bar:
        task = bar.add_task(screen.word("Tính lại sổ", "Recomputing"), total=hub.entries())
        audit = hub.verify_log(lambda count: bar.update(task, completed=count))
        problems = list(audit.problems)
        try:
            verify_note(hub.checkpoint(), hub.office.vkeys())
        except SigningError as error:
            problems.append(f"{error.code}: {error.detail}")
    screen.value({"size": audit.size, "root": audit.root.hex(), "ok": not problems, "problems": problems})
    for problem in problems:
        _fail(screen, problem)
    if problems:
        sys.exit(1)
    screen.say(f"Sổ đúng: {audit.size} mục, gốc {audit.root.hex()}", f"The log holds: {audit.size} entries, root {audit.root.hex()}")


@custody.command("head")
@CONFIG
@click.option("--all-witnesses", is_flag=True, help="Show each signature and each witness, not the note alone.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Save the note to this file.")
@options
def head(config: Path, all_witnesses: bool, output: Path | None, screen: Screen) -> None:
    """Show the newest published head."""
    with hub_of(config) as hub:
        note = publishing.checkpoint(hub.office)
        checkpoint = verify_note(note, hub.office.vkeys())
        state = publishing.log_state(hub.office, policy_of(config)) if all_witnesses else {}
    if output is not None:
        output.write_text(note)
    screen.value({"note": note, "origin": checkpoint.origin, "size": checkpoint.size, "root": checkpoint.root.hex(), **({"state": state} if state else {})})
    if screen.as_json:
        return
    click.echo(note, nl=False)
    if all_witnesses:
        _show_signatures(screen, checkpoint, state)


def _show_signatures(screen: Screen, checkpoint: Checkpoint, state: dict[str, Any]) -> None:
    kinds = {68: "Ed25519", 76: "Ed25519 + giờ/time", 2432: "ML-DSA-44 + giờ/time"}
    rows = [(name, kinds.get(len(blob), f"{len(blob)} byte"), blob[:4].hex()) for name, blob in split_note(checkpoint.note)[1]]
    screen.table(("Chữ ký trên đầu sổ", "Signatures on the head"), (("Tên khóa", "Key name"), ("Loại", "Kind"), ("Mã khóa", "Key id")), rows)
    columns = (("Chứng kiến", "Witness"), ("Có mặt", "Present"), ("Số mục", "Entries"), ("Lỗi liên tiếp", "Failures"), ("Lỗi gần nhất", "Last error"))
    seen = [(w["name"], "✓" if w["present"] else "✗", str(w["size"]), str(w["failures"]), w["last_error"]) for w in state["witnesses"]]
    if seen:
        screen.table(("Chứng kiến", "Witnesses"), columns, seen)
    sizes = (state["signed"], state["published"], state["sealed"], state["stamped"], state["entries"])
    screen.say(
        "Đã ký {}, công bố {}, niêm phong {}, đóng dấu thời gian {} trên {} mục".format(*sizes),
        "Signed {}, published {}, sealed {}, time-stamped {} of {} entries".format(*sizes),
    )


@custody.command("fsck")
@CONFIG
@click.option("--no-content", is_flag=True, help="Look whether stored files are there, without hashing them.")
@options
def fsck_all(config: Path, no_content: bool, screen: Screen) -> None:
    """Recompute everything that is kept: entries, tiles, heads, chains, high-water mark, receipts, statements, files.

    Exit codes: 0 everything holds, 1 something does not, 2 wrong usage.
    """
    results = []
    with hub_of(config) as hub, bar_of(screen) as bar:
        tasks = {step: bar.add_task(screen.word(*fsck.STEP_NAMES[step]), total=None) for step in fsck.STEPS}
        for checked in fsck.check_all(hub.office, lambda step, n, total: bar.update(tasks[step], completed=n, total=total), content=not no_content):
            bar.update(tasks[checked.step], completed=checked.count, total=checked.count)
            results.append(checked)
    ok = not any(checked.problems for checked in results)
    screen.value({"ok": ok, "steps": results})
    rows = [("✓" if not c.problems else "✗", screen.word(*fsck.STEP_NAMES[c.step]), str(c.count), str(len(c.problems))) for c in results]
    screen.table(("Soát toàn bộ", "Everything recomputed"), (("", ""), ("Phần", "Part"), ("Đã xét", "Looked at"), ("Sai", "Wrong")), rows)
    for checked in results:
        for problem in checked.problems:
            _fail(screen, problem, screen.word(*fsck.STEP_NAMES[checked.step]))
    sys.exit(0 if ok else 1)


@custody.command("gaps")
@CONFIG
@click.option("--hours", type=click.FloatRange(0), default=24.0, show_default=True, help="A next event that has been due for longer is late.")
@click.option("--limit", default=1000, show_default=True, help="Most rows.")
@options
def gaps(config: Path, hours: float, limit: int, screen: Screen) -> None:
    """Documents whose chain is broken, whose events are missing, or whose next event is late.

    Exit codes: 0 none, 1 there are some, 2 wrong usage.
    """
    with hub_of(config) as hub:
        found = fsck.gaps(hub.office, late_after=timedelta(hours=hours), limit=limit)
    screen.value(found)
    kinds = {"chain": ("đứt chuỗi", "broken chain"), "missing": ("thiếu", "missing"), "late": ("trễ", "late")}
    columns = (("", ""), ("Văn bản", "Document"), ("Cơ quan", "Agency"), ("Sự kiện", "Event"), ("Từ lúc", "Since"), ("Chi tiết", "Detail"))
    rows = [
        (
            screen.word(*kinds[g.kind]),
            g.document_id or g.envelope,
            g.agency,
            event_label(screen, g.event, "") if g.event else "",
            local(datetime.fromisoformat(g.since)) if g.since else "",
            g.detail if g.kind == "chain" else "",
        )
        for g in found
    ]
    if rows:
        screen.table(("Chỗ khuyết", "Gaps"), columns, rows)
    else:
        screen.say("✓ Không có chỗ khuyết.", "✓ No gaps.")
    sys.exit(1 if found else 0)


for command in (*cli_custody_follow.COMMANDS, *cli_custody_day.COMMANDS, recover, seal_now, witness):
    custody.add_command(command)

# What each verb is for, in Vietnamese, below its help.
_FOR = {
    "search": "Tìm mục trong sổ theo số văn bản, cơ quan, sự kiện, thời gian hoặc mã băm.",
    "timeline": "Đời của một văn bản: ai làm gì, khi nào, từng sự kiện có chứng minh; --html vẽ thành một trang.",
    "prove": "In chứng minh của một sự kiện, hoặc lập tệp chứng cứ (.asice) để người ngoài tự kiểm tra.",
    "verify": "Tính lại bản sao, sổ của trục, hoặc kiểm tra một chứng minh; không cần mạng.",
    "head": "Xem đầu sổ mới nhất đã công bố và chữ ký của các bên chứng kiến.",
    "consistency": "Đầu sổ đã giữ có nằm trong đầu sổ mới mà không bị sửa gì không?",
    "monitor": "Theo dõi sổ như người ngoài: giữ đầu sổ, kiểm tra nối tiếp, báo động khi sổ lùi hoặc cho xem hai cách.",
    "mirror": "Sao sổ vào một thư mục, kiểm tra từng mã băm.",
    "fsck": "Soát toàn bộ: mục, ô, đầu sổ, chuỗi, mốc, biên nhận, bảng kê, tệp.",
    "gaps": "Văn bản bị đứt chuỗi, thiếu sự kiện hoặc trễ sự kiện kế tiếp.",
    "statement": "Bảng kê ngày đã niêm phong của từng cơ quan.",
    "reconcile": "Đối chiếu bảng kê ngày với nhật ký của chính cơ quan: thiếu, thừa, khác.",
    "seal": "Niêm phong và đóng dấu thời gian đầu sổ mới nhất ngay bây giờ, không đợi đến giờ.",
    "recover": "Vì sao không còn ký đầu sổ, và được phép làm gì.",
    "witness": "Bên chứng kiến: trả lời ra sao (trục), đã giữ và từ chối gì (nút), lập chính sách.",
}
for _name, _text in _FOR.items():
    custody.commands[_name].epilog = _text

VERBS = (custody,)
