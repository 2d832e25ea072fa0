"""parties — hai bên thử: who sends and who receives in a run, and the packages they send."""

from __future__ import annotations

import tempfile
import tomllib
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from exchange.edxml.status import write_status
from exchange.edxml.write import write_package
from exchange.envelope import Header, Organ, Outgoing, ResponseFor, StatusMessage
from exchange.errors import ConfigError

VIETNAM = timezone(timedelta(hours=7))


@dataclass(frozen=True, slots=True)
class Party:
    """One side. `system` and `secret` are for VXP and LGSP, the two files for the native interface."""

    agency: str
    name: str = ""
    system: str = ""
    secret: bytes = b""
    tls_certificate: Path | None = None
    seal_key: Path | None = None


@dataclass(frozen=True, slots=True)
class Parties:
    """Both sides, the authority of the hub's TLS certificate, and the trust folder that receipts are checked with."""

    sender: Party
    recipient: Party
    tls_ca: Path | None = None
    trust: Path | None = None


def load_parties(path: Path) -> Parties:
    """Read ``[sender]``, ``[recipient]`` and ``[hub]`` of a TOML file; paths are relative to it.

    Raises:
        ConfigError: unreadable, or a key is missing or unknown.
    """
    try:
        value = tomllib.loads(path.read_text())
        hub = {name: path.parent / str(item) for name, item in value.get("hub", {}).items()}
        return Parties(_party(path, value["sender"]), _party(path, value["recipient"]), **hub)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{type(error).__name__}: {error}", place=str(path)) from error


def _party(path: Path, value: dict[str, Any]) -> Party:
    fields = {name: path.parent / item if name in ("tls_certificate", "seal_key") else item for name, item in value.items() if name != "secret_file"}
    if "secret_file" in value:
        fields["secret"] = (path.parent / value["secret_file"]).read_bytes().rstrip(b"\r\n")
    return Party(**fields)


class Material:
    """Packages and statuses of one run; ids are new in every run. `clock` gives the present moment."""

    def __init__(self, parties: Parties, clock: Callable[[], datetime]) -> None:
        self.parties, self.clock = parties, clock
        self.mark = uuid.uuid4().hex[:8]

    def document_id(self, name: str) -> str:
        """The id of the document called `name` in this run."""
        day = self.clock().astimezone(VIETNAM)
        return f"{self.parties.sender.agency},{day.year}/{day.month:02d}/{day.day:02d},{name}-{self.mark}/TB-KT"

    def package(self, name: str, *, to: str = "", subject: str = "Kiểm tra sự phù hợp (mô phỏng)") -> bytes:
        """A new document of one page to the recipient, or to `to`."""
        sender, recipient = self.parties.sender, self.parties.recipient
        header = Header(
            sender=Organ(code=sender.agency, name=sender.name),
            recipients=(Organ(code=to or recipient.agency, name=recipient.name),),
            document_id=self.document_id(name),
            subject=subject,
            code_number=f"{name}-{self.mark}",
            code_notation="TB-KT",
            promulgation_date=self.clock().astimezone(VIETNAM).date(),
            type_group=2,
            type_detail=0,
            type_name="Thông báo",
        )
        with tempfile.TemporaryDirectory() as folder:
            page, target = Path(folder) / "page.pdf", Path(folder) / "package.edxml"
            page.write_bytes(one_page())
            write_package(target, header, [Outgoing("thong-bao.pdf", "Văn bản chính", "application/pdf", page)])
            return target.read_bytes()

    def status(self, name: str, code: str) -> bytes:
        """The recipient's status about the document called `name`."""
        day = self.clock().astimezone(VIETNAM)
        about = ResponseFor(
            organ=self.parties.sender.agency,
            code=f"{name}-{self.mark}/TB-KT",
            document_id=self.document_id(name),
            promulgation_date=f"{day.year}/{day.month:02d}/{day.day:02d}",
        )
        who = Organ(code=self.parties.recipient.agency, name=self.parties.recipient.name)
        return write_status(StatusMessage(sender=who, response_for=about, code=code, description="Kiểm tra sự phù hợp", timestamp=self.clock()))


def with_doctype(package: bytes) -> bytes:
    """The package with a DOCTYPE and an entity, which nobody may take."""
    head, _, rest = package.partition(b"?>")
    return head + b'?><!DOCTYPE edXML [<!ENTITY x "y">]>' + rest


def one_page() -> bytes:
    """A PDF of one page, unsigned: a document for reference only, which every hub must carry."""
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] >>",
    ]
    out, offsets = bytearray(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"), []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(out)
    out += b"xref\n0 4\n0000000000 65535 f \n" + b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    return bytes(out + b"trailer\n<< /Size 4 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % start)
