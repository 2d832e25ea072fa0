"""wording — lời văn: the words for every code of a finding, Vietnamese first, English beside it.

Each entry is a `Pair` (vi, en). Sentences about what is wrong are in `reasons`; here are
the labels that screens and reports share, so that one thing has one name everywhere.
"""

from __future__ import annotations

import dataclasses
import re
import unicodedata
from datetime import datetime, timedelta, timezone
from typing import Any, TypeVar

from signing.report import Verdict

T = TypeVar("T")
Pair = tuple[str, str]
VIETNAM = timezone(timedelta(hours=7))
NONE: Pair = ("—", "—")
# Control characters, line breaks, lone surrogates and marks that turn the direction of writing:
# a hostile name could use them to write elsewhere on the screen or to show itself as another.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff\ufffe\uffff]")

ROLES: dict[str, Pair] = {
    "person": ("người có thẩm quyền", "authorised person"),
    "agency": ("cơ quan", "agency"),
    "timestamp": ("dấu thời gian", "time-stamp"),
    "unknown": ("chưa rõ", "unknown"),
}
STATES: dict[str, Pair] = {
    "passed": ("đạt", "passed"),
    "failed": ("không đạt", "failed"),
    "indeterminate": ("chưa đủ căn cứ", "undetermined"),
    "skipped": ("không xét", "not checked"),
}
MARKS = {"passed": "✓", "failed": "✗", "indeterminate": "?", "skipped": "–"}
CHECKS: dict[str, Pair] = {
    "format": ("Định dạng chữ ký", "Signature format"),
    "byte_range": ("Phạm vi byte đã ký", "Signed byte range"),
    "digest": ("Nội dung khớp chữ ký", "Content matches the signature"),
    "signature_value": ("Khóa khớp chứng thư", "Key matches the certificate"),
    "certificate_binding": ("Chứng thư được chữ ký nêu đúng", "Certificate named by the signature"),
    "chain": ("Đường dẫn tới gốc tin cậy", "Path to a trusted root"),
    "validity": ("Thời hạn chứng thư", "Certificate's validity period"),
    "key_usage": ("Mục đích sử dụng chứng thư", "Certificate's key usage"),
    "revocation": ("Tình trạng thu hồi", "Revocation status"),
    "algorithms": ("Thuật toán", "Algorithms"),
    "timestamp": ("Dấu thời gian", "Time-stamp"),
    "later_changes": ("Thay đổi sau khi ký", "Changes after signing"),
    "docmdp": ("Mức chứng nhận (DocMDP)", "Certification level (DocMDP)"),
    "ades": ("Quy trình AdES (EN 319 102-1)", "AdES process (EN 319 102-1)"),
    "status": ("Trạng thái tổng hợp", "Overall status"),
    "mark": ("Thể thức hình ảnh chữ ký", "Form of the visible mark"),
    "dual": ("Quy tắc hai chữ ký", "Two-signature rule"),
    "document": ("Cả văn bản", "The whole document"),
}
CHANGES_AFTER: dict[str, Pair] = {
    "none": ("không có", "none"),
    "lta_updates": ("chỉ thêm dữ liệu xác thực", "validation data only"),
    "form_filling": ("điền trường đã khai báo", "declared fields filled"),
    "annotations": ("có chú thích thêm vào", "annotations added"),
    "other": ("nội dung bị thay đổi", "content changed"),
    "unknown": ("chưa xác định", "not determined"),
}
CHANGES: dict[str, Pair] = {
    "signature": ("điền chữ ký vào trường đã khai báo", "a declared field was signed"),
    "timestamp": ("thêm dấu thời gian", "a time-stamp was added"),
    "validation_data": ("thêm dữ liệu xác thực", "validation data were added"),
    "field": ("thêm trường", "a field was added"),
    "form": ("thay giá trị hoặc hình ảnh của trường", "a field's value or appearance was changed"),
    "annotation": ("thêm hoặc sửa chú thích", "an annotation was added or changed"),
    "page": ("thay đổi trang", "a page was changed"),
    "metadata": ("thay đổi siêu dữ liệu", "metadata were changed"),
    "catalog": ("thay đổi mục lục văn bản", "the document catalog was changed"),
    "object": ("thay đổi đối tượng", "an object was changed"),
}
REVOCATION: dict[str, Pair] = {
    "good": ("không bị thu hồi", "not revoked"),
    "revoked": ("đã bị thu hồi", "revoked"),
    "unknown": ("chưa rõ", "unknown"),
}
SOURCES: dict[str, Pair] = {
    "CRL": ("CRL", "CRL"),
    "OCSP": ("OCSP", "OCSP"),
    "embedded CRL": ("CRL nhúng trong tệp", "CRL embedded in the file"),
    "embedded OCSP": ("OCSP nhúng trong tệp", "OCSP embedded in the file"),
    "anchor": ("gốc tin cậy", "trust anchor"),
}
PROOFS: dict[str, Pair] = {
    "timestamp": ("dấu thời gian trên chữ ký", "time-stamp on the signature"),
    "document_timestamp": ("dấu thời gian trên văn bản", "time-stamp on the document"),
    "custody": ("nhật ký lưu giữ", "custody log"),
    "judged_at": ("lúc kiểm tra", "moment of checking"),
    "claimed": ("người ký tự khai", "claimed by the signer"),
}
PROVEN = ("timestamp", "document_timestamp", "custody")
STRENGTH: dict[str, Pair] = {
    "strong": ("đạt chuẩn 2025", "meets the 2025 list"),
    "legacy": ("cũ, còn chấp nhận", "legacy, still accepted"),
    "weak": ("quá yếu", "too weak"),
    "unknown": ("chưa đánh giá", "not rated"),
}
CERTIFICATE_KINDS: dict[str, Pair] = {
    "official": ("chuyên dùng công vụ", "official-duty"),
    "public": ("công cộng", "public"),
    "foreign": ("nước ngoài", "foreign"),
    "timestamp": ("dấu thời gian", "time-stamp"),
    "": ("chưa rõ loại", "kind unknown"),
}
SYNTAX: dict[str, Pair] = {
    "trailing_bytes": ("có byte sau bản cuối cùng", "bytes after the last revision"),
    "hybrid_xref": ("bảng tham chiếu lai", "hybrid cross-references"),
    "clobbered_xref_stream": ("số đối tượng của bảng tham chiếu bị dùng lại", "cross-reference stream number used again"),
    "duplicate_fields": ("trường trùng tên", "fields with the same name"),
    "shared_signature": ("nhiều trường dùng chung một chữ ký", "fields sharing one signature"),
    "overlapping_ranges": ("phạm vi ký chồng nhau", "overlapping signed ranges"),
    "direct_signature": ("chữ ký ghi thẳng trong trường", "signature written inside its field"),
    "timestamp_typed_sig": ("dấu thời gian ghi sai loại", "time-stamp stored as a signature"),
    "not_strict": ("không đúng cú pháp chặt của ISO 32000", "not strict ISO 32000"),
    "not_der": ("chữ ký không đúng mã hóa DER", "signature not in DER"),
    "odd_key": ("khóa công khai mã hóa khác thường", "oddly encoded public key"),
    "unknown_digest": ("thuật toán băm không biết", "unknown digest algorithm"),
    "unsupported_subfilter": ("loại chữ ký không hỗ trợ", "unsupported kind of signature"),
}
DUAL: dict[str, Pair] = {
    "complete": ("đủ chữ ký theo NĐ 30/2020", "complete under NĐ 30/2020"),
    "person_missing": ("thiếu chữ ký người có thẩm quyền", "authorised person's signature missing"),
    "agency_missing": ("thiếu chữ ký cơ quan", "agency's signature missing"),
    "wrong_order": ("sai thứ tự ký", "signed in the wrong order"),
    "unsigned": ("không có chữ ký", "no signature"),
    "not_applicable": ("không xét quy tắc hai chữ ký", "two-signature rule not applied"),
}
DOCUMENT_KINDS: dict[str, Pair] = {
    "document": ("văn bản", "document"),
    "attachment": ("phụ lục", "attachment"),
    "copy": ("bản sao", "copy"),
}
MARK_KINDS: dict[str, Pair] = {
    "person_image": ("hình ảnh chữ ký của người", "image of the person's signature"),
    "agency_seal": ("hình ảnh dấu cơ quan", "image of the agency's seal"),
    "attachment": ("thông tin ký số trên phụ lục", "mark on the attachment"),
    "copy": ("thông tin ký số trên bản sao", "mark on the copy"),
    "other": ("hình ảnh khác", "other appearance"),
}
TIMESTAMPS: dict[str, Pair] = {"signature": ("trên chữ ký", "on the signature"), "document": ("trên văn bản", "on the document")}
QUESTIONS: dict[str, Pair] = {
    "INTEGRITY": ("Toàn vẹn", "Integrity"),
    "KEY-MATCH": ("Khớp khóa", "Key match"),
    "CERT": ("Chứng thư", "Certificate"),
    "VALIDITY": ("Hiệu lực lúc ký", "Valid when signed"),
    "SCOPE": ("Phạm vi sử dụng", "Scope of use"),
    "STATUS": ("Trạng thái", "Status"),
}
VERDICTS: dict[Verdict, Pair] = {v: (v.vi, v.en) for v in Verdict}


