"""policy_rules — chính sách: the named policies as data, from `schemas/policies` or a file of one's own."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, fields
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from signing.errors import PolicyUnusable
from signing.report import PdfVerdict, Role

POLICIES = ("nd30", "tt15-2025", "legacy-accept", "crypto-only")


@dataclass(frozen=True, slots=True)
class Policy:
    """What a verdict demands.

    `two_signatures`: the person's, then the agency's. `attachment_mark`: an attachment shows the
    document's number. `chain`, `revocation`: a path to an anchor, and its status, must be known.
    `kinds`: certificate kinds wanted ("" in none means any); another is a warning (CRY-13). `later`: reasons about later
    changes that only warn, because whoever signed last is somebody else's question.
    `unreachable`: objects that nothing leads to, added after signing, only warn. `bindings`: digests beside `digests` by which
    the signer's certificate may be named, with a warning.
    `schemes` are allowed, `tolerated` allowed with a warning; sizes in bits.
    """

    id: str
    title_vi: str
    title_en: str
    two_signatures: bool
    attachment_mark: bool
    chain: bool
    revocation: bool
    kinds: tuple[str, ...]
    later: tuple[str, ...]
    unreachable: bool
    schemes: tuple[str, ...]
    tolerated: tuple[str, ...]
    digests: tuple[str, ...]
    bindings: tuple[str, ...]
    rsa_bits: int
    ec_bits: int


@lru_cache(maxsize=64)
def policy(name: str) -> Policy:
    """A policy by its name, or by the path of a TOML file.

    Raises:
        PolicyUnusable: unknown name, or a file that is no policy.
    """
    try:
        if name in POLICIES:
            text = (files("schemas") / "policies" / f"{name}.toml").read_text(encoding="utf-8")
        elif name.endswith(".toml"):
            text = Path(name).read_text(encoding="utf-8")
        else:
            raise PolicyUnusable(name, place="policy")
        return _policy(tomllib.loads(text))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise PolicyUnusable(f"{name}: {error}"[:200], place="policy") from error


def _policy(data: dict[str, Any]) -> Policy:
    flat = {**{k: v for k, v in data.items() if k != "algorithms"}, **data["algorithms"]}
    wanted = {f.name: f.type for f in fields(Policy)}
    if set(flat) != set(wanted):
        raise ValueError(f"keys {sorted(set(flat) ^ set(wanted))}")
    for name, kind in wanted.items():
        good = {"str": str, "bool": bool, "int": int}.get(str(kind), list)
        if type(flat[name]) is not good:
            raise TypeError(f"{name} must be {good.__name__}")
    values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in flat.items()}
    return Policy(**values)


def copy_form(verdict: PdfVerdict) -> str:
    """SAO Y, SAO LỤC or TRÍCH SAO when the file shows itself to be a copy, else "".

    Only an agency's mark makes a copy, and only where no person signed: otherwise the rule of
    two signatures could be evaded by a mark.
    """
    signatures = verdict.findings.signatures
    if any(s.role is Role.PERSON for s in signatures):
        return ""
    marks = [s.mark for s in signatures if s.mark is not None and s.role is Role.AGENCY and s.mark.kind == "copy"]
    return marks[0].form if marks else ""
