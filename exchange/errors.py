"""Everything the exchange can refuse: one tree, stable codes, two languages.

The web layer maps these to RFC 9457 problem documents; `docs/errors.md` is
generated from this tree. `status` is only a hint for that layer.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar


class ExchangeError(Exception):
    """Root of what the exchange raises.

    Attributes:
        code: stable dotted code.
        vi, en: one plain sentence in each language.
        retry: True when the same request may succeed later, unchanged.
        status: HTTP status the web layer answers with.
        place: where in the input (XPath-like path, header or parameter name).
        detail: the particular value or cause, for people.
    """

    code: ClassVar[str] = "internal"
    vi: ClassVar[str] = "Hệ thống gặp lỗi; chưa có gì được tiếp nhận, xin thử lại."
    en: ClassVar[str] = "The system failed; nothing was accepted, please try again."
    retry: ClassVar[bool] = True
    status: ClassVar[int] = 500

    def __init__(self, detail: str = "", *, place: str = "") -> None:
        super().__init__(detail or self.en)
        self.detail = detail
        self.place = place


class EnvelopeError(ExchangeError):
    code = "envelope.invalid"
    vi = "Gói tin không hợp lệ."
    en = "The package is not valid."
    retry = False
    status = 422


class NotXml(EnvelopeError):
    code = "envelope.not_xml"
    vi = "Gói tin không phải XML đúng cú pháp."
    en = "The package is not well-formed XML."


class ForbiddenXml(EnvelopeError):
    code = "envelope.forbidden_xml"
    vi = "Gói tin chứa DOCTYPE, thực thể hoặc tham chiếu ngoài, là những thứ không được phép."
    en = "The package contains a DOCTYPE, an entity or an external reference, which are not allowed."


class TooLarge(EnvelopeError):
    code = "envelope.too_large"
    vi = "Gói tin vượt giới hạn kích thước, độ sâu hoặc số phần tử."
    en = "The package exceeds the limit of size, depth or number of elements."
    status = 413


class NotEdxml(EnvelopeError):
    code = "envelope.not_edxml"
    vi = "Tài liệu XML không phải gói tin edXML."
    en = "The XML document is not an edXML package."


class MissingField(EnvelopeError):
    code = "envelope.missing_field"
    vi = "Gói tin thiếu một thành phần bắt buộc."
    en = "A required element of the package is missing."


class InvalidField(EnvelopeError):
    code = "envelope.invalid_field"
    vi = "Một thành phần của gói tin có giá trị không dùng được."
    en = "An element of the package has an unusable value."


class MissingAttachment(EnvelopeError):
    code = "envelope.missing_attachment"
    vi = "Gói tin khai báo tệp đính kèm nhưng không chứa tệp đó."
    en = "The package declares an attachment that it does not contain."


class DamagedAttachment(EnvelopeError):
    code = "envelope.damaged_attachment"
    vi = "Tệp đính kèm bị hỏng: không giải mã được hoặc nội dung đã bị biến dạng."
    en = "An attachment is damaged: it cannot be decoded, or its bytes were mangled."


class NoDocument(EnvelopeError):
    code = "envelope.no_document"
    vi = "Gói tin không chứa văn bản nào."
    en = "The package contains no document."


class Secret(EnvelopeError):
    code = "envelope.secret"
    vi = "Văn bản khai báo độ mật: không được gửi qua trục liên thông (QĐ 28/2018/QĐ-TTg Điều 1.2)."
    en = "The document declares a secrecy level: it must not travel over this exchange (QĐ 28/2018/QĐ-TTg Art 1.2)."
    status = 403


class Conflict(EnvelopeError):
    code = "envelope.conflict"
    vi = "Mã văn bản này đã được tiếp nhận với nội dung khác."
    en = "This document id was already accepted with other content."
    status = 409


class DuplicateNumber(EnvelopeError):
    code = "envelope.duplicate_number"
    vi = "Số, ký hiệu và ngày ban hành này đã được cơ quan gửi dùng cho một văn bản khác (NĐ 30/2020/NĐ-CP Phụ lục VI)."
    en = "The sending agency used this number, notation and date for another document already (NĐ 30/2020/NĐ-CP Annex VI)."
    status = 409


class DigestMismatch(EnvelopeError):
    code = "envelope.digest_mismatch"
    vi = "Nội dung nhận được không khớp với giá trị băm đã khai báo."
    en = "The bytes received do not match the declared digest."
    retry = True


class SignatureRefused(EnvelopeError):
    code = "signature.invalid"
    vi = "Chữ ký số trên văn bản không hợp lệ: văn bản đã bị thay đổi hoặc chữ ký sai."
    en = "A digital signature in the document is not valid: the document was changed, or the signature is wrong."


class SignatureIncomplete(EnvelopeError):
    code = "signature.incomplete"
    vi = "Văn bản chưa có đủ chữ ký của người có thẩm quyền và của cơ quan theo quy định mà bên gửi hoặc bên nhận yêu cầu."
    en = "The document lacks the person's or the agency's signature that the sender or a recipient requires."


class SealRefused(EnvelopeError):
    code = "seal.refused"
    vi = "Dấu niêm phong của gói tin thiếu, không hợp lệ hoặc không phải của bên gửi."
    en = "The package's seal is missing, not valid, or not the sender's."


class AgencyError(ExchangeError):
    code = "agency.invalid"
    vi = "Cơ quan không hợp lệ."
    en = "The agency is not valid."
    retry = False
    status = 422


class UnknownAgency(AgencyError):
    code = "agency.unknown"
    vi = "Mã cơ quan không có trong danh bạ."
    en = "The agency code is not in the directory."


class ClosedAgency(AgencyError):
    code = "agency.closed"
    vi = "Cơ quan đã ngừng hoạt động trong danh bạ."
    en = "The agency is closed in the directory."


class SucceededAgency(AgencyError):
    code = "agency.succeeded"
    vi = "Cơ quan nhận đã được cơ quan khác kế thừa; xin gửi lại tới cơ quan kế thừa."
    en = "The agency was succeeded by another; send to its successor."
    successor: str = ""  # the one that is open, at the end of the chain


class LockedAgency(AgencyError):
    code = "agency.locked"
    vi = "Cơ quan đang bị tạm khóa trong danh bạ."
    en = "The agency is locked in the directory."


class AgencyExists(AgencyError):
    code = "agency.exists"
    vi = "Mã cơ quan đã có trong danh bạ."
    en = "The agency code is already in the directory."
    status = 409


class AccessError(ExchangeError):
    code = "access.denied"
    vi = "Bên gọi không được phép làm việc này."
    en = "The caller may not do this."
    retry = False
    status = 403


class NotAuthenticated(AccessError):
    code = "access.not_authenticated"
    vi = "Không nhận ra chứng thư kết nối của bên gọi."
    en = "The caller's connection certificate is not recognised."
    status = 401


class NotTheSender(AccessError):
    code = "access.not_the_sender"
    vi = "Bên gọi không phải cơ quan gửi ghi trong gói tin."
    en = "The caller is not the sending agency named in the package."


class BadSecret(AccessError):
    code = "access.bad_secret"
    vi = "Mã hệ thống, khóa hoặc HMAC của lời gọi không đúng."
    en = "The call's system id, key or HMAC is wrong."
    status = 401


class StaleRequest(AccessError):
    code = "access.stale"
    vi = "Thời điểm ghi trong lời gọi lệch quá giới hạn so với đồng hồ của trục."
    en = "The time stated in the call is too far from the hub's clock."
    status = 401


class ReplayedRequest(AccessError):
    code = "access.replayed"
    vi = "Lời gọi này đã được dùng một lần; không nhận lặp lại."
    en = "This call was already made once; it is not taken again."
    status = 409


class NotFound(ExchangeError):
    code = "not_found"
    vi = "Không tìm thấy, hoặc bên gọi không được xem."
    en = "Not found, or not visible to the caller."
    retry = False
    status = 404


class BadRequest(ExchangeError):
    code = "request.invalid"
    vi = "Yêu cầu không đúng định dạng."
    en = "The request is malformed."
    retry = False
    status = 400


class TooSlow(ExchangeError):
    code = "request.too_slow"
    vi = "Bên gọi gửi quá chậm hoặc ngừng gửi giữa chừng; kết nối đã đóng, xin gửi lại."
    en = "The caller sent too slowly or stopped half-way; the connection was closed, please send again."
    status = 408


class NotHere(ExchangeError):
    code = "simulate.not_here"
    vi = "Chỉ mô phỏng với hệ thống trên máy này; muốn thử hệ thống khác của chính mình, phải viết rõ lời nhận trách nhiệm."
    en = "Only systems on this machine are played with; for another one of your own, write that you take responsibility."
    retry = False
    status = 403


class StatusError(ExchangeError):
    code = "status.invalid"
    vi = "Thông báo trạng thái không hợp lệ."
    en = "The status message is not valid."
    retry = False
    status = 422


class StatusNotAllowed(StatusError):
    code = "status.not_allowed"
    vi = "Không được chuyển sang trạng thái này từ trạng thái hiện tại."
    en = "This status may not follow the present one."
    status = 409


class StatusUnknownDocument(StatusError):
    code = "status.unknown_document"
    vi = "Thông báo trạng thái nói về một văn bản mà hệ thống chưa biết; thông báo được giữ lại chờ văn bản đến."
    en = "The status message is about a document that is not known here yet; it is kept until the document comes."
    retry = True
    status = 404


class ReasonRequired(StatusError):
    code = "status.reason_required"
    vi = "Từ chối hoặc yêu cầu lấy lại phải nêu lý do."
    en = "A refusal or a take-back request must give its reason."


class DeliveryError(ExchangeError):
    code = "delivery.failed"
    vi = "Chưa chuyển được văn bản tới cơ quan nhận."
    en = "The document could not be carried to the recipient."
    retry = True
    status = 502


class DeliveryState(DeliveryError):
    code = "delivery.state"
    vi = "Không làm được việc này ở trạng thái hiện tại của lượt chuyển."
    en = "The delivery's present state does not allow this."
    retry = False
    status = 409


class DocumentFrozen(DeliveryState):
    code = "delivery.frozen"
    vi = "Văn bản đã bị thu hồi, lấy lại hoặc thay thế nên không được gửi tiếp."
    en = "The document was recalled, taken back or replaced, so it is not sent any more."


class CustodyError(ExchangeError):
    code = "custody.failed"
    vi = "Sổ lưu giữ không nhất quán; hệ thống ngừng ký đầu sổ."
    en = "The custody log is inconsistent; heads are no longer signed."
    retry = False


class HighWater(CustodyError):
    code = "custody.high_water"
    vi = "Cơ sở dữ liệu không nối tiếp đầu sổ đã ký lần cuối, nên không đầu sổ nào được ký nữa. Cách phục hồi: `vanthu custody recover`."
    en = "The database does not go on from the last signed head, so no head is signed any more. How to recover: `vanthu custody recover`."


class WitnessStopped(CustodyError):
    code = "witness.stopped"
    vi = "Nút chứng kiến ngừng ký: đồng hồ lùi, mất cơ sở dữ liệu hoặc cơ sở dữ liệu cũ hơn lần ký cuối."
    en = "The witness signs nothing: its clock went back, its database is lost, or older than its last cosignature."
    status = 503


class NotPublished(CustodyError):
    code = "custody.not_published"
    vi = "Mục này chưa nằm dưới một đầu sổ đã đủ chữ ký chứng kiến; hãy thử lại sau giây lát."
    en = "No head with enough cosignatures covers this entry yet; try again in a moment."
    retry = True
    status = 404


class ConfigError(ExchangeError):
    code = "config.invalid"
    vi = "Tệp cấu hình không hợp lệ."
    en = "The configuration is not valid."
    retry = False


class WitnessesUndecided(ConfigError):
    code = "config.witnesses"
    vi = 'Chưa định ai chứng kiến sổ: ghi witness_policy = "TỆP" (mặc định 5 trong 7, `vanthu custody witness policy`), hoặc witnesses = "none".'
    en = 'Nobody decided who witnesses the log: write witness_policy = "FILE" (5 of 7 by default, `vanthu custody witness policy`), or witnesses = "none".'


class SchemaNewer(ConfigError):
    code = "store.newer"
    vi = "Cơ sở dữ liệu thuộc phiên bản mới hơn phần mềm này."
    en = "The database belongs to a newer version of this software."


class SchemaOlder(ConfigError):
    code = "store.older"
    vi = "Cơ sở dữ liệu cần nâng cấp: hãy chạy `vanthu migrate`."
    en = "The database needs an upgrade: run `vanthu migrate`."


class HubUnreachable(ExchangeError):
    code = "client.unreachable"
    vi = "Không kết nối được tới máy chủ; chưa biết kết quả, hãy hỏi lại với cùng mã văn bản."
    en = "The hub cannot be reached; the outcome is unknown, ask again with the same document id."
    status = 502


class ReceiptInvalid(ExchangeError):
    code = "client.receipt_invalid"
    vi = "Biên nhận không chứng minh được; không được coi là đã gửi."
    en = "The receipt does not prove acceptance; do not treat the document as sent."
    retry = True
    status = 502
    data: bytes = b""  # what came instead of a receipt, to be kept: it may prove what the hub did


class NotWitnessed(ReceiptInvalid):
    code = "client.not_witnessed"
    vi = "Biên nhận đúng nhưng đầu sổ chưa đủ chữ ký chứng kiến theo chính sách; chưa được coi là đã gửi."
    en = "The receipt holds, but too few witnesses cosigned the head that the policy asks for; do not treat the document as sent yet."


def every_error() -> Iterator[type[ExchangeError]]:
    """All classes of the tree, root first, in order of definition."""
    stack: list[type[ExchangeError]] = [ExchangeError]
    while stack:
        cls = stack.pop(0)
        yield cls
        stack[:0] = cls.__subclasses__()
