"""change_errors — what a recall, update or replacement can be refused for: a part of the error tree (`errors`), kept apart because it is used by few."""

from __future__ import annotations

from exchange.errors import EnvelopeError


class ChangeError(EnvelopeError):
    """The request is incomplete or contradicts itself."""

    code = "change.invalid"
    vi = "Yêu cầu thu hồi, cập nhật hoặc thay thế thiếu thông tin hoặc tự mâu thuẫn."
    en = "The recall, update or replacement is incomplete or contradicts itself."


class ChangeTargetUnknown(ChangeError):
    """There is no such document of this sender."""

    code = "change.unknown_document"
    vi = "Bên gửi chưa gửi văn bản nào có mã này qua trục, nên không có gì để thu hồi, cập nhật hoặc thay thế."
    en = "The sender has sent no document with this id through this hub, so there is nothing to recall, update or replace."
    status = 404


class DocumentNotSent(ChangeError):
    """What was asked about it has nothing to be about."""

    code = "change.document_not_sent"
    vi = "Trục đã từ chối văn bản này, nên không có gì để lấy lại."
    en = "The hub refused this document, so there is nothing to take back."
    status = 409


class CopyDestroyed(ChangeError):
    """A clerk reports on what is not there any more."""

    code = "change.copy_destroyed"
    vi = "Bản nhận đã được hủy theo yêu cầu thu hồi hoặc lấy lại, nên không còn trạng thái xử lý nào để báo."
    en = "The copy was destroyed after a recall or take-back; there is no handling of it to report."
    status = 409


class NotARecipient(ChangeError):
    """It names an agency that never was a recipient."""

    code = "change.not_a_recipient"
    vi = "Cơ quan này không phải là nơi nhận của văn bản."
    en = "This agency is not a recipient of the document."


class AlreadyRecalled(ChangeError):
    """Nothing is left to change."""

    code = "change.already_recalled"
    vi = "Văn bản đã được thu hồi; không còn lượt chuyển nào để thay đổi."
    en = "The document is recalled already; no delivery of it is left to change."
    status = 409
