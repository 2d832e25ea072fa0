"""cli_agency — the agency's verbs: they talk to the hub over mutual TLS, by the node's configuration."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import click

from exchange.cli_hub import show_life
from exchange.client import Client, Proven, Refused
from exchange.config import NodeSettings, load_node
from exchange.edxml.status import write_status
from exchange.edxml.write import write_package
from exchange.envelope import Header, Organ, Outgoing, Priority, ResponseFor, StatusMessage
from exchange.errors import NotFound
from exchange.lifecycle import LABELS, NEEDS_REASON, Status, parse_status
from exchange.node import beside
from exchange.node.agent import make_client, run_node
from signing.show import Screen, local, options

T = TypeVar("T")
FILE = click.Path(path_type=Path, exists=True)
CONFIG = click.option(
    "--config", "config", type=FILE, envvar="VANTHU_NODE_CONFIG", default="node.toml", show_default=True, help="The node's configuration file."
)


def now() -> datetime:
    """The wall clock, aware UTC."""
    return datetime.now(UTC)


def with_client(config: Path, act: Callable[[Client, NodeSettings], Awaitable[T]]) -> T:
    """Run `act` with a client of the hub. What it sends goes into the journal of the node that runs here, if one does."""
    settings = load_node(config, os.environ)

    async def run() -> T:
        async with make_client(settings) as client:
            return await act(client, settings)

    done = asyncio.run(run())
    if isinstance(done, Proven):
        beside.enter(settings, done, now())
    return done


@click.command()
@CONFIG
def node(config: Path) -> None:
    """Run the agency's node until it is told to stop."""
    run_node(load_node(config, os.environ))


@click.command()
@CONFIG
@click.argument("pdf", type=FILE)
@click.option("--attachment", "attachments", type=FILE, multiple=True, help="A further file; may be repeated.")
@click.option("--to", "recipients", multiple=True, required=True, help="Code of a recipient; may be repeated.")
@click.option("--number", required=True, help="Số, e.g. 125.")
@click.option("--notation", required=True, help="Ký hiệu, e.g. SKHCN-CĐS.")
@click.option("--subject", required=True, help="Trích yếu.")
@click.option("--type", "type_name", default="Công văn", show_default=True, help="Tên loại văn bản.")
@click.option("--priority", type=click.IntRange(0, 4), default=0, show_default=True, help="0 thường … 3 hỏa tốc.")
@click.option("--about", "abouts", multiple=True, help="Id of a document that this one answers, corrects, follows or is an extract of; may be repeated.")
@click.option("--about-of", "owner", default="", help="Code of the agency of --about, where the id does not begin with it.")
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="The edXML package to write.")
@options
def pack(
    config: Path,
    pdf: Path,
    attachments: tuple[Path, ...],
    recipients: tuple[str, ...],
    number: str,
    notation: str,
    subject: str,
    type_name: str,
    priority: int,
    abouts: tuple[str, ...],
    owner: str,
    output: Path,
    screen: Screen,
) -> None:
    """Make an edXML package of a signed PDF and its attachments."""
    settings = load_node(config, os.environ)
    day = now().astimezone().date()
    header = Header(
        sender=Organ(code=settings.agency, name=settings.name),
        recipients=tuple(Organ(code=code) for code in recipients),
        document_id=f"{settings.agency},{day:%Y/%m/%d},{number}/{notation}",
        subject=subject,
        code_number=number,
        code_notation=notation,
        promulgation_date=day,
        type_group=2,
        type_detail=0,
        type_name=type_name,
        priority=Priority(priority),
        responses_for=tuple(response_for(about, owner) for about in abouts),
    )
    files = [Outgoing(p.name, "Văn bản chính" if p is pdf else "Phụ lục", media_type(p), p) for p in (pdf, *attachments)]
    sha256 = write_package(output, header, files)
    screen.value({"file": str(output), "document_id": header.document_id, "sha256": sha256})
    screen.say(f"{output}: {header.document_id}", f"{output}: {header.document_id}")


def response_for(document_id: str, owner: str = "") -> ResponseFor:
    """What refers to a document by its id. A nominal id tells agency, date and number too (edxml.md 1.6); any other wants its agency said.

    Raises:
        UsageError: whose document it is cannot be told.
    """
    parts = document_id.split(",", 2)
    if len(parts) == 3 and re.fullmatch(r"\d{4}/\d{2}/\d{2}", parts[1]):
        return ResponseFor(owner or parts[0], parts[2], document_id, parts[1])
    if not owner:
        raise click.UsageError(f"--about {document_id}: --about-of is wanted, the id does not name its agency")
    return ResponseFor(owner, "", document_id, "")


def media_type(path: Path) -> str:
    """What a file is declared as, by its name."""
    return {".pdf": "application/pdf", ".zip": "application/zip"}.get(path.suffix.lower(), "application/octet-stream")


