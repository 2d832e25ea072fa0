"""event_reasons — lý do của sự kiện: the closed list of reasons that an evidence event may carry.

Every negative event names one, with free text behind it ("Code: text"). The names follow
ETSI TS 102 640-2 where it has one; INC-02 (NĐ 30/2020 Art 21.2.b) asks for such a list.
"""

from __future__ import annotations

from enum import StrEnum


class ReasonCode(StrEnum):
    """Why something did not come about, by the code that goes into leaf and evidence."""

    INVALID_FORMAT = "InvalidMessageFormat"
    TOO_LARGE = "MessageTooLarge"
    DIGEST = "DigestMismatch"
    SIGNATURE = "InvalidUserSignature"
    SIGNATURE_INCOMPLETE = "UserSignatureIncomplete"
    SEAL = "InvalidSeal"
    SENDER = "SenderNotAuthorised"
    RECIPIENT = "UnknownRecipient"
    RECIPIENT_CLOSED = "RecipientClosed"
    REUSED = "MessageIdentifierReused"
    SECRET = "SecretContent"
    POLICY = "PolicyViolation"
    MALFUNCTION = "TechnicalMalfunction"
    NEXT_SYSTEM = "RejectedByNextSystem"
    NO_ANSWER = "NoAnswerInTime"
    RETENTION = "RetentionPeriodExpired"
    NO_DECISION = "NoDecisionInTime"
    BY_RECIPIENT = "RejectedByRecipient"
    BY_SENDER = "SenderDecision"
    DUE_SOON = "DueSoon"
    OTHER = "Other"


REASON_TEXTS: dict[ReasonCode, tuple[str, str]] = {
    ReasonCode.INVALID_FORMAT: ("Gói tin sai mẫu hoặc thiếu thông tin", "The package is malformed or incomplete"),
    ReasonCode.TOO_LARGE: ("Gói tin quá lớn", "The package is too large"),
    ReasonCode.DIGEST: ("Nội dung không khớp mã băm", "The content does not match its digest"),
    ReasonCode.SIGNATURE: ("Chữ ký số trên văn bản không hợp lệ", "A digital signature on the document is not valid"),
    ReasonCode.SIGNATURE_INCOMPLETE: ("Văn bản thiếu chữ ký số", "The document lacks a digital signature"),
    ReasonCode.SEAL: ("Niêm phong của gói tin không hợp lệ", "The seal of the package is not valid"),
    ReasonCode.SENDER: ("Bên gửi không được phép gửi", "The sender may not send this"),
    ReasonCode.RECIPIENT: ("Không có cơ quan nhận này", "There is no such recipient"),
    ReasonCode.RECIPIENT_CLOSED: ("Cơ quan nhận đã ngừng hoạt động hoặc có cơ quan kế thừa", "The recipient is closed or succeeded by another"),
    ReasonCode.REUSED: ("Mã văn bản đã dùng cho nội dung khác", "The document id was used for other content"),
    ReasonCode.SECRET: ("Văn bản mật không được gửi qua hệ thống này", "Secret documents may not be sent here"),
    ReasonCode.POLICY: ("Trái với quy định trao đổi", "Against the rules of the exchange"),
    ReasonCode.MALFUNCTION: ("Sự cố kỹ thuật", "A technical failure"),
    ReasonCode.NEXT_SYSTEM: ("Hệ thống tiếp theo từ chối nhận", "The next system refused it"),
    ReasonCode.NO_ANSWER: ("Hệ thống tiếp theo không trả lời trong thời hạn", "The next system did not answer in time"),
    ReasonCode.RETENTION: ("Cơ quan nhận không đến lấy trong thời hạn", "The recipient did not collect it in time"),
    ReasonCode.NO_DECISION: ("Cơ quan nhận không tiếp nhận hoặc từ chối trong thời hạn", "The recipient neither accepted nor refused in time"),
    ReasonCode.BY_RECIPIENT: ("Cơ quan nhận từ chối", "The recipient refused"),
    ReasonCode.BY_SENDER: ("Theo quyết định của bên gửi", "By the sender's decision"),
    ReasonCode.DUE_SOON: ("Sắp hết thời hạn", "The time limit is near"),
    ReasonCode.OTHER: ("Lý do khác", "Another reason"),
}

# By the code of the refusal, most particular first.
_REFUSALS: tuple[tuple[str, ReasonCode], ...] = (
    ("envelope.too_large", ReasonCode.TOO_LARGE),
    ("envelope.secret", ReasonCode.SECRET),
    ("envelope.conflict", ReasonCode.REUSED),
    ("envelope.duplicate_number", ReasonCode.REUSED),
    ("envelope.digest_mismatch", ReasonCode.DIGEST),
    ("change.", ReasonCode.POLICY),
    ("envelope.", ReasonCode.INVALID_FORMAT),
    ("signature.incomplete", ReasonCode.SIGNATURE_INCOMPLETE),
    ("signature.", ReasonCode.SIGNATURE),
    ("seal.", ReasonCode.SEAL),
    ("agency.unknown", ReasonCode.RECIPIENT),
    ("agency.closed", ReasonCode.RECIPIENT_CLOSED),
    ("agency.succeeded", ReasonCode.RECIPIENT_CLOSED),
    ("agency.locked", ReasonCode.SENDER),
    ("access.", ReasonCode.SENDER),
)


def refusal_reason(error_code: str) -> ReasonCode:
    """The reason of the list that stands for an error code such as ``envelope.secret``."""
    return next((reason for start, reason in _REFUSALS if error_code.startswith(start)), ReasonCode.OTHER)


def why(code: ReasonCode, text: str = "") -> str:
    """What a leaf says: the code, with free text behind it."""
    return f"{code.value}: {text.strip()}" if text.strip() else code.value


def split_why(said: str) -> tuple[ReasonCode, str] | None:
    """(code, text) of what a leaf says; None when it names no code of the list."""
    name, _, text = said.partition(": ")
    try:
        return ReasonCode(name), text
    except ValueError:
        return None


def event_reasons(said: str) -> tuple[tuple[str, str], ...]:
    """EventReasons of the evidence XML: (code, details); the details are never empty."""
    if not said:
        return ()
    found = split_why(said)
    code, text = found if found is not None else (ReasonCode.OTHER, said)
    return ((code.value, text or REASON_TEXTS[code][0]),)
