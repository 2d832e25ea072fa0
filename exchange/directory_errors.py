"""directory_errors — what the directory can refuse: a part of the error tree (`errors`), kept apart because it is used by few.

All are kinds of `AgencyError` or `AccessError`, so that the web layer and the
connector profiles treat them as such.
"""

from __future__ import annotations

from exchange.errors import AccessError, AgencyError


class AgencyNotYet(AgencyError):
    """Mail to or from an agency before its first day."""

    code = "agency.not_yet"
    vi = "Cơ quan chưa đến ngày bắt đầu có hiệu lực trong danh bạ."
    en = "The agency's validity in the directory has not begun."


class AgencyElsewhere(AgencyError):
    """Mail to an agency whose hub of record is another one, and which has no way to collect here."""

    code = "agency.other_hub"
    vi = "Cơ quan nhận thuộc trục khác và không nhận gì qua trục này; xin gửi qua trục ghi trong danh bạ."
    en = "The agency is on another hub and collects nothing here; send through the hub that the directory names."
    hub: str = ""  # code of its hub of record


class DirectoryUnreadable(AgencyError):
    """The file as a whole is not one."""

    code = "directory.unreadable"
    vi = "Tệp danh bạ không đọc được: sai định dạng, sai bảng mã hoặc vượt giới hạn."
    en = "The directory file cannot be read: wrong format or encoding, or over a limit."


class DirectoryRow(AgencyError):
    """One row, or one agency typed by hand, is wrong."""

    code = "directory.row"
    vi = "Một dòng của danh bạ có giá trị không dùng được."
    en = "A row of the directory has an unusable value."


class DirectoryConflict(AgencyError):
    """The directory would contradict itself."""

    code = "directory.conflict"
    vi = "Các dòng của danh bạ mâu thuẫn nhau: trùng mã, mã tham chiếu không có, hoặc vòng lặp."
    en = "Rows of the directory contradict each other: a code twice, a reference to nothing, or a cycle."
    status = 409


class DirectorySeal(AgencyError):
    """Nobody entitled stands for the file."""

    code = "directory.seal"
    vi = "Dấu niêm phong của tệp danh bạ không hợp lệ, hoặc không phải của bên được phép phát hành danh bạ."
    en = "The seal of the directory file is not valid, or not of somebody who may publish the directory."
    status = 403


class DirectoryOld(AgencyError):
    """A replay of an older version, or another content under the same number."""

    code = "directory.old"
    vi = "Phiên bản này của danh bạ không mới hơn phiên bản đã có."
    en = "This version of the directory is not newer than the one held."
    status = 409


class NotServed(AccessError):
    """A caller names an agency that it is no gateway of."""

    code = "access.not_served"
    vi = "Danh bạ không ghi bên gọi là đầu mối của cơ quan này."
    en = "The directory does not name the caller as this agency's gateway."
