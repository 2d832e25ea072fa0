"""A whole exchange in a folder: PKI, directory, hub, signed letters. Everything real."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from exchange.agency import Agency, Mode
from exchange.demo_signing import sign_attachment
from exchange.edxml.status import write_status
from exchange.edxml.write import write_package
from exchange.envelope import Business, Header, Kind, Organ, Outgoing, ResponseFor, StatusMessage
from exchange.hub import Hub
from exchange.office import Office
from exchange.store import agencies
from exchange.store.custody_log import HighWater
from exchange.store.engine import Store
from signing.checkpoint import LogKey
from signing.dev_pki import make_pki
from signing.keys import SigningKey, open_key
from signing.report import Role
from signing.sandbox import Sandbox
from signing.seal import sign_seal
from signing.sign_pdf import sign_pdf
from signing.trust import Trust

SENDER = "000.00.99.H56"
PULLER = "000.00.98.H56"
PUSHER = "H56.97"
AGENCIES = (
    (SENDER, "Cơ quan gửi (mô phỏng)"),
    (PULLER, "Cơ quan nhận một (mô phỏng)"),
    (PUSHER, "Cơ quan nhận hai (mô phỏng)"),
)
PERSONS = (("lanh-dao", "Nguyễn Văn A (mô phỏng)", SENDER),)
NUMBER = "125/QĐ-UBND"  # of every package made here; its attachment shows it
ORIGIN = "hub.example.vn/custody/2026"


def letter(path: Path, text: str = "Cong van", *, more: int = 0) -> Path:
    """A one-page PDF written by hand: no font file, no library. `more`: objects that nothing refers to."""
    stream = f"BT /F1 18 Tf 72 720 Td ({text}) Tj ET".encode()
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Times-Roman >>",
        *[b"<< /A [1 2 3] >>"] * more,
    ]
    out, offsets = bytearray(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"), []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    out += b"trailer\n<< /Size %d /Root 1 0 R /ID [<00> <00>] >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start)
    path.write_bytes(out)
    return path


_DAYS: dict[str, date] = {}


def promulgated(document_id: str) -> date:
    """A date of its own for each document: one number and date of an agency is one document (NĐ 30/2020 Annex VI)."""
    first = date(2026, 11, 20)
    return first if document_id == f"{SENDER},2026/11/20,{NUMBER}" else _DAYS.setdefault(document_id, first - timedelta(days=len(_DAYS) + 1))


@dataclass
class Pki:
    """A development PKI in `folder`, with signed letters made once."""

    folder: Path
    now: datetime
    document: Path
    attachment: Path

    def seal(self, code: str) -> SigningKey:
        return open_key(self.folder / "agencies" / code / "seal.pem")

    def person(self, slug: str = "lanh-dao") -> SigningKey:
        return open_key(self.folder / "persons" / f"{slug}.pem")


def make_house_pki(folder: Path) -> Pki:
    now = datetime.now(UTC)
    make_pki(folder, now=now, agencies=AGENCIES, persons=PERSONS)
    pki = Pki(folder, now, folder / "document.pdf", folder / "attachment.pdf")
    half, draft = folder / "half.pdf", letter(folder / "draft.pdf")
    sign_pdf(draft, half, pki.person(), now=now, role=Role.PERSON, field="NguoiKy")
    sign_pdf(half, pki.document, pki.seal(SENDER), now=now, role=Role.AGENCY, field="CoQuan", trust=Trust.load(folder / "trust"))
    sign_attachment(letter(folder / "table.pdf", "Phu luc"), pki.attachment, agency=pki.seal(SENDER), number=NUMBER, now=now, trust=None, timestamp=None)
    return pki


@dataclass
class House:
    """One hub over `pki`, its parts in `folder`. `fault` is called at each durable step."""

    pki: Pki
    folder: Path
    url: str = ""
    fault: Callable[[str], None] | None = None
    sandbox: Sandbox | None = None
    hub: Hub = field(init=False)
    ahead: timedelta = timedelta(0)
    _own_sandbox: bool = False

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.url = self.url or f"sqlite:///{self.folder / 'hub.sqlite'}"
        if self.sandbox is None:
            self.sandbox, self._own_sandbox = Sandbox(workers=1), True
        self.open()

    def open(self) -> Hub:
        store = Store.open(self.url, blobs=self.folder / "blobs", migrate=True, fault=self.fault)
        trust = Trust.load(self.pki.folder / "trust")
        assert self.sandbox is not None
        office = Office(
            store=store,
            origin=ORIGIN,
            seal_key=open_key(self.pki.folder / "hub" / "seal.pem"),
            log_key=LogKey.load(self.pki.folder / "hub" / "log.key"),
            high_water=HighWater(self.folder / "high-water"),
            sandbox=self.sandbox,
            trust=lambda: trust,
            clock=lambda: datetime.now(UTC) + self.ahead,
        )
        self.hub = Hub(office)
        return self.hub

    def close(self) -> None:
        self.hub.store.close()
        if self._own_sandbox and self.sandbox is not None:
            self.sandbox.close()

    def reopen(self) -> Hub:
        """As after a crash: the process is gone, the files stay."""
        self.hub.store.close()
        return self.open()

    def expire_leases(self) -> None:
        """Let the clock run past every lease."""
        self.ahead += timedelta(minutes=2)

    def register(self, *, endpoint: str = "", strict: bool = False) -> None:
        for code, name in AGENCIES:
            mode = Mode.PUSH if code == PUSHER else Mode.PULL
            agency = Agency(code=code, name=name, mode=mode, endpoint=endpoint or "https://127.0.0.1:9" if mode is Mode.PUSH else "", strict=strict)
            tls = (self.pki.folder / "tls" / f"{code}.pem").read_bytes()
            seal = (self.pki.folder / "agencies" / code / "seal.pem").read_bytes()
            self.hub.add_agency(agency, seal_pem=seal, tls_pem=tls, by="test")

    def register_strict(self, code: str) -> None:
        """Let an agency refuse what is not signed in full (SIG-01)."""
        self.hub.store.write(lambda c: agencies.put(c, replace(found, strict=True)) if (found := agencies.get(c, code)) is not None else None)

    def package(
        self,
        document_id: str = f"{SENDER},2026/11/20,125/QĐ-UBND",
        *,
        recipients: tuple[str, ...] = (PULLER, PUSHER),
        sender: str = SENDER,
        document: Path | None = None,
        attachment: Path | None = None,
        subject: str = "V/v thử nghiệm liên thông",
        business: Business | None = None,
        responses: tuple[ResponseFor, ...] = (),
        type_name: str = "Quyết định",
        date_of: str = "",
        files: bool = True,
    ) -> Path:
        """An edXML package in a new file. `date_of`: the document whose date of promulgation it bears."""
        header = Header(
            sender=Organ(code=sender, name="Cơ quan gửi (mô phỏng)"),
            recipients=tuple(Organ(code=code, name="Cơ quan nhận (mô phỏng)") for code in recipients),
            document_id=document_id,
            subject=subject,
            code_number="125",
            code_notation="QĐ-UBND",
            place="Thanh Hóa",
            promulgation_date=promulgated(date_of or document_id),
            type_group=2,
            type_detail=2,
            type_name=type_name,
            responses_for=responses,
            business=business or Business(),
        )
        carried = [
            Outgoing("125_QĐ-UBND.pdf", "Văn bản chính", "application/pdf", document or self.pki.document),
            Outgoing("phu-luc.pdf", "Phụ lục", "application/pdf", attachment or self.pki.attachment),
        ]
        name = hashlib.sha256(repr((document_id, subject, business, responses, recipients, sender, date_of, type_name, files)).encode()).hexdigest()[:12]
        target = self.folder / f"package-{name}.edxml"
        write_package(target, header, carried if files else [])
        return target

    def submit(self, package: Path, *, caller: str = SENDER, sealer: str = "", hub: Hub | None = None) -> bytes:
        data = package.read_bytes()
        digest = hashlib.sha256(data)
        seal_file = package.with_suffix(".p7s")
        if not seal_file.exists() or sealer:
            seal_file.write_bytes(sign_seal(digest.digest(), self.pki.seal(sealer or SENDER)))
        incoming = (hub or self.hub).store.blobs.temporary()
        shutil.copyfile(package, incoming)
        try:
            return (hub or self.hub).submit(caller, incoming, digest.hexdigest(), seal_file.read_bytes())[0]
        finally:
            incoming.unlink(missing_ok=True)

    def recall(self, document_id: str, *, recipients: tuple[str, ...] = (PULLER, PUSHER), reason: str = "Ban hành nhầm") -> Path:
        """A recall of a document under that document's own id, without files."""
        return self.package(document_id, recipients=recipients, business=Business(kind=Kind.RECALL, reason=reason), files=False)

    def status(
        self,
        code: str,
        *,
        agency: str = PULLER,
        document_id: str = f"{SENDER},2026/11/20,125/QĐ-UBND",
        why: str = "",
        about: str = SENDER,
        at: datetime | None = None,
    ) -> tuple[bytes, bytes]:
        """A status message and its seal; `about` is the other party."""
        message = StatusMessage(
            sender=Organ(code=agency, name="Cơ quan nhận (mô phỏng)"),
            response_for=ResponseFor(organ=about, code="125/QĐ-UBND", document_id=document_id, promulgation_date="2026/11/20"),
            code=code,
            description=why or f"Trạng thái {code}",
            timestamp=(at or datetime.now(UTC)).replace(microsecond=0),
        )
        data = write_status(message)
        return data, sign_seal(hashlib.sha256(data).digest(), self.pki.seal(agency))
