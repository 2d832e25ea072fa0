"""reasons_of_following — the part of the catalogue about following a log and comparing it with one's own books.

Rows for `signing.reasons`: code, Vietnamese, English, what to do in Vietnamese and in English.
"""

FOLLOWING: tuple[tuple[str, str, str, str, str], ...] = (
    (
        "reconcile.missing",
        "Nhật ký của cơ quan có, sổ lưu giữ không có",
        "In the agency's journal, not in the custody log",
        "Hãy gửi biên nhận và tệp đã niêm phong cho nơi vận hành trục và cho kiểm toán; biên nhận có chứng minh là bằng chứng mục đã từng có trong sổ.",
        "Send the receipt and the sealed file to the hub's operator and to the auditor; a receipt with its proof shows that the entry was in the log.",
    ),
    (
        "reconcile.extra",
        "Sổ lưu giữ có, nhật ký của cơ quan không có",
        "In the custody log, not in the agency's journal",
        "Hãy hỏi nơi vận hành trục đối tượng đã ký chứng minh cho sự kiện này; không có chữ ký của cơ quan thì sự kiện không phải của cơ quan.",
        "Ask the hub's operator for the signed object behind this event; without the agency's signature the event is not the agency's.",
    ),
    (
        "reconcile.altered",
        "Sổ lưu giữ và nhật ký của cơ quan nói khác nhau về cùng một việc",
        "The custody log and the agency's journal disagree on the same matter",
        "Hãy giữ cả hai: tệp của mình kèm niêm phong và bảng kê đã niêm phong của trục; hai bản cho thấy ai nói khác.",
        "Keep both: your file with its seal, and the hub's sealed statement; the two show who says otherwise.",
    ),
    (
        "reconcile.chain",
        "Bảng kê không nối tiếp bảng kê trước",
        "The statement does not continue the one before",
        "Mỗi bảng kê bắt đầu đúng chỗ bảng kê trước kết thúc và nêu mã băm của bảng kê trước; hãy giữ cả hai làm bằng chứng và báo kiểm toán.",
        "Each statement begins where the one before ended and names its digest; keep both as proof and tell the auditor.",
    ),
    (
        "reconcile.unproven",
        "Mục trong bảng kê không nằm trong sổ đã công bố",
        "An entry of the statement is not in the published log",
        "Trục đã niêm phong một mục mà sổ công khai không chứa; hãy giữ bảng kê và đầu sổ làm bằng chứng.",
        "The hub sealed an entry that the public log does not hold; keep the statement and the head as proof.",
    ),
    (
        "monitor.signature",
        "Đầu sổ được công bố không có chữ ký hợp lệ của sổ",
        "The published head carries no valid signature of the log",
        "Hãy kiểm tra tệp log.vkey trong thư mục tin cậy; nếu đúng khóa thì nơi công bố đang đưa ra đầu sổ giả hoặc hỏng.",
        "Check log.vkey in the trust folder; if the key is right, what is published is forged or damaged.",
    ),
    (
        "monitor.rollback",
        "Sổ đã lùi: đầu sổ mới công bố ngắn hơn đầu sổ đã giữ",
        "The log went back: the head now published counts fewer entries than one kept here",
        "Hai đầu sổ có chữ ký đã được giữ làm bằng chứng; hãy báo cơ quan chứng kiến và kiểm toán, rồi hỏi nơi vận hành về việc phục hồi.",
        "Both signed heads are kept as proof; tell the witnesses and the auditor, then ask the operator about a recovery.",
    ),
    (
        "monitor.split_view",
        "Hai đầu sổ cùng cỡ nhưng khác nội dung: sổ được cho xem theo hai cách",
        "Two heads over the same number of entries differ: the log is shown in two ways",
        "Hai đầu sổ có chữ ký của cùng một khóa là bằng chứng đầy đủ; hãy gửi cả hai cho cơ quan chứng kiến và kiểm toán.",
        "Two heads signed by the same key are complete proof; send both to the witnesses and the auditor.",
    ),
    (
        "monitor.inconsistent",
        "Đầu sổ mới không nối tiếp đầu sổ đã giữ: mục cũ đã bị sửa, xóa hoặc đổi chỗ",
        "The new head does not continue the one kept here: old entries were changed, removed or moved",
        "Hai đầu sổ đã được giữ làm bằng chứng; hãy so với bản sao sổ (vanthu custody mirror) để biết mục nào khác.",
        "Both heads are kept as proof; compare with a mirror (vanthu custody mirror) to see which entry differs.",
    ),
    (
        "monitor.tiles",
        "Phần sổ được công bố không khớp với đầu sổ",
        "What is published of the log does not match its head",
        "Có thể hỏng đĩa hoặc bị sửa; nơi vận hành hãy chạy vanthu custody fsck.",
        "A damaged disk, or a change; the operator should run vanthu custody fsck.",
    ),
    (
        "monitor.silent",
        "Sổ đã im lặng quá thời gian cho phép",
        "The log has been silent for longer than allowed",
        "Hãy kiểm tra kết nối và hỏi nơi vận hành; im lặng kéo dài cũng là sự kiện cần ghi lại.",
        "Check the connection and ask the operator; a long silence is an event to be recorded as well.",
    ),
    (
        "monitor.unwitnessed",
        "Đầu sổ được công bố thiếu chữ ký của các bên chứng kiến theo chính sách",
        "The published head lacks the cosignatures that the witness policy asks for",
        "Có bên chứng kiến không trả lời, hoặc từ chối ký vì sổ không nối tiếp; hãy hỏi bên chứng kiến đầu sổ nào họ đã giữ.",
        "A witness does not answer, or refused because the log did not go on; ask the witnesses which head they keep.",
    ),
    (
        "monitor.origin",
        "Sổ đã đổi tên: đầu sổ được công bố thuộc một sổ khác với sổ đang theo dõi",
        "The log has another name: the published head belongs to another log than the one followed",
        "Sang kỷ sổ mới thì mục đầu của sổ mới nêu đầu cuối của sổ cũ; hãy đọc mục đó, rồi chạy lại với --new-epoch.",
        "A new epoch begins with an entry that names the last head of the old one; read that entry, then run again with --new-epoch.",
    ),
    (
        "gaps.chain",
        "Chuỗi sự kiện của văn bản bị đứt hoặc bị sửa",
        "The document's chain of events is broken or was changed",
        "Mỗi mục phải nêu số thứ tự và mã băm của mục ngay trước; hãy chạy vanthu custody fsck và so với bản sao sổ.",
        "Each entry must give its number and the hash of the entry before; run vanthu custody fsck and compare with a mirror.",
    ),
    (
        "gaps.missing",
        "Thiếu sự kiện phải có theo tình trạng hiện tại",
        "An event that the present state calls for is missing",
        "Trạng thái trong cơ sở dữ liệu không có mục tương ứng trong sổ; hãy đối chiếu với bảng kê của cơ quan liên quan.",
        "A state in the database has no entry behind it; compare with the statements of the agencies concerned.",
    ),
    (
        "gaps.late",
        "Sự kiện quá thời hạn đã định",
        "An event is past its time",
        "Hãy liên hệ cơ quan phải làm việc tiếp theo, hoặc gửi lại lượt chuyển.",
        "Contact the agency that must act next, or send the delivery again.",
    ),
)