SCHEMES = {"pss": "RSASSA-PSS", "pkcs1v15": "RSA PKCS#1 v1.5", "ecdsa": "ECDSA", "ed25519": "Ed25519"}


EVENTS: dict[str, Pair] = {
    "SubmissionAcceptance": ("Trục tiếp nhận", "Accepted by the hub"),
    "SubmissionRejection": ("Trục từ chối", "Refused by the hub"),
    "RelayAcceptance": ("Hệ thống tiếp theo đã nhận", "Taken by the next system"),
    "RelayRejection": ("Hệ thống tiếp theo từ chối", "Refused by the next system"),
    "RelayFailure": ("Hệ thống tiếp theo không trả lời", "No answer from the next system"),
    "NotificationForAcceptance": ("Đã hỏi bên nhận", "Recipient asked to accept"),
    "NotificationForAcceptanceFailure": ("Không hỏi được bên nhận", "Recipient could not be asked"),
    "ConsignmentAcceptance": ("Tiếp nhận, vào sổ", "Registered"),
    "ConsignmentRejection": ("Từ chối tiếp nhận", "Refused by the recipient"),
    "AcceptanceRejectionExpiry": ("Quá hạn tiếp nhận hoặc từ chối", "Neither accepted nor refused in time"),
    "ContentConsignment": ("Đã chuyển tới", "Delivered"),
    "ContentConsignmentFailure": ("Không chuyển được", "Delivery failed"),
    "ConsignmentNotification": ("Đã báo cho bên nhận", "Recipient notified"),
    "ConsignmentNotificationFailure": ("Không báo được cho bên nhận", "Recipient could not be notified"),
    "ContentAccessTracking": ("Nội dung được mở", "Content accessed"),
    "ContentHandover": ("Đã xác nhận", "Acknowledged"),
    "ContentHandoverFailure": ("Quá hạn nhận", "Not collected in time"),
    "RelayToNonERDS": ("Chuyển sang hệ thống khác", "Passed to a system outside"),
    "RelayToNonERDSFailure": ("Không chuyển được sang hệ thống khác", "Could not be passed to a system outside"),
    "ReceivedFromNonERDS": ("Nhận từ hệ thống khác", "Received from a system outside"),
    "Status": ("Trạng thái", "Status"),
    "Assigned": ("Phân công", "Assigned"),
    "InProcess": ("Đang xử lý", "In process"),
    "Finished": ("Hoàn thành", "Finished"),
    "TakeBackRequested": ("Yêu cầu lấy lại", "Take-back requested"),
    "TakeBackAgreed": ("Đồng ý lấy lại", "Take-back agreed"),
    "TakeBackRefused": ("Từ chối lấy lại", "Take-back refused"),
    "Withdrawn": ("Rút lại trước khi giao", "Withdrawn before it was handed over"),
    "RecallRequested": ("Yêu cầu thu hồi", "Recall requested"),
    "CopyDestroyed": ("Bên nhận báo đã hủy bản nhận", "Recipient reports its copy destroyed"),
    "RecallDeclined": ("Bên nhận từ chối thu hồi", "Recall declined"),
    "UpdateRequested": ("Yêu cầu cập nhật", "Update requested"),
    "UpdateAgreed": ("Đồng ý cập nhật", "Update agreed"),
    "UpdateDeclined": ("Từ chối cập nhật", "Update declined"),
    "RecipientAdded": ("Thêm nơi nhận", "Recipient added"),
    "Superseded": ("Bị thay thế", "Replaced by another document"),
    "RelayDueSoon": ("Sắp hết hạn trả lời", "Answer due soon"),
    "ConsignmentDueSoon": ("Sắp hết hạn chuyển", "Delivery due soon"),
    "HandoverDueSoon": ("Sắp hết hạn nhận", "Collection due soon"),
    "Recheck": ("Kiểm tra lại", "Checked again"),
    "OperatorAction": ("Người vận hành", "Operator"),
    "DirectoryChange": ("Danh bạ", "Directory"),
    "LogEpoch": ("Mở sổ mới", "New log begun"),
    "LogKey": ("Khóa của sổ", "Key of the log"),
    "LogTick": ("Nhịp thời gian", "Time tick"),
    "LogTimestamp": ("Dấu thời gian của sổ", "Time-stamp of the log"),
    "LogWitness": ("Bên chứng kiến", "Witness"),
    "LogStatement": ("Bảng kê ngày", "Daily statement"),
    "LogPurge": ("Hủy dữ liệu hết hạn lưu", "Content purged"),
    "LogRecovery": ("Khôi phục sổ", "Log recovered"),
}


