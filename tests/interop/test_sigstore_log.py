"""Our proofs before sigstore's own verifier of inclusion, in an interpreter of its own (it is no part of the lock file).

To run it: ``python -m venv V && V/bin/pip install sigstore==4.5.1``, then ``VANTHU_SIGSTORE_PYTHON=V/bin/python pytest tests/interop/test_sigstore_log.py``.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from typing import Any

import pytest

from signing.merkle import leaf_hash
from tests.property.test_merkle import GROWN, agrees, naive, verify_inclusion

COUNT = 300
ASK = """
import json, sys
from types import SimpleNamespace as N
from sigstore._internal.merkle import verify_merkle_inclusion
from sigstore.errors import VerificationError
said = []
for c in json.load(sys.stdin):
    proof = N(log_index=c["index"], tree_size=c["size"], hashes=[bytes.fromhex(h) for h in c["path"]], root_hash=bytes.fromhex(c["root"]))
    try:
        verify_merkle_inclusion(N(_inner=N(inclusion_proof=proof, canonicalized_body=bytes.fromhex(c["leaf"]))))
        said.append(True)
    except VerificationError:
        said.append(False)
json.dump(said, sys.stdout)
"""


def python() -> str:
    """The interpreter that has sigstore."""
    for candidate in (os.environ.get("VANTHU_SIGSTORE_PYTHON", ""), sys.executable):
        if candidate and subprocess.run([candidate, "-c", "import sigstore._internal.merkle"], capture_output=True, timeout=60).returncode == 0:
            return candidate
    pytest.skip("sigstore is not installed: a cross-check for developers, see the head of this file")


def test_sigstore_takes_what_we_prove_and_refuses_what_we_refuse() -> None:
    interpreter, chance = python(), random.Random(7)
    cases: list[dict[str, Any]] = []
    ours: list[bool] = []
    for _ in range(COUNT):
        size = chance.randrange(1, 3001)
        index = chance.randrange(size)
        leaf, path, root = index.to_bytes(4, "big"), GROWN.tree(size).inclusion(index), naive(0, size)
        wrong = [*path]
        if wrong:
            wrong[chance.randrange(len(wrong))] = bytes(32)
        other = (index + 1) % size
        for i, hashes, claimed, body in ((index, path, root, leaf), (index, [*path, root], root, leaf), (index, wrong, root, b"x"), (other, path, root, leaf)):
            cases.append({"index": i, "size": size, "path": [h.hex() for h in hashes], "root": claimed.hex(), "leaf": body.hex()})
            ours.append(agrees(verify_inclusion, leaf_hash(body), i, size, hashes, claimed))
    done = subprocess.run([interpreter, "-c", ASK], input=json.dumps(cases).encode(), capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr.decode()
    assert json.loads(done.stdout) == ours and ours.count(True) >= COUNT and ours.count(False) >= 2 * COUNT
