"""reason_words — lý do bằng lời: what an entry of the log gives as its reason, for people.

An entry says "Code: text", where the code is one of the closed list of `schemas/evidence.xsd` or the
act of an operator. The text is somebody's own and stays as it is; the code is put into words. An entry of a
package that came by another way than a seal says "Origin.METHOD: system=… key=… proof=…" instead.
"""

from __future__ import annotations

import re

from signing.wording import Pair

REASON_WORDS: dict[str, Pair] = {
    "InvalidMessageFormat": ("Gói tin sai mẫu hoặc thiếu thông tin", "The package is malformed or incomplete"),
    "MessageTooLarge": ("Gói tin quá lớn", "The package is too large"),
    "DigestMismatch": ("Nội dung không khớp mã băm", "The content does not match its digest"),
    "InvalidUserSignature": ("Chữ ký số trên văn bản không hợp lệ", "A digital signature on the document is not valid"),
    "UserSignatureIncomplete": ("Văn bản thiếu chữ ký số", "The document lacks a digital signature"),
    "InvalidSeal": ("Niêm phong của gói tin không hợp lệ", "The seal of the package is not valid"),
    "SenderNotAuthorised": ("Bên gửi không được phép gửi", "The sender may not send this"),
    "UnknownRecipient": ("Không có cơ quan nhận này", "There is no such recipient"),
    "RecipientClosed": ("Cơ quan nhận đã ngừng hoạt động hoặc có cơ quan kế thừa", "The recipient is closed or succeeded by another"),
    "MessageIdentifierReused": ("Mã văn bản đã dùng cho nội dung khác", "The document id was used for other content"),
    "SecretContent": ("Văn bản mật không được gửi qua hệ thống này", "Secret documents may not be sent here"),
    "PolicyViolation": ("Trái với quy định trao đổi", "Against the rules of the exchange"),
    "TechnicalMalfunction": ("Sự cố kỹ thuật", "A technical failure"),
    "RejectedByNextSystem": ("Hệ thống tiếp theo từ chối nhận", "The next system refused it"),
    "NoAnswerInTime": ("Hệ thống tiếp theo không trả lời trong thời hạn", "The next system did not answer in time"),
    "RetentionPeriodExpired": ("Cơ quan nhận không đến lấy trong thời hạn", "The recipient did not collect it in time"),
    "NoDecisionInTime": ("Cơ quan nhận không tiếp nhận hoặc từ chối trong thời hạn", "The recipient neither accepted nor refused in time"),
    "RejectedByRecipient": ("Cơ quan nhận từ chối", "The recipient refused"),
    "SenderDecision": ("Theo quyết định của bên gửi", "By the sender's decision"),
    "DueSoon": ("Sắp hết thời hạn", "The time limit is near"),
    "Other": ("Lý do khác", "Another reason"),
}
ACTS: dict[str, Pair] = {
    "hold": ("giữ lại", "held back"),
    "release": ("bỏ giữ", "let go on"),
    "resend": ("gửi lại", "sent again"),
}
ORIGINS: dict[str, Pair] = {
    "seal": ("niêm phong", "seal"),
    "vxp-hmac": ("HMAC của hồ sơ VXP", "HMAC of the VXP profile"),
    "lgsp-key": ("khóa của hồ sơ LGSP", "key of the LGSP profile"),
    "gateway-seal": ("niêm phong của đầu mối", "seal of the gateway"),
}
_ORIGIN = re.compile(r"Origin\.([a-z-]+): system=(.*) key=(\S*) proof=[0-9a-f]{64}")


def reason_words(said: str) -> Pair:
    """What an entry gives as its reason, in both languages; free text alone comes back as it is."""
    origin = _ORIGIN.fullmatch(said)
    if origin is not None and (how := ORIGINS.get(origin[1])) is not None:
        return f"{how[0]}; hệ thống {origin[2]}, khóa {origin[3]}", f"{how[1]}; system {origin[2]}, key {origin[3]}"
    code, _, text = said.partition(": ")
    words = REASON_WORDS.get(code) or ACTS.get(code)
    if words is None:
        return said, said
    return (f"{words[0]}: {text}", f"{words[1]}: {text}") if text else words
