"""demo_letter — a realistic công văn of two pages by NĐ 30/2020, with one separate attachment.

Typeset with typst, whose wheel brings its fonts. All agencies and persons are
fictitious and say so.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path

import typst

VIETNAM = timezone(timedelta(hours=7))

_PAGE = """
#set page(paper: "a4", margin: (top: 20mm, bottom: 20mm, left: 30mm, right: 18mm), numbering: none,
  header: context { if counter(page).get().first() > 1 [#align(center)[#text(13pt)[#counter(page).display()]]] })
#set text(font: "Libertinus Serif", size: 13.5pt, lang: "vi")
#set par(justify: true, leading: 0.72em, spacing: 0.9em, first-line-indent: (amount: 10mm, all: true))
"""

_HEAD = """
#set par(first-line-indent: 0pt)
#grid(columns: (43%, 57%), align: center,
  [#text(12pt)[UBND TỈNH (MÔ PHỎNG)] \\ #text(12pt, weight: "bold")[SỞ KHOA HỌC VÀ CÔNG NGHỆ \\ (MÔ PHỎNG)] \\ #line(length: 30%, stroke: 0.5pt)
   Số: {number} \\ #text(12pt)[V/v thí điểm gửi, nhận văn bản \\ điện tử ký số qua trục liên thông]],
  [#text(12pt, weight: "bold")[CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM] \\ #text(13pt, weight: "bold")[Độc lập - Tự do - Hạnh phúc]
   #line(length: 55%, stroke: 0.5pt) #v(2mm) #text(style: "italic")[Tỉnh mô phỏng, ngày {day} tháng {month} năm {year}]])
#v(6mm)
#pad(left: 22mm)[Kính gửi: \\
  #h(8mm)- Ủy ban nhân dân xã Một (mô phỏng); \\
  #h(8mm)- Ủy ban nhân dân phường Hai (mô phỏng).]
#v(3mm)
#set par(first-line-indent: (amount: 10mm, all: true))
"""

_BODY = """
Thực hiện Quyết định số 28/2018/QĐ-TTg của Thủ tướng Chính phủ về việc gửi, nhận văn bản điện tử giữa các cơ quan trong hệ thống
hành chính nhà nước và Nghị định số 30/2020/NĐ-CP của Chính phủ về công tác văn thư, Sở Khoa học và Công nghệ (mô phỏng) đề nghị các
đơn vị tổ chức thí điểm gửi, nhận văn bản điện tử ký số qua trục liên thông với các nội dung sau:

*1. Phạm vi thí điểm*

Toàn bộ công văn, thông báo, báo cáo không thuộc danh mục bí mật nhà nước giữa Sở và các đơn vị nhận văn bản này. Văn bản điện tử có
chữ ký số của người có thẩm quyền và chữ ký số của cơ quan, tổ chức ban hành có giá trị pháp lý như bản gốc văn bản giấy; các đơn vị
không gửi kèm bản giấy, trừ trường hợp pháp luật có quy định khác.

*2. Yêu cầu đối với văn bản gửi đi*

a) Văn bản được người có thẩm quyền ký số trước, văn thư cơ quan ký số sau; mỗi tệp phụ lục tách rời có một chữ ký số của cơ quan.

b) Gói tin gửi qua trục liên thông gồm văn bản và đầy đủ tài liệu kèm theo. Hệ thống từ chối gói tin thiếu tệp, tệp hỏng hoặc
chữ ký số không hợp lệ và nêu rõ lý do để đơn vị gửi khắc phục.

c) Văn bản được gửi trong ngày ký, chậm nhất trong buổi sáng của ngày làm việc tiếp theo; văn bản khẩn được gửi ngay sau khi ký số.

*3. Yêu cầu đối với đơn vị nhận*

a) Kiểm tra tính đầy đủ, tính toàn vẹn và tính xác thực của văn bản trước khi tiếp nhận; văn bản không bảo đảm được từ chối kèm lý do.

