"""newest_first — pyHanko's difference analysis, asked about the newest revision before those in between.

The answer is the same: every revision after the signed one is compared with it, and one that is
suspicious decides. What was changed last is found at once instead of after all lawful revisions, which
keeps a file of many signatures within its seconds (`signing.sandbox`).
"""

from __future__ import annotations

from typing import Any

from pyhanko.sign.diff_analysis import DEFAULT_DIFF_POLICY, DiffPolicy, DiffResult, ModificationLevel, SuspiciousModification


class NewestFirst(DiffPolicy):
    """The default policy in another order."""

    def apply(self, old: Any, new: Any, field_mdp_spec: Any = None, doc_mdp: Any = None) -> DiffResult:
        """One revision against another.

        Raises:
            SuspiciousModification: a change that the rules do not know.
        """
        return DEFAULT_DIFF_POLICY.apply(old, new, field_mdp_spec, doc_mdp)

    def review_file(self, reader: Any, base_revision: Any, field_mdp_spec: Any = None, doc_mdp: Any = None) -> DiffResult | SuspiciousModification:
        """Every revision after `base_revision` (its index, or its resolver), the last one first."""
        old = reader.get_historical_resolver(base_revision) if isinstance(base_revision, int) else base_revision
        level = ModificationLevel.NONE
        fields: set[Any] = set()
        for revision in range(reader.xrefs.total_revisions - 1, old.revision, -1):
            try:
                found = self.apply(old, reader.get_historical_resolver(revision), field_mdp_spec, doc_mdp)
            except SuspiciousModification as suspicious:
                return suspicious
            level, fields = max(level, found.modification_level), fields | found.changed_form_fields
        return DiffResult(level, fields)
