"""Everything the signing room can refuse, each with a stable code.

A *gate* raises one of these; a *report* carries the same codes as data
(`signing.report.Reason`). `vi` and `en` are whole sentences for people.
"""

from __future__ import annotations

from typing import ClassVar


class SigningError(Exception):
    """Root of what `signing` raises.

    Attributes:
        code: stable dotted code, e.g. ``seal.digest_mismatch``.
        vi, en: one plain sentence in each language.
        retry: True when the same input may succeed later.
        place: where in the input, e.g. a field name or a file name.
        detail: technical detail for logs, never shown alone.
    """

    code: ClassVar[str] = "signing.failed"
    vi: ClassVar[str] = "Không thực hiện được thao tác ký hoặc kiểm tra chữ ký."
    en: ClassVar[str] = "The signing or verification step could not be done."
    retry: ClassVar[bool] = False

    def __init__(self, detail: str = "", *, place: str = "") -> None:
        super().__init__(detail or self.en)
        self.detail = detail
        self.place = place


class KeyUnusable(SigningError):
    code = "key.unusable"
    vi = "Không mở được khóa ký: sai đường dẫn, sai mật khẩu hoặc khóa không khớp chứng thư."
    en = "The signing key cannot be opened: wrong path, wrong password, or it does not match its certificate."


class CertificateUnusable(SigningError):
    code = "key.certificate_unusable"
    vi = "Chứng thư không được phép dùng để ký vào lúc này: hết hạn, bị thu hồi hoặc không dẫn tới gốc tin cậy."
    en = "The certificate may not sign now: expired, revoked, or without a path to a trusted root."


class OrderRefused(SigningError):
    code = "sign.order"
    vi = "Chữ ký của cơ quan chỉ được áp dụng lên văn bản đã có chữ ký hợp lệ của người có thẩm quyền."
    en = "The agency key signs only a document that already carries a valid signature of the authorised person."


class PresentationRefused(SigningError):
    code = "sign.presentation"
    vi = "Không dựng được hình ảnh chữ ký đúng thể thức: ảnh, phông chữ, nội dung hoặc vị trí không dùng được."
    en = "The signature's appearance cannot be made as prescribed: image, font, text or place cannot be used."


class FieldRefused(SigningError):
    code = "sign.field"
    vi = "Không ký được vào trường này: văn bản đã có chữ ký ở đó, đã khóa, hoặc đã ký mà không khai báo trước trường còn trống."
    en = "This field cannot be signed: it is filled, the document is locked, or it was signed without declaring an empty field of that name."


class ValidationDataMissing(SigningError):
    code = "sign.validation_data"
    vi = "Thiếu dữ liệu kiểm tra (CRL hoặc OCSP) để chữ ký đạt mức đã chọn; cập nhật dữ liệu thu hồi rồi ký lại."
    en = "Validation data (CRL or OCSP) for the chosen level is missing; refresh the revocation data and sign again."
    retry = True


class DeferredMismatch(SigningError):
    code = "sign.deferred"
    vi = "Giá trị chữ ký hoặc tệp chờ ký không khớp với lần chuẩn bị; cần chuẩn bị lại."
    en = "The signature value or the waiting file does not match what was prepared; prepare it again."


class PdfUnusable(SigningError):
    code = "pdf.unusable"
    vi = "Tệp không phải PDF đọc được hoặc đã bị mã hóa."
    en = "The file is not a readable PDF, or it is encrypted."


class NotDer(SigningError):
    code = "signature.not_der"
    vi = "Cấu trúc chữ ký không đúng mã hóa DER."
    en = "The structure of the signature is not DER encoded."


class CmsBroken(SigningError):
    code = "signature.broken"
    vi = "Chữ ký số không khớp với nội dung."
    en = "The digital signature does not match the content."


class SealInvalid(SigningError):
    code = "seal.invalid"
    vi = "Dấu niêm phong điện tử của gói tin không hợp lệ."
    en = "The seal of the package is not valid."


class SealDigestMismatch(SealInvalid):
    code = "seal.digest_mismatch"
    vi = "Dấu niêm phong không khớp với nội dung gói tin: nội dung đã bị thay đổi sau khi niêm phong."
    en = "The seal does not match the package: the content changed after it was sealed."


