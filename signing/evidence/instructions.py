"""instructions — VERIFY.txt: how to check the file with stock `openssl` and `sha256sum`, as commands that work.

A test runs every line that begins with "$ " in a shell, as printed.
"""

from __future__ import annotations

from collections.abc import Sequence

from signing.container import MANIFEST, SIGNATURE

PACKAGE = "documents/package.edxml"
PROMPT = "   $ "
_CMS = "openssl cms -verify -binary -inform der -in {0} -content {1} -CAfile ROOT.pem -purpose any -out /dev/null"

_HEAD = """Kiểm tra tệp chứng cứ này bằng công cụ có sẵn, không cần hỏi hệ thống đã lập ra nó.
How to check this evidence file with stock tools, without asking the system that made it.

Trước hết / first:  unzip FILE.asice -d evidence && cd evidence
ROOT.pem: gốc tin cậy CỦA BẠN, đừng lấy từ tệp này / YOUR OWN trust anchor, not one from this file.
LOG.pem: khóa công khai của sổ, lấy từ nguồn riêng (trust/log.pem chỉ là bản sao tiện dùng)
         / the log's public key from a source of your own (trust/log.pem is a convenience copy).
Mỗi lệnh phải kết thúc với mã 0 / every command must end with status 0.
Chứng thư đã hết hạn: thêm -attime {epoch} (thời điểm lập tệp) / certificates expired since: add -attime {epoch}.
"""
_LAST = """
Tất cả, cả phần sổ và con dấu thời gian / everything, with the log and the time-stamps:
     vanthu verify FILE.asice --trust TRUST-FOLDER --policy WITNESS-POLICY
"""

Step = tuple[str, str, str]
"""(Vietnamese, English, command)."""


def steps(names: Sequence[str]) -> list[Step]:
    """The commands for a file with these members."""
    found: list[Step] = [
        ("Niêm phong của hệ thống trên danh mục tệp", "the hub's seal over the manifest", _CMS.format(SIGNATURE, MANIFEST)),
        (
            "Danh sách mã băm nằm trong danh mục đã niêm phong",
            "the list of digests is in the sealed manifest",
            f'grep -qF "$(openssl dgst -sha256 -binary report/SHA256SUMS | openssl base64)" {MANIFEST}',
        ),
        ("Không tệp nào bị thay đổi", "no file was changed", "sha256sum --check --quiet report/SHA256SUMS"),
    ]
    if PACKAGE in names:
        found.append(("Niêm phong của bên gửi trên gói tin", "the sender's own seal over the package", _CMS.format(f"{PACKAGE}.p7s", PACKAGE)))
    found += [
        (
            "Từng chứng cứ và từng trạng thái có niêm phong của nơi lập",
            "every evidence and every status carries the seal of who made it",
            f"for f in evidence/*.p7s; do {_CMS.format(chr(34) + '$f' + chr(34), chr(34) + '${f%.p7s}' + chr(34))} || exit 1; done",
        ),
        (
            "Mỗi mục sổ được một chứng cứ đã niêm phong nhắc tới",
            "every log entry is named by a sealed evidence",
            'for f in log/leaves/*.json; do h=$( (printf "\\000"; cat "$f") | sha256sum | cut -c1-64); grep -qF "$h" evidence/*.xml || exit 1; done',
        ),
        (
            "Đầu sổ có chữ ký của sổ",
            "the head of the log is signed by the log",
            "sed '/^$/,$d' log/checkpoint > head.txt && grep '^— ' log/checkpoint | head -n 1 | sed 's/.* //' | openssl base64 -d -A | tail -c +5 > head.sig"
            " && openssl pkeyutl -verify -pubin -inkey LOG.pem -rawin -in head.txt -sigfile head.sig",
        ),
    ]
    if "log/sealed" in names:
        found.append(("Niêm phong trên đầu sổ", "the hub's seal over a head of the log", _CMS.format("log/sealed.p7s", "log/sealed")))
    if "log/sealed.tst" in names:
        command = "openssl ts -verify -token_in -in log/sealed.tst -data log/sealed -CAfile ROOT.pem -untrusted trust/chain.pem"
        found.append(("Dấu thời gian trên đầu sổ", "the time-stamp over a head of the log", command))
    return found


def verify_text(names: Sequence[str], *, epoch: int) -> str:
    """VERIFY.txt for a file with these members, made at `epoch` (POSIX seconds)."""
    lines = [_HEAD.format(epoch=epoch)]
    for number, (vi, en, command) in enumerate(steps(names), 1):
        lines += [f"{number}. {vi} / {en}:", PROMPT + command]
    return "\n".join(lines) + "\n" + _LAST


def commands(text: str) -> list[str]:
    """The commands printed in a VERIFY.txt."""
    return [line.removeprefix(PROMPT) for line in text.splitlines() if line.startswith(PROMPT)]
