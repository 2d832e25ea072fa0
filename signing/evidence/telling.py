"""telling — lời kể: who did what when, and what of it is proven, only claimed, or missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from signing.container import SIGNATURE
from signing.evidence.archive import Stamp
from signing.evidence.causes import asked_by_sender, is_answer, local_name, named
from signing.evidence.content import SEAL
from signing.evidence.custody import HEAD
from signing.evidence.findings import Act, EvidenceReport, Standing, Statement
from signing.evidence.instructions import PACKAGE
from signing.evidence.pieces import Event, Pieces
from signing.evidence.relations import read_relations
from signing.evidence.statutory import ITEM_NAMES, ITEMS
from signing.wording import event_name, local

_OWN_ACTS = ("/SubmissionAcceptance", "/SubmissionRejection")  # by which the hub binds itself
_WITHDRAWN = ":Withdrawn"  # never handed over, so that there is nothing to acknowledge
_HANDED_OVER = ("/ContentHandover", "/ConsignmentAcceptance", "/ConsignmentRejection")


class _Teller:
    """Collects statements."""

    def __init__(self) -> None:
        self.statements: list[Statement] = []

    def proven(self, vi: str, en: str, place: str = "") -> None:
        self.statements.append(Statement(Standing.PROVEN, vi, en, place))

    def claimed(self, vi: str, en: str, place: str = "") -> None:
        self.statements.append(Statement(Standing.CLAIMED, vi, en, place))

    def missing(self, vi: str, en: str, place: str = "") -> None:
        self.statements.append(Statement(Standing.MISSING, vi, en, place))


def tell(p: Pieces, report: EvidenceReport, stamps: Sequence[Stamp]) -> tuple[list[Act], list[Statement]]:
    """The acts in order, and the statements: proven first, then claimed, then missing."""
    acts = [_act(event) for event in p.events]
    t = _Teller()
    _seal(t, p, stamps)
    _log(t, p, report)
    _sender(t, p, report)
    _acts(t, acts)
    _changes(t, p)
    _relations(t, p)
    _documents(t, p, report)
    _statutory(t, report)
    order = list(Standing)
    return acts, sorted(t.statements, key=lambda s: order.index(s.standing))


def _act(event: Event) -> Act:
    own = event.signer if event.text("by") and not event.text("by").startswith("operator:") else ""
    proven = bool(own) or (event.sealed and event.text("ev").endswith(_OWN_ACTS))
    return Act(
        index=event.index,
        origin=event.origin,
        at=event.text("at"),
        event=event.text("ev"),
        by=event.text("by"),
        recipient=event.text("to"),
        status=event.text("st"),
        why=event.text("why"),
        signer=own,
        standing=Standing.PROVEN if proven else Standing.CLAIMED,
    )


def _seal(t: _Teller, p: Pieces, stamps: Sequence[Stamp]) -> None:
    if p.seal is not None:
        stamped = p.seal.time_source == "timestamp"
        t.proven(f"Tệp do {p.seal.signer} niêm phong và không đổi từ đó", f"The file was sealed by {p.seal.signer} and has not changed since", SIGNATURE)
        if stamped:
            when = local(p.seal.time)
            t.proven(f"Mọi thứ trong tệp đã có trước {when} (dấu thời gian)", f"Everything in the file was there by {when} (time-stamp)", SIGNATURE)
        elif not stamps:
            t.missing("Niêm phong không có dấu thời gian", "The seal carries no time-stamp", SIGNATURE)
    for number, stamp in enumerate(stamps, 1):
        t.proven(
            f"Dấu thời gian lưu trữ {number}: {local(stamp.time)}, {stamp.authority}",
            f"Archive time-stamp {number}: {local(stamp.time)}, {stamp.authority}",
            f"META-INF/timestamp{number:03d}.tst",
        )
    if stamps and stamps[-1].until < p.at:
        t.missing(
            f"Đã quá hạn gia hạn dấu thời gian lưu trữ: chứng thư hết hạn {local(stamps[-1].until)}",
            f"Renewal of the archive time-stamp is overdue: its certificate ended {local(stamps[-1].until)}",
        )


def _log(t: _Teller, p: Pieces, report: EvidenceReport) -> None:
    if p.events and p.log_size:
        count = len(p.events)
        t.proven(
            f"{count} sự kiện nằm trong sổ {report.origin} ({p.log_size} mục), đúng thứ tự, không thiếu mục nào ở giữa",
            f"{count} events are in the log {report.origin} ({p.log_size} entries), in this order, none missing between them",
            HEAD,
        )
        t.claimed("Thời điểm của từng sự kiện theo đồng hồ của trục", "The time of each event is by the hub's clock")
    if p.witnesses:
        names = ", ".join(p.witnesses)
        t.proven(f"Đầu sổ có {len(p.witnesses)} bên chứng kiến: {names}", f"The head has {len(p.witnesses)} witnesses: {names}", HEAD)
    elif p.policy is None:
        t.missing(
            "Không có chính sách chứng kiến để xét chữ ký của các bên chứng kiến (--policy)",
            "No witness policy was given to judge cosignatures by (--policy)",
            HEAD,
        )
    else:
        t.missing("Đầu sổ không có bên chứng kiến nào", "No witness cosigned the head", HEAD)
    _sealed_head(t, p)


def _sealed_head(t: _Teller, p: Pieces) -> None:
    if p.sealed_head is None:
        t.missing("Chưa có đầu sổ được niêm phong và đóng dấu thời gian", "There is no sealed and time-stamped head of the log", "log/sealed")
        return
    size, seal, token = p.sealed_head
    covered, count = sum(e.index < size for e in p.events), len(p.events)
    if covered < count:
        t.missing(
            f"Đầu sổ đã niêm phong mới bao trùm {covered}/{count} sự kiện; hãy xin tệp mới sau lần niêm phong kế tiếp",
            f"The sealed head covers {covered} of {count} events only; ask for a new file after the next one",
            "log/sealed",
        )
    if token is not None:
        when = local(token.time)
        if covered:
            t.proven(f"{covered} sự kiện đã ở trong sổ trước {when}", f"{covered} events were in the log by {when}", "log/sealed.tst")
    else:
        t.missing("Đầu sổ niêm phong chưa có dấu thời gian", "The sealed head carries no time-stamp yet", "log/sealed")
    if seal is not None:
        t.proven(f"Đầu sổ {size} mục do {seal.signer} niêm phong", f"The head over {size} entries is sealed by {seal.signer}", "log/sealed.p7s")


def _sender(t: _Teller, p: Pieces, report: EvidenceReport) -> None:
    if p.sender_seal is None:
        t.missing("Không có niêm phong hợp lệ của bên gửi trên gói tin", "There is no valid seal of the sender over the package", SEAL)
        return
    signer, short = p.sender_seal.signer, report.package_sha256[:16]
    t.proven(f"{signer} đã niêm phong gói tin {short}…", f"{signer} sealed the package {short}…", SEAL)
    if not p.has_content:
        t.claimed(
            f"Gói tin đó chứa văn bản {report.document_id} (nội dung không kèm theo)",
            f"That package holds the document {report.document_id} (content withheld)",
            SEAL,
        )


def _acts(t: _Teller, acts: Sequence[Act]) -> None:
    own = [a for a in acts if a.signer]
    if own:
        t.proven(f"{len(own)} việc do chính cơ quan thực hiện niêm phong", f"{len(own)} acts are sealed by the very agency that acted")
    alone = [a for a in acts if a.standing is Standing.CLAIMED]
    if alone:
        vi, en = (", ".join(dict.fromkeys(event_name(a.event)[k] for a in alone)) for k in (0, 1))
        t.claimed(f"{len(alone)} việc chỉ có lời của trục: {vi}", f"{len(alone)} acts rest on the hub's word alone: {en}")
    withdrawn = {a.recipient for a in acts if a.event.endswith(_WITHDRAWN)}
    recipients = dict.fromkeys(a.recipient for a in acts if a.recipient and a.recipient not in withdrawn)
    for recipient in recipients:
        if not any(a.recipient == recipient and a.signer and a.event.endswith(_HANDED_OVER) for a in acts):
            t.missing(f"Chưa có xác nhận do {recipient} niêm phong", f"No acknowledgement sealed by {recipient}")


def _changes(t: _Teller, p: Pieces) -> None:
    """Packages that changed the document and are not in the file, and answers that nothing here ties to a question."""
    absent = dict.fromkeys(named(e)[:16] for e in p.events if asked_by_sender(e) and not e.signer)
    if absent:
        names = ", ".join(f"{name}…" for name in absent)
        t.missing(
            f"Gói tin của bên gửi đã thay đổi văn bản này không được chứng minh ở đây, hãy xin tệp chứng cứ của nó: {names}",
            f"The sender's package that changed this document is not proven here; ask for its own evidence file: {names}",
        )
    loose = dict.fromkeys(e.text("to") for e in p.events if is_answer(e) and not e.signer)
    if loose:
        t.claimed(
            f"Chỉ trục nói trạng thái do bên nhận gửi là trả lời về chính văn bản này: {', '.join(loose)}",
            f"That the status of the recipient answers for this very document is the hub's word: {', '.join(loose)}",
        )


def _relations(t: _Teller, p: Pieces) -> None:
    """Which document this one is about or replaces, and which one replaces it: only what the sender's own seal stands over."""
    if p.sender_seal is not None and p.has_content:
        found = read_relations(p.container.chunks(PACKAGE))
        for name in found.about:
            t.proven(f"Bên gửi nói văn bản này là về văn bản {name}", f"The sender says that this document is about the document {name}", PACKAGE)
        for name in found.replaces:
            t.proven(f"Bên gửi nói văn bản này thay thế văn bản {name}", f"The sender says that this document replaces the document {name}", PACKAGE)
    replaced: dict[str, list[str]] = {}
    for event in p.events:
        if local_name(event) == "Superseded" and event.cause:
            replaced.setdefault(event.cause, []).append(event.text("to"))
    for name, recipients in replaced.items():
        where = ", ".join(dict.fromkeys(recipients))
        t.proven(f"Văn bản này bị thay thế bởi văn bản {name}, tại {where}", f"This document is replaced by the document {name}, at {where}")


