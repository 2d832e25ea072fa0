"""report_files — nơi ghi báo cáo: where reports go. One document: the file named. Several: the folder named, one file each."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from signing.keys import SigningKey
from signing.report import PdfVerdict
from signing.report_html import html_report, index_page
from signing.report_pdf import write_pdf_report
from signing.report_xml import etsi_report


@dataclass
class ReportFiles:
    """What was asked for: targets of the page, the PDF and the ETSI XML; `several` documents make each of them a folder."""

    html: Path | None
    pdf: Path | None
    etsi: Path | None
    key: SigningKey | None
    several: bool
    made_at: datetime
    _index: list[tuple[str, PdfVerdict, str]] = field(default_factory=list)

    @property
    def wanted(self) -> bool:
        """Is there anything to write?"""
        return bool(self.html or self.pdf or self.etsi)

    @property
    def written(self) -> int:
        """On how many documents there are reports."""
        return len(self._index)

    def add(self, path: Path, verdict: PdfVerdict, *, claimed: bool) -> None:
        """Write the reports on one document.

        Raises:
            SigningError: the PDF report cannot be made or signed.
            OSError: a target cannot be written.
        """
        number = len(self._index) + 1
        if self.html:
            target = self._target(self.html, path, number, ".html")
            target.write_text(html_report(path.name, verdict, made_at=self.made_at, claimed=claimed), encoding="utf-8")
        if self.etsi:
            self._target(self.etsi, path, number, ".xml").write_bytes(etsi_report(verdict, made_at=self.made_at))
        if self.pdf:
            write_pdf_report(self._target(self.pdf, path, number, ".pdf"), path.name, verdict, made_at=self.made_at, claimed=claimed, key=self.key)
        self._index.append((str(path), verdict, _name(path, number, ".html")))

    def close(self) -> None:
        """With several documents, the page above them all."""
        if self.html and self.several and self._index:
            (self.html / "index.html").write_text(index_page(self._index, made_at=self.made_at), encoding="utf-8")

    def _target(self, target: Path, path: Path, number: int, suffix: str) -> Path:
        if not self.several and not target.is_dir():
            target.parent.mkdir(parents=True, exist_ok=True)
            return target
        target.mkdir(parents=True, exist_ok=True)
        return target / _name(path, number, suffix)


def _name(path: Path, number: int, suffix: str) -> str:
    """A file name made of a number and of the safe part of the document's own."""
    stem = "".join(c if c.isalnum() or c in "-_." else "_" for c in path.stem)[:80]
    return f"{number:04d}-{stem}{suffix}"
