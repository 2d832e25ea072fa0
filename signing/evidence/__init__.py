"""evidence — tệp chứng cứ: one ASiC-E file (EN 319 162-1, CAdES) that proves a document's life.

Built by the hub, checked by anybody: no network, no database, no hub code.
"""

from signing.evidence.archive import renew
from signing.evidence.building import build
from signing.evidence.checking import check
from signing.evidence.findings import Act, EvidenceReport, Standing, Statement, StatutoryItem, Verify
from signing.evidence.instructions import commands, verify_text
from signing.evidence.manifest import Member

__all__ = ["Act", "EvidenceReport", "Member", "Standing", "Statement", "StatutoryItem", "Verify", "build", "check", "commands", "renew", "verify_text"]