class SealUntrusted(SealInvalid):
    code = "seal.untrusted"
    vi = "Chứng thư niêm phong không dẫn tới gốc tin cậy, đã hết hạn hoặc đã bị thu hồi."
    en = "The sealing certificate has no path to a trusted root, has expired, or was revoked."


class TimestampUnavailable(SigningError):
    code = "timestamp.unavailable"
    vi = "Máy chủ cấp dấu thời gian không trả lời; có thể thử lại sau."
    en = "The time-stamp authority did not answer; try again later."
    retry = True


class TimestampInvalid(SigningError):
    code = "timestamp.invalid"
    vi = "Dấu thời gian nhận được không hợp lệ."
    en = "The time-stamp token received is not valid."


class CheckpointInvalid(SigningError):
    code = "custody.checkpoint_invalid"
    vi = "Đầu sổ lưu giữ không đúng định dạng hoặc chữ ký của sổ không hợp lệ."
    en = "The log checkpoint is malformed, or its signature is not valid."


class SignerUnknown(CheckpointInvalid):
    code = "custody.signer_unknown"
    vi = "Đầu sổ không có chữ ký của sổ nào được tin cậy."
    en = "The checkpoint carries no signature of a trusted log."


class QuorumMissing(CheckpointInvalid):
    code = "custody.quorum_missing"
    vi = "Đầu sổ chưa có đủ chữ ký chứng kiến theo chính sách."
    en = "The checkpoint lacks the cosignatures that the witness policy asks for."
    retry = True


class ProofInvalid(SigningError):
    code = "custody.proof_invalid"
    vi = "Chứng minh trong sổ lưu giữ không đúng."
    en = "The proof from the custody log does not hold."


class LogUnavailable(SigningError):
    code = "custody.log_unavailable"
    vi = "Không đọc được sổ lưu giữ: nơi cung cấp không trả lời hoặc không có phần được hỏi."
    en = "The custody log cannot be read: no answer, or the part asked for is not there."
    retry = True


class StatementInvalid(SigningError):
    code = "custody.statement_invalid"
    vi = "Bảng kê ngày của sổ lưu giữ không hợp lệ: nội dung, niêm phong hoặc các mục không khớp nhau."
    en = "The daily statement of the custody log does not hold: its content, seal and entries do not agree."


class EvidenceInvalid(SigningError):
    code = "evidence.invalid"
    vi = "Tệp chứng cứ không hợp lệ."
    en = "The evidence file does not hold."


class TrustUnusable(SigningError):
    code = "trust.unusable"
    vi = "Không đọc được danh sách gốc tin cậy."
    en = "The trust anchors cannot be read."


class PolicyUnusable(SigningError):
    code = "policy.unusable"
    vi = "Không có chính sách kiểm tra này hoặc tệp chính sách sai mẫu."
    en = "There is no such policy, or the policy file is malformed."


class XmlSignatureInvalid(SigningError):
    code = "xml.signature_invalid"
    vi = "Chữ ký của tệp XML không hợp lệ hoặc nội dung đã bị thay đổi."
    en = "The signature of the XML file does not hold, or its content was changed."


class TrustListInvalid(SigningError):
    code = "trust.list_invalid"
    vi = "Danh sách tin cậy không dùng được: chữ ký không hợp lệ, đã cũ hơn bản đang có hoặc sai mẫu."
    en = "The trust list cannot be used: its signature does not hold, it is older than the one at hand, or it is malformed."


class ReportUnavailable(SigningError):
    code = "report.unavailable"
    vi = 'Chưa cài phần tạo báo cáo PDF; hãy chạy: pip install "vanthu[report]".'
    en = 'What makes PDF reports is not installed; run: pip install "vanthu[report]".'


class RenderUnavailable(SigningError):
    code = "render.unavailable"
    vi = 'Chưa cài phần vẽ trang; hãy chạy: pip install "vanthu[render]".'
    en = 'What draws pages is not installed; run: pip install "vanthu[render]".'


class RenderFailed(SigningError):
    code = "render.failed"
    vi = "Không vẽ được các trang của tệp trong giới hạn cho phép."
    en = "The pages of the file could not be drawn within the limits."
