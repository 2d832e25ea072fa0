"""cli_changes — the agency's verbs about a document that it sent already: recall, take back, update, replace."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from exchange import client_changes
from exchange.cli_agency import CONFIG, FILE, media_type, now, with_client
from exchange.client import Proven
from exchange.config import NodeSettings, load_node
from exchange.envelope import Header, Organ, Outgoing
from signing.show import Screen, local, options

REASON = click.option("--reason", required=True, help="Why (lý do); the recipients and the log are told.")


def _own(settings: NodeSettings) -> Organ:
    return Organ(code=settings.agency, name=settings.name)


def _files(pdf: Path | None, attachments: tuple[Path, ...]) -> list[Outgoing]:
    return [Outgoing(p.name, "Văn bản chính" if p is pdf else "Phụ lục", media_type(p), p) for p in ((pdf,) if pdf else ()) + attachments]


def _show(screen: Screen, proven: Proven, vi: str, en: str) -> None:
    finding = proven.finding
    screen.value({"envelope": finding.envelope, "document_id": finding.document_id, "index": finding.index, "at": finding.at})
    screen.say(
        f"{vi} lúc {local(finding.at)} (mục {finding.index} của sổ); xem: vanthu life {finding.envelope}",
        f"{en} at {local(finding.at)} (entry {finding.index} of the log); see: vanthu life {finding.envelope}",
    )


@click.command()
@CONFIG
@click.argument("document_id")
@REASON
@click.option("--only", multiple=True, help="Only from this recipient; may be repeated. All of them by default.")
@options
def recall(config: Path, document_id: str, reason: str, only: tuple[str, ...], screen: Screen) -> None:
    """Recall a document that was sent (thu hồi): who has not collected it never will, the others are asked to destroy it."""
    act = lambda client, s: client_changes.recall(client, _own(s), document_id, reason=reason, only=only, now=now())  # noqa: E731
    _show(screen, with_client(config, act), "Đã thu hồi", "Recalled")


@click.command("take-back")
@CONFIG
@click.argument("document_id")
@click.option("--from", "recipient", required=True, help="Code of the recipient.")
@REASON
@options
def take_back(config: Path, document_id: str, recipient: str, reason: str, screen: Screen) -> None:
    """Ask a recipient to give a document back before it is registered (lấy lại, status 13)."""
    act = lambda client, s: client_changes.take_back(client, _own(s), document_id, recipient, reason=reason, now=now())  # noqa: E731
    _show(screen, with_client(config, act), "Đã gửi yêu cầu lấy lại", "Take-back asked")


@click.command()
@CONFIG
@click.argument("document_id")
@REASON
@click.option("--pdf", type=FILE, help="The document's new text.")
@click.option("--attachment", "attachments", type=FILE, multiple=True, help="A further file, with --pdf; may be repeated.")
@click.option("--add", multiple=True, help="Code of a new recipient; may be repeated.")
@click.option("--remove", multiple=True, help="Code of a recipient that is to destroy its copy; may be repeated.")
@options
def update(
    config: Path,
    document_id: str,
    reason: str,
    pdf: Path | None,
    attachments: tuple[Path, ...],
    add: tuple[str, ...],
    remove: tuple[str, ...],
    screen: Screen,
) -> None:
    """Change a document that was sent (cập nhật): its text, its recipients, or both."""
    if attachments and pdf is None:
        raise click.UsageError("--attachment wants --pdf")
    files = _files(pdf, attachments)

    async def act(client: Any, settings: NodeSettings) -> Proven:
        return await client_changes.update(client, _own(settings), document_id, reason=reason, files=files, add=add, remove=remove, now=now())

    _show(screen, with_client(config, act), "Đã cập nhật", "Updated")


@click.command()
@CONFIG
@click.argument("document_id")
@click.argument("pdf", type=FILE)
@REASON
@click.option("--attachment", "attachments", type=FILE, multiple=True, help="A further file; may be repeated.")
@click.option("--to", "recipients", multiple=True, required=True, help="Code of a recipient of the new document; may be repeated.")
@click.option("--for", "organs", multiple=True, help="Only for this recipient of the old one; may be repeated. All of them by default.")
@click.option("--number", required=True, help="Số of the new document.")
@click.option("--notation", required=True, help="Ký hiệu of the new document.")
@click.option("--subject", required=True, help="Trích yếu.")
@click.option("--type", "type_name", default="Công văn", show_default=True, help="Tên loại văn bản.")
@options
def replace(config: Path, document_id: str, pdf: Path, reason: str, screen: Screen, **values: Any) -> None:
    """Send a new document in the place of DOCUMENT_ID (thay thế)."""
    settings, day = load_node(config, os.environ), now().astimezone().date()
    header = Header(
        sender=_own(settings),
        recipients=tuple(Organ(code=code) for code in values["recipients"]),
        document_id=f"{settings.agency},{day:%Y/%m/%d},{values['number']}/{values['notation']}",
        subject=values["subject"],
        code_number=values["number"],
        code_notation=values["notation"],
        promulgation_date=day,
        type_group=2,
        type_detail=0,
        type_name=values["type_name"],
    )
    files, replaced = _files(pdf, values["attachments"]), [(document_id, values["organs"])]

    async def act(client: Any, _: NodeSettings) -> Proven:
        return await client_changes.replace(client, header, files, replaced=replaced, reason=reason, now=now())

    _show(screen, with_client(config, act), f"Đã thay thế bằng {header.document_id}", f"Replaced by {header.document_id}")


VERBS = (recall, take_back, update, replace)
