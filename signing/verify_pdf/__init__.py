"""verify_pdf — kiểm tra chữ ký: what holds in one PDF, as findings. Its modules alone know how a PDF is read for verifying."""

from signing.verify_pdf.roles import role_of
from signing.verify_pdf.verifying import verify_pdf

__all__ = ["role_of", "verify_pdf"]
