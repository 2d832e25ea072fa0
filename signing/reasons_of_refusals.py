"""reasons_of_refusals — the part of the catalogue for files that a gate refuses outright.

The words are the errors' own (`signing.errors`); here stands what would have to be different.
Rows for `signing.reasons`: code, Vietnamese, English, remedy in Vietnamese and in English.
"""

from signing import errors

_AGAIN = (
    "Hãy xin lại tệp từ hệ thống đã lập ra nó, hoặc từ bên còn giữ bản gốc.",
    "Ask for the file again from the system that made it, or a party that keeps the original.",
)
_LOG = (
    "Đầu sổ, chứng minh và chữ ký chứng kiến phải khớp với khóa công khai của sổ trong thư mục tin cậy.",
    "The head, the proofs and the cosignatures must agree with the log's public key in the trust folder.",
)
_SEALED = (
    "Niêm phong phải được tạo trên đúng các byte này, bằng chứng thư còn hiệu lực và dẫn tới gốc tin cậy.",
    "The seal must be made over exactly these bytes, with a certificate that is in force and leads to a trusted root.",
)
_REMEDIES: tuple[tuple[type[errors.SigningError], tuple[str, str]], ...] = (
    (errors.EvidenceInvalid, _AGAIN),
    (errors.SealInvalid, _SEALED),
    (errors.SealDigestMismatch, _SEALED),
    (
        errors.SealUntrusted,
        (
            "Thêm gốc tin cậy của bên niêm phong vào thư mục tin cậy, sau khi đã xác minh qua kênh khác.",
            "Add the sealer's root to the trust folder, after checking it by another way.",
        ),
    ),
    (
        errors.TimestampInvalid,
        (
            "Dấu thời gian phải khớp dữ liệu và do nơi cấp tin cậy ký.",
            "The time-stamp must match the data and come from a trusted authority.",
        ),
    ),
    (errors.CheckpointInvalid, _LOG),
    (errors.SignerUnknown, _LOG),
    (errors.QuorumMissing, _LOG),
    (errors.ProofInvalid, _LOG),
    (errors.StatementInvalid, _AGAIN),
    (
        errors.NotDer,
        ("Chữ ký phải được mã hóa DER như tiêu chuẩn đòi hỏi; hãy ký lại.", "The signature must be in DER, as the standard asks; sign it again."),
    ),
    (errors.XmlSignatureInvalid, _AGAIN),
    (
        errors.PdfUnusable,
        (
            "Tệp phải là PDF đúng cú pháp, không mã hóa; hãy xuất lại từ phần mềm gốc.",
            "The file must be a well-formed PDF without encryption; export it anew from its editor.",
        ),
    ),
)
REFUSALS: tuple[tuple[str, str, str, str, str], ...] = (
    (
        "evidence.unreadable",
        "Không đọc được tệp chứng cứ",
        "The evidence file cannot be read",
        "Kiểm tra đường dẫn và quyền đọc tệp rồi thử lại.",
        "Check the path and the permission to read the file, then try again.",
    ),
    *((kind.code, kind.vi.removesuffix("."), kind.en.removesuffix("."), *remedy) for kind, remedy in _REMEDIES),
)
