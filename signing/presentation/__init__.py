"""presentation — hình thức chữ ký số trên trang: what NĐ 30/2020 lets a signature look like.

This page of the room is light, for readers of marks; the builders are in
`signing.presentation.appearances`, which loads the font machinery.
"""

from signing.presentation.drawing import Appearance
from signing.presentation.geometry import POINT_MM, Box, Page, is_top_right, pair_is_right, seal_box
from signing.presentation.images import Picture, ink_colour, read_png, rgb_colour
from signing.presentation.wording import SIZE, VIETNAM, CopyForm, vietnam_time

__all__ = [
    "POINT_MM",
    "SIZE",
    "VIETNAM",
    "Appearance",
    "Box",
    "CopyForm",
    "Page",
    "Picture",
    "ink_colour",
    "is_top_right",
    "pair_is_right",
    "read_png",
    "rgb_colour",
    "seal_box",
    "vietnam_time",
]
