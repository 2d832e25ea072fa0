"""Attack families A1–A18 on signed PDFs, as named cases. `ALL` is the whole set."""

from __future__ import annotations

from tests.security.attacks import (
    aliases,
    bombs,
    certificates,
    certification,
    cms_level,
    fields,
    forgery,
    isa,
    other_writers,
    page_changes,
    readers,
    shadow,
    unsigned_parts,
    wrapping,
    xref_tricks,
)
from tests.security.attacks.workshop import Case

MODULES = (
    isa,
    wrapping,
    forgery,
    shadow,
    certification,
    fields,
    page_changes,
    xref_tricks,
    aliases,
    readers,
    cms_level,
    other_writers,
    certificates,
    unsigned_parts,
    bombs,
)
FAMILIES = tuple(f"A{n}" for n in range(1, 19))
ALL: tuple[Case, ...] = tuple(case for module in MODULES for case in module.cases())
