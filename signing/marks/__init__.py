"""marks — đọc lại thông tin ký số: what signatures show, read back from plain data (NĐ 30/2020 Annex I-I-II.7.d, 8; I-II-I.3)."""

from signing.marks.numbers import normal_number, number_in, numbers_equal, time_in
from signing.marks.reading import pair_problem, read_mark, seal_size_problem
from signing.marks.values import Form, FormFont, FormImage, Shown

__all__ = [
    "Form",
    "FormFont",
    "FormImage",
    "Shown",
    "normal_number",
    "number_in",
    "numbers_equal",
    "pair_problem",
    "read_mark",
    "seal_size_problem",
    "time_in",
]