def same_text(one: str, other: str) -> bool:
    """Equal as text: in NFC and without blanks around it."""
    return unicodedata.normalize("NFC", one).strip() == unicodedata.normalize("NFC", other).strip()


def event_name(uri: str) -> Pair:
    """An event for people, by its URI; its own name when it is unknown."""
    name = uri.rsplit("/", 1)[-1].rsplit(":", 1)[-1]
    return EVENTS.get(name, (name, name))


def algorithm(scheme: str, key: str, digest: str) -> str:
    """Scheme, key and digest for people: ``RSASSA-PSS · RSA-3072 · SHA-256``."""
    shown = re.sub(r"^SHA(?=\d{3}$|1$)", "SHA-", digest.upper().replace("_", "-"))
    return " · ".join(p for p in (SCHEMES.get(scheme, scheme), key, shown) if p)


def words(table: dict[str, Pair], code: str) -> Pair:
    """The words for `code`; a code that the table lacks stands for itself."""
    return table.get(code, (code, code) if code else NONE)


def safe(value: T) -> T:
    """`value` (text, or any frozen finding) with unsafe characters of every text replaced by U+FFFD."""
    cleaned: Any = _clean(value)
    return cleaned  # type: ignore[no-any-return]


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return value if type(value) is not str or not _UNSAFE.search(value) else _UNSAFE.sub("\ufffd", value)
    if isinstance(value, tuple):
        parts = tuple(_clean(v) for v in value)
        return parts if any(a is not b for a, b in zip(parts, value, strict=True)) else value
    if isinstance(value, dict):
        return {_clean(k): _clean(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_clean(v) for v in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        changed = {}
        for f in dataclasses.fields(value):
            old = getattr(value, f.name)
            new = _clean(old)
            if new is not old:
                changed[f.name] = new
        return dataclasses.replace(value, **changed) if changed else value
    return value


def local(moment: datetime | None) -> str:
    """Vietnam's time, to the second, with its zone (NĐ 30/2020 Annex I)."""
    known = moment is not None and moment.year > 1  # the year one: a time-stamp that names no time
    return moment.astimezone(VIETNAM).strftime("%d/%m/%Y %H:%M:%S +07:00") if moment is not None and known else "—"


def day(moment: datetime | None) -> str:
    """Vietnam's date."""
    return moment.astimezone(VIETNAM).strftime("%d/%m/%Y") if moment is not None else "—"


def size_of(count: int) -> str:
    """A number of bytes for people: ``12.345`` (thousands in the Vietnamese way)."""
    return f"{count:,}".replace(",", ".")


def common_name(distinguished: str) -> str:
    """The CN of an RFC 4514 name for people, the whole name when it has none."""
    rest, value = distinguished, ""
    while rest:
        part, rest = _first(rest)
        kind, _, text = part.partition("=")
        if kind.strip().upper() == "CN" and text:
            value = text
            break
    return _unescape(value or distinguished)


def _first(name: str) -> tuple[str, str]:
    at = 0
    while at < len(name) and name[at] not in ",+":
        at += 2 if name[at] == "\\" else 1
    return name[:at], name[at + 1 :]


def _unescape(value: str) -> str:
    out, at = [], 0
    while at < len(value):
        if value[at] == "\\" and at + 1 < len(value):
            at += 1
        out.append(value[at])
        at += 1
    return "".join(out).strip()
