"""cli — the auditor's verbs, collected: verify, inspect, sign, keys. No database, no network."""

from __future__ import annotations

from signing.cli_inspect import inspect
from signing.cli_keys import keys
from signing.cli_sign import sign
from signing.cli_verify import verify

VERBS = (verify, inspect, sign, keys)
