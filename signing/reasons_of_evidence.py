"""reasons_of_evidence — the part of the catalogue about evidence files.

Rows for `signing.reasons`: code, Vietnamese, English, what would have to be different in
Vietnamese and in English.
"""

_ASK = (
    "Hãy xin lại tệp chứng cứ từ hệ thống đã lập ra nó, hoặc từ bên còn giữ bản gốc.",
    "Ask for the file again from the system that made it, or a party that keeps the original.",
)
EVIDENCE: tuple[tuple[str, str, str, str, str], ...] = (
    ("evidence.missing", "Thiếu tệp có trong danh mục", "A listed file is missing", *_ASK),
    ("evidence.unlisted", "Có tệp không nằm trong danh mục", "A file is not listed", *_ASK),
    ("evidence.order", "Thứ tự các tệp không như danh mục", "The files are not in the order of the manifest", *_ASK),
    ("evidence.changed", "Tệp đã bị thay đổi", "A file was changed", *_ASK),
    (
        "evidence.archive_incomplete",
        "Danh mục lưu trữ không bao trùm mọi tệp có trước nó",
        "An archive manifest does not cover everything before it",
        "Mỗi lần gia hạn phải bao trùm mọi tệp có trước; hãy gia hạn lại bằng vanthu timestamp từ bản trước đó.",
        "Each renewal covers all that was there before; renew the earlier copy again with vanthu timestamp.",
    ),
    (
        "evidence.no_acceptance",
        "Không có chứng cứ nào về việc tiếp nhận",
        "There is no evidence of the acceptance",
        "Tệp phải có mục sổ và chứng cứ niêm phong của sự kiện tiếp nhận.",
        "The file must hold the log entry and the sealed evidence of the acceptance.",
    ),
    (
        "evidence.no_event_evidence",
        "Một mục sổ không có chứng cứ niêm phong đi kèm",
        "A log entry has no sealed evidence beside it",
        "Mỗi mục sổ phải có đúng một chứng cứ do trục niêm phong.",
        "Each log entry has exactly one evidence sealed by the hub.",
    ),
    (
        "evidence.stray",
        "Có chứng cứ hoặc trạng thái không thuộc mục sổ nào",
        "An evidence or a status belongs to no log entry",
        "Chỉ những gì có trong sổ mới được đưa vào tệp.",
        "Only what is in the log may be in the file.",
    ),
    (
        "evidence.other_document",
        "Các phần của tệp nói về những văn bản khác nhau",
        "Parts of the file are about different documents",
        "Mỗi tệp chứng cứ chỉ nói về một văn bản.",
        "An evidence file is about one document.",
    ),
    (
        "evidence.other_package",
        "Gói tin trong tệp không phải gói tin trong sổ",
        "The package in the file is not the one in the log",
        "Gói tin phải đúng từng byte như khi tiếp nhận.",
        "The package must be byte for byte what was accepted.",
    ),
    (
        "evidence.not_carried",
        "Tệp văn bản không nằm trong gói tin mà bên gửi đã niêm phong",
        "A document file is not in the package that the sender sealed",
        "Chỉ tin những tệp có trong gói tin; hãy tách lại từ documents/package.edxml.",
        "Rely only on what the package carries; unpack documents/package.edxml again.",
    ),
    (
        "evidence.not_logged",
        "Thông báo trạng thái không phải bản có trong sổ",
        "The status message is not the one in the log",
        "Mã băm của thông báo và của niêm phong phải trùng với mục sổ.",
        "The digests of the message and of its seal must be those of the log entry.",
    ),
    (
        "evidence.other_status",
        "Thông báo trạng thái do cơ quan niêm phong nói khác mục sổ",
        "The status sealed by the agency says something else than the log entry",
        "Cơ quan, văn bản và mã trạng thái trong thông báo phải trùng với mục sổ.",
        "Agency, document and status code of the message must be those of the log entry.",
    ),
    (
        "evidence.other_signer",
        "Chứng thư niêm phong mang mã của cơ quan khác",
        "The sealing certificate carries another agency's code",
        "Mã cơ quan trong chứng thư phải là mã của cơ quan được ghi trong sổ.",
        "The agency code of the certificate must be the one in the log.",
    ),
    (
        "evidence.no_answer",
        "Trục ghi câu trả lời của bên nhận mà không có trạng thái do bên nhận niêm phong",
        "The hub entered a recipient's answer without the status that the recipient sealed",
        "Đừng tin câu trả lời này; hãy hỏi bên nhận và đối chiếu bảng kê ngày của bên đó.",
        "Do not rely on this answer; ask the recipient, and reconcile with its statement of the day.",
    ),
    ("evidence.gap", "Thiếu một sự kiện trong chuỗi lưu giữ", "An event of the custody chain is missing", *_ASK),
    ("evidence.repeated", "Một mục sổ được đưa vào hai lần", "A log entry is there twice", *_ASK),
)
