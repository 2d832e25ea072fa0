"""index — the page above many reports: counts by verdict, the most frequent reasons, a table with a link to each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from html import escape
from urllib.parse import quote

from signing import wording
from signing.reasons import CATALOGUE
from signing.report import PdfVerdict, Verdict
from signing.report_html.markup import both, table, whole_page
from signing.wording import Pair, safe

_TITLE = ("Kết quả kiểm tra chữ ký", "Results of checking signatures")


def index_page(documents: Sequence[tuple[str, PdfVerdict, str]], *, made_at: datetime) -> str:
    """The page over `documents`: name, verdict, and the file name of its report beside this page."""
    counted = Counter(verdict.verdict for _, verdict, _ in documents)
    counts = "".join(f'<li class="{v.value}"><b>{counted[v]}</b> {both(wording.VERDICTS[v])}</li>' for v in Verdict)
    reasons: Counter[str] = Counter()
    texts: dict[str, Pair] = {}
    for _, verdict, _ in documents:
        reasons.update({r.code for r in verdict.reasons})
        for r in verdict.reasons:
            # The sentence without what belongs to one file only.
            known = CATALOGUE.get(r.code)
            texts.setdefault(r.code, (known.vi, known.en) if known else (r.vi, r.en))
    frequent = [(str(n), both(safe(texts[code])), f"<code class='whole'>{escape(code)}</code>") for code, n in reasons.most_common(10)]
    rows = []
    for name, verdict, target in documents:
        word = f'<b class="{verdict.verdict.value}">{both(wording.VERDICTS[verdict.verdict])}</b>'
        codes = ", ".join(f"<code class='whole'>{escape(safe(code))}</code>" for code in dict.fromkeys(r.code for r in verdict.reasons)) or "—"
        rows.append((f'<a href="{quote(target)}">{escape(safe(name))}</a>', word, str(len(verdict.findings.signatures)), codes))
    columns = (("Tệp", "File"), ("Kết luận", "Verdict"), ("Chữ ký", "Signatures"), ("Lý do", "Reasons"))
    body = f"<h1>{both(_TITLE)}</h1><ul class='counts'>{counts}</ul>"
    body += table(("Lý do thường gặp", "Most frequent reasons"), (("Số tệp", "Files"), ("Lý do", "Reason"), ("Mã", "Code")), frequent)
    body += table(("Từng tệp", "Each file"), columns, rows)
    return whole_page(_TITLE[0], body, made_at)
