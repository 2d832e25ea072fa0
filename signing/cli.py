"""cli — the auditor's verbs, collected. No database; the network only for time-stamp authorities that are named."""

from __future__ import annotations

from signing.cli_inspect import inspect
from signing.cli_keys import keys
from signing.cli_sign import sign, sign_complete, sign_prepare, timestamp
from signing.cli_trust import trust
from signing.cli_verify import verify

VERBS = (verify, inspect, sign, timestamp, sign_prepare, sign_complete, trust, keys)
