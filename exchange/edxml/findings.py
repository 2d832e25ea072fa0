"""findings — what a reader noticed: a stable code, both languages, where, whether to try again.

Two severities (edxml.md 5.4): *reject* is unsafe or cannot be routed and has the
code of an `EnvelopeError`; *warning* is everything else, because real traffic
breaks lengths, types and dates every day.
"""

from __future__ import annotations

from exchange.envelope import Finding, Severity
from exchange.errors import EnvelopeError, every_error

MOST = 500  # findings of one package; what comes after says nothing new

WARNINGS: dict[str, tuple[str, str]] = {
    "edxml.value": ("Giá trị không đọc được; giữ nguyên văn.", "The value does not parse; its text is kept."),
    "edxml.empty": ("Phần tử để trống; coi như không có giá trị.", "The element is empty; the value is taken as absent."),
    "edxml.date_form": ("Ngày không viết theo dạng yyyy/MM/dd; đã hiểu theo dạng khác.", "The date is not written yyyy/MM/dd; another form was understood."),
    "edxml.no_business": ("Không có Bussiness; coi là văn bản mới.", "No Bussiness element; taken as a new document."),
    "edxml.no_trace": ("Không có TraceHeaderList.", "There is no TraceHeaderList."),
    "edxml.business_spelling": ("Phần tử viết là Business, không phải Bussiness.", "The element is spelt Business, not Bussiness."),
    "edxml.trace_organ": ("TraceHeader không ghi mã cơ quan.", "A TraceHeader names no agency."),
    "edxml.empty_response": ("ResponseFor để trống; bỏ qua.", "An empty ResponseFor; it is passed over."),
    "edxml.unlisted": ("Có tệp không được khai báo trong danh mục.", "A file is not listed in the manifest."),
    "edxml.no_content_id": ("Tệp không có ContentId; ghép theo thứ tự.", "A file has no ContentId; matched by order."),
    "edxml.type_mismatch": ("ContentType không khớp nội dung tệp; lấy theo nội dung.", "ContentType contradicts the bytes; the bytes decide."),
    "edxml.unwrapped": ("Tệp được gói trong ZIP khi dựng gói tin; đã mở.", "The file was wrapped in a ZIP when the package was built; it was unwrapped."),
    "edxml.not_unwrapped": ("Tệp ZIP không mở được an toàn; giữ nguyên.", "The ZIP cannot be opened safely; it is kept as it is."),
    "edxml.unsafe_name": ("Tên tệp chứa đường dẫn hoặc ký tự điều khiển; chỉ dùng phần an toàn.", "The name has a path or control characters: not used."),
    "edxml.undeclared_prefix": ("Tiền tố không gian tên chưa khai báo; vẫn đọc theo tên.", "A namespace prefix is not declared; read by name all the same."),
    "edxml.schema_location": ("Có chỉ dẫn lược đồ bên ngoài; không tải, không dùng.", "An external schema location is given; it is neither fetched nor used."),
    "edxml.unknown_element": ("Phần tử ngoài quy chuẩn; giữ lại nguyên văn.", "An element outside the standard; its text is kept."),
    "edxml.foreign_element": ("Phần tử thuộc không gian tên khác; không tin, chỉ giữ lại.", "An element of another namespace; kept, not believed."),
    "edxml.length": ("Giá trị dài hơn quy định.", "The value is longer than allowed."),
    "edxml.organ_code": ("Mã cơ quan không theo dạng đã biết.", "The agency code has no known shape."),
    "edxml.email": ("Địa chỉ thư điện tử sai cú pháp.", "The e-mail address is malformed."),
    "edxml.absent": ("Thiếu một thành phần mà quy chuẩn yêu cầu.", "An element that the standard wants is absent."),
    "edxml.future_date": ("Ngày ban hành ở tương lai.", "The date of promulgation is in the future."),
    "edxml.code_list": ("Giá trị không có trong danh mục.", "The value is not in the code list."),
    "edxml.repeated_recipient": ("Cơ quan nhận được ghi nhiều lần.", "A recipient is named more than once."),
    "edxml.schema": ("Không đúng lược đồ của dạng chuẩn.", "Not valid by the schema of the reference form."),
    "edxml.left_out": ("Thành phần không có chỗ trong dạng chuẩn; không ghi ra.", "The reference form has no place for it; it is not written."),
}

_ERRORS = {error.code: error for error in every_error() if issubclass(error, EnvelopeError)}


class Findings:
    """Collects what is noticed, each thing once, up to `MOST`."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str, str], Finding] = {}

    def warn(self, code: str, place: str, detail: str = "") -> None:
        """A warning of the catalogue."""
        vi, en = WARNINGS[code]
        self._add(Finding(Severity.WARNING, code, vi, en, place, detail[:200], False))

    def reject(self, error: type[EnvelopeError], place: str, detail: str = "") -> None:
        """A reason to refuse, with the error's code and words."""
        self._add(Finding(Severity.REJECT, error.code, error.vi, error.en, place, detail[:200], error.retry))

    def _add(self, finding: Finding) -> None:
        if len(self._found) < MOST or finding.severity is Severity.REJECT:
            self._found.setdefault((finding.code, finding.place, finding.detail), finding)

    def all(self) -> tuple[Finding, ...]:
        """Reasons to refuse first, then warnings, each in the order they were met."""
        return tuple(sorted(self._found.values(), key=lambda f: f.severity is Severity.WARNING))


def gate(findings: tuple[Finding, ...]) -> None:
    """Pass, or raise for the first reason to refuse.

    Raises:
        EnvelopeError: of the finding's code.
    """
    for finding in findings:
        if finding.severity is Severity.REJECT:
            raise _ERRORS[finding.code](finding.detail, place=finding.place)