b) Phản hồi trạng thái xử lý gồm: đã đến, đã tiếp nhận, phân công, đang xử lý, hoàn thành. Thông báo đã đến được gửi trong ngày
nhận văn bản.

c) Xử lý văn bản trên môi trường điện tử mà không chờ bản giấy.

*4. Theo dõi, đối chiếu*

Mỗi lần tiếp nhận, chuyển, xác nhận đều được ghi vào sổ lưu giữ có thể kiểm chứng độc lập. Khi cần chứng minh việc gửi, nhận, đơn vị
tải tệp chứng cứ của văn bản và tự kiểm tra trên máy của mình mà không phụ thuộc vào đơn vị vận hành trục liên thông. Danh sách đơn vị
và đầu mối kỹ thuật tham gia thí điểm nêu tại phụ lục gửi kèm.

*5. Tổ chức thực hiện*

Đề nghị các đơn vị phân công văn thư và cán bộ kỹ thuật làm đầu mối, hoàn thành kết nối trước ngày 15 tháng sau và báo cáo kết quả,
khó khăn, vướng mắc về Sở Khoa học và Công nghệ (mô phỏng) để tổng hợp. Trong quá trình thực hiện, nếu phát sinh lỗi gửi, nhận,
các đơn vị gửi kèm mã lỗi do hệ thống trả về để được hỗ trợ kịp thời.

Sở Khoa học và Công nghệ (mô phỏng) đề nghị các đơn vị quan tâm, phối hợp thực hiện./.
"""

_FOOT = r"""
#v(4mm)
#set par(first-line-indent: 0pt)
#block(breakable: false)[#grid(columns: (48%, 52%),
  [#text(12pt, style: "italic", weight: "bold")[Nơi nhận:] \ #text(11pt)[\- Như trên; \ \- Giám đốc Sở (để báo cáo); \ \- Lưu: VT, CĐS.]],
  align(center)[*KT. GIÁM ĐỐC* \ *PHÓ GIÁM ĐỐC* #v(26mm) *Nguyễn Văn A (mô phỏng)*])]
"""

_TABLE = """
#set par(first-line-indent: 0pt)
#align(center)[*PHỤ LỤC* \\ *Danh sách đơn vị và đầu mối tham gia thí điểm* \\
  #text(style: "italic")[(Kèm theo Công văn số {number} ngày {day}/{month}/{year} của Sở Khoa học và Công nghệ (mô phỏng))]]
#v(4mm)
#table(columns: (10mm, 1fr, 32mm, 34mm), align: (center, left, left, left), stroke: 0.5pt, inset: 6pt,
  [*TT*], [*Đơn vị*], [*Mã định danh*], [*Hình thức nhận*],
  [1], [Ủy ban nhân dân xã Một (mô phỏng)], [000.00.98.H56], [Hệ thống tự lấy về],
  [2], [Ủy ban nhân dân phường Hai (mô phỏng)], [H56.97], [Trục chuyển đến],
  [3], [Sở Khoa học và Công nghệ (mô phỏng)], [000.00.99.H56], [Đơn vị gửi])
"""


def write_letter(folder: Path, *, number: str, now: datetime) -> tuple[Path, Path]:
    """Typeset the letter and its attachment into `folder`: (letter, attachment)."""
    day = now.astimezone(VIETNAM)
    values = {"number": number, "day": f"{day.day:02d}", "month": f"{day.month:02d}", "year": str(day.year)}
    letter = _PAGE + _fill(_HEAD, values) + _BODY + _FOOT
    table = _PAGE + _fill(_TABLE, values)
    return _compile(folder, "cong-van", letter), _compile(folder, "phu-luc", table)


def _fill(text: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        text = text.replace("{" + name + "}", value)
    return text


def _compile(folder: Path, name: str, source: str) -> Path:
    file = folder / f"{name}.typ"
    file.write_text(source)
    target = folder / f"{name}.pdf"
    target.write_bytes(typst.compile(str(file)))
    file.unlink()
    return target