@click.command()
@CONFIG
@click.argument("package", type=FILE)
@click.option("--receipt", type=click.Path(path_type=Path), help="Keep the receipt in this file.")
@options
def submit(config: Path, package: Path, receipt: Path | None, screen: Screen) -> None:
    """Submit a package; prints only what the verified receipt proves."""
    proven = with_client(config, lambda client, _: client.submit(package, now=now()))
    if receipt is not None:
        receipt.write_bytes(proven.data)
    finding = proven.finding
    screen.value({"envelope": finding.envelope, "document_id": finding.document_id, "index": finding.index, "at": finding.at, "replayed": proven.replayed})
    screen.say(
        f"Đã tiếp nhận {finding.document_id} lúc {local(finding.at)} (mục {finding.index} của sổ); gói tin {finding.envelope}",
        f"Accepted {finding.document_id} at {local(finding.at)} (entry {finding.index} of the log); envelope {finding.envelope}",
    )


@click.command()
@CONFIG
@click.option("--after", default=0, show_default=True, help="Only lines above this cursor.")
@click.option("--wait", default=0, show_default=True, help="Wait up to this many seconds for the first line.")
@options
def inbox(config: Path, after: int, wait: int, screen: Screen) -> None:
    """List the agency's mailbox."""
    items, _ = with_client(config, lambda client, _: client.inbox(after=after, wait=wait))
    screen.value(items)
    columns = (("Số", "Cursor"), ("Loại", "Kind"), ("Từ", "From"), ("Văn bản", "Document"), ("Nội dung", "Subject"), ("Mã lượt", "Id"))
    rows = [
        (str(i["cursor"]), i["kind"], i["from"], i["document_id"], i.get("subject") or i.get("code", ""), i.get("status_id") or i["delivery"]) for i in items
    ]
    screen.table(("Hộp thư", "Mailbox"), columns, rows)


@click.command()
@CONFIG
@click.argument("delivery")
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="Where the package goes.")
@options
def fetch(config: Path, delivery: str, output: Path, screen: Screen) -> None:
    """Fetch the package of a delivery; its digest is compared."""
    got = with_client(config, lambda client, _: client.fetch(delivery, output))
    output.with_suffix(output.suffix + ".p7s").write_bytes(got.seal)
    screen.value({"file": str(got.path), "sha256": got.sha256, "size": got.size})
    screen.say(f"Đã nhận {got.size} byte, SHA-256 {got.sha256}", f"Received {got.size} bytes, SHA-256 {got.sha256}")


async def _find(client: Client, delivery: str) -> dict[str, Any]:
    after = 0
    while True:
        items, following = await client.inbox(after=after, limit=500)
        for item in items:
            if item["kind"] == "document" and item["delivery"] == delivery:
                return item
        if not items:
            raise NotFound(delivery, place="delivery")
        after = following


def _status(settings: NodeSettings, item: dict[str, Any], status: Status, why: str) -> bytes:
    message = StatusMessage(
        sender=Organ(code=settings.agency, name=settings.name),
        response_for=ResponseFor(organ=item["from"], code=item["code"], document_id=item["document_id"]),
        code=status.value,
        description=why or LABELS[status][0],
        timestamp=now(),
    )
    return write_status(message)


@click.command()
@CONFIG
@click.argument("delivery")
@options
def acknowledge(config: Path, delivery: str, screen: Screen) -> None:
    """Acknowledge a delivery with the agency's seal (status 01)."""

    async def act(client: Client, settings: NodeSettings) -> Any:
        item = await _find(client, delivery)
        return await client.acknowledge(delivery, _status(settings, item, Status.ARRIVED, ""), now=now())

    proven = with_client(config, act)
    screen.value({"envelope": proven.finding.envelope, "index": proven.finding.index, "at": proven.finding.at})
    screen.say(f"Đã xác nhận; mục {proven.finding.index} của sổ", f"Acknowledged; entry {proven.finding.index} of the log")


@click.command()
@CONFIG
@click.argument("delivery")
@click.argument("code", type=click.Choice([s.value for s in Status]))
@click.option("--reason", default="", help="Wanted for 02, 13 and 16.")
@options
def status(config: Path, delivery: str, code: str, reason: str, screen: Screen) -> None:
    """Report a processing status (02…06; 15 or 16 answer a recall, update or take-back) of a delivery."""
    wanted = parse_status(code)
    if wanted in NEEDS_REASON and not reason:
        screen.fail("status.reason_required", "Phải nêu lý do.", "A reason is wanted.", place="--reason")
        sys.exit(2)

    async def act(client: Client, settings: NodeSettings) -> Any:
        item = await _find(client, delivery)
        return await client.send_status(_status(settings, item, wanted, reason), now=now())

    proven = with_client(config, act)
    screen.value({"envelope": proven.finding.envelope, "index": proven.finding.index, "at": proven.finding.at})
    screen.say(f"Đã gửi trạng thái {code} {LABELS[wanted][0]}", f"Status {code} {LABELS[wanted][1]} sent")


@click.command()
@CONFIG
@click.argument("envelope")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write the evidence file here.")
@options
def life(config: Path, envelope: str, output: Path | None, screen: Screen) -> None:
    """Show a document's life as the hub tells it; with -o fetch its evidence file."""
    if output is not None:
        with_client(config, lambda client, _: client.evidence(envelope, output))
        screen.say(f"Đã ghi {output}", f"Written {output}")
        return
    told = with_client(config, lambda client, _: client.timeline(envelope))
    screen.value(told)
    if not screen.as_json:
        show_life(told, screen)


VERBS = (node, pack, submit, inbox, fetch, acknowledge, status, life)
__all__ = ["VERBS", "Refused"]
