"""report_html — trang báo cáo: one self-contained HTML page per document. No script, nothing from outside, prints well."""

from signing.report_html.index import index_page
from signing.report_html.page import html_report

__all__ = ["html_report", "index_page"]
