"""sender_scenarios — the misbehaviour of a sender, by number; the names are those of `BadSender`'s methods."""

from __future__ import annotations

from exchange.simulate.scenario import Scenario

_ONCE = ("nhận đúng một lần, trả lời giống từng byte", "taken once, the same answer byte for byte")
_NOT_TAKEN = ("không nhận, bên nhận không thấy gì", "not taken, the recipient is shown nothing")
_WORDS = ("từ chối bằng lời, có mã lỗi", "refused in words, with a code")
_OTHERS = ("vẫn phục vụ bên khác, rồi đóng kết nối", "goes on serving others, then lets go of the connection")
_QUICK = ("từ chối nhanh, bộ nhớ không tăng", "refused quickly, memory does not grow")
_TABLE = (
    ("answer_lost", "Luật 20/2023 Điều 15", ("Mất trả lời ba lần, gửi lại hai lần", "The answer is lost three times, asked again twice"), _ONCE),
    ("all_at_once", "Luật 20/2023 Điều 15", ("Gửi một văn bản tám lần cùng lúc", "One document sent eight times at once"), _ONCE),
    ("cut_body", "RFC 9112 8", ("Ngắt kết nối giữa gói tin ở năm chỗ", "The package is cut at five places"), _NOT_TAKEN),
    ("length_too_large", "RFC 9112 6.3", ("Content-Length lớn hơn gói tin", "Content-Length above the package"), _NOT_TAKEN),
    ("length_too_small", "RFC 9112 6.3", ("Content-Length nhỏ hơn gói tin", "Content-Length below the package"), _NOT_TAKEN),
    (
        "two_framings",
        "RFC 9112 6.1",
        ("Hai cách đóng khung, giấu một yêu cầu", "Two framings, with a request hidden behind"),
        ("không trả lời yêu cầu bị giấu", "does not answer what is hidden"),
    ),
    ("broken_framing", "RFC 9112 6.3, 7.1", ("Độ dài, chunk, tiêu đề viết sai", "Broken lengths, chunks and fields"), _NOT_TAKEN),
    ("wrong_hash", "RFC 9530; SDK VXP 2.0.1: hash-file", ("Khai giá trị băm khác", "Another hash is declared"), _WORDS),
    ("wrong_signer", "QĐ 28/2018/QĐ-TTg Điều 9.1", ("Ký bằng khóa không phải của bên gửi", "Signed with a key that is not the sender's"), _WORDS),
    (
        "reused_id",
        "NĐ 30/2020 Phụ lục VI",
        ("Dùng lại mã văn bản với nội dung khác", "The same id with other bytes"),
        ("giữ bản đầu, báo xung đột", "keeps the first, tells the conflict"),
    ),
    ("slow_head", "RFC 9110 15.5.9", ("Nhỏ giọt phần đầu trên nhiều kết nối", "Heads that trickle in on many connections"), _OTHERS),
    ("slow_body", "RFC 9110 15.5.9", ("Nhỏ giọt gói tin trên nhiều kết nối", "Packages that trickle in on many connections"), _OTHERS),
    ("many_attachments", "QCVN 102:2016/BTTTT, edXML", ("10.000 tệp đính kèm", "10,000 attachments"), _QUICK),
    ("many_parts", "RFC 2046 5.1", ("10.000 phần MIME, 10.000 trường biểu mẫu", "10,000 MIME parts, 10,000 form fields"), _QUICK),
    ("long_heads", "RFC 6585 5", ("5.000 trường tiêu đề; trường và dòng 1 MB", "5,000 fields; a field and a line of 1 MB"), _QUICK),
    (
        "bombs",
        "QCVN 102:2016/BTTTT, XML",
        ("DTD, thực thể, XInclude, sâu 10^5, 10^6 phần tử, sai bảng mã", "DTD, entities, XInclude, depth 10^5, 10^6 elements, wrong encodings"),
        _QUICK,
    ),
    ("folded", "RFC 9110 8.4", ("Thân nén nghìn lần", "A body compressed a thousandfold"), _QUICK),
    (
        "idle",
        "RFC 9112 9.5",
        ("Kết nối im lặng, không nói HTTP", "Connections that are silent or do not speak HTTP"),
        ("vẫn phục vụ bên khác", "goes on serving others"),
    ),
    (
        "not_reading",
        "RFC 9112 9.3.2",
        ("Hỏi liên tiếp mà không đọc trả lời", "Asks again and again, and reads no answer"),
        ("vẫn phục vụ bên khác", "goes on serving others"),
    ),
    ("wrong_json", "RFC 8259 4", ("Một tên hai lần trong JSON", "A name stands twice in JSON"), _WORDS),
    (
        "stale",
        "SDK VXP 2.0.1: timestamp; QĐ 28/2018/QĐ-TTg Điều 9.1",
        ("Lời gọi cũ ghi lại giờ mới; niêm phong của gói tin khác", "An old call with a new time written in; the seal of another package"),
        _WORDS,
    ),
    (
        "nothing_lost_or_doubled",
        "Luật 20/2023 Điều 15",
        ("Sau tất cả: đối chiếu hai bên", "After all of it: both sides are compared"),
        ("không mất, không thừa", "nothing lost, nothing doubled"),
    ),
)
SCENARIOS = {name: Scenario(f"S-{n:02d}", clause, *done, *sound) for n, (name, clause, done, sound) in enumerate(_TABLE, 1)}