def _documents(t: _Teller, p: Pieces, report: EvidenceReport) -> None:
    if not p.has_content:
        t.missing("Nội dung văn bản không kèm theo, chỉ có mã băm", "The content is withheld; only its digests are here")
    elif report.files and not any(r.code == "evidence.not_carried" for r in report.reasons):
        t.proven(
            f"{len(report.files)} tệp văn bản nằm trong gói tin mà bên gửi đã niêm phong",
            f"{len(report.files)} document files are in the package that the sender sealed",
        )


def _statutory(t: _Teller, report: EvidenceReport) -> None:
    """The five items to keep with each signature (CRY-08), one line for each that is missing somewhere."""
    total = len({i.signature for i in report.statutory})
    absent = Counter(i.item for i in report.statutory if not i.present)
    for item in ITEMS:
        vi, en = ITEM_NAMES[item]
        if absent[item]:
            t.missing(
                f"{vi[0].upper()}{vi[1:]}: thiếu ở {absent[item]}/{total} chữ ký (TT 41/2017 Điều 9)",
                f"{en[0].upper()}{en[1:]}: missing for {absent[item]} of {total} signatures (TT 41/2017 Art 9)",
            )
        elif total:
            t.proven(f"{vi[0].upper()}{vi[1:]}: đủ cho {total} chữ ký", f"{en[0].upper()}{en[1:]}: kept for all {total} signatures")
