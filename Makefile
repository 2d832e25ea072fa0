# Two commands matter: make demo, make test.
SHELL := /bin/sh
BASE := $(shell for p in python3.13 python3.12 python3.11 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
PY := .venv/bin/python

.PHONY: help demo test check venv docs bench bench-witnesses bench-signing costs bench-edxml bench-opinions bench-custody bench-custody-10m bench-outbox bench-directory docker-test lock clean

help: ## what can be made
	@grep -E '^[a-z0-9-]+:.*##' Makefile | sed 's/:.*## /  — /'

venv:
	@test -n "$(BASE)" || { echo "vanthu: Python 3.11 or newer is wanted"; exit 1; }
	@$(BASE) .ci/venv.py

demo: venv ## send a signed document through a hub and three agencies on this machine
	@.venv/bin/vanthu demo

test: venv ## the whole test suite
	@$(PY) -m pytest

check: venv ## style, types and import contracts only
	@$(PY) -m ruff check . && $(PY) -m mypy && $(PY) -m pytest -q tests/architecture

docs: venv ## write docs/errors.md and the help in README.md anew
	@$(PY) docs/generate.py

bench: venv ## print the hub's numbers on this machine
	@$(PY) -m benchmarks.run

bench-signing: venv ## print what signing and verifying cost here, against floors and peers
	@$(PY) -m benchmarks.signing

costs: venv ## print what hostile and public files cost the verifier: the ten worst by CPU and by memory (three minutes)
	@$(PY) -m tests.security.costs

bench-edxml: venv ## print what reading and writing packages cost here, up to 1 GB
	@$(PY) -m benchmarks.edxml

bench-opinions: venv ## show changed copies of a signed document to other verifiers
	@$(PY) -m benchmarks.opinions

bench-witnesses: venv ## print how soon an entry is under a head that five of seven witnesses cosigned
	@$(PY) -m benchmarks.witnesses

bench-custody: venv ## print what the custody log costs here: appending, proving, auditing, accepting
	@$(PY) -m benchmarks.custody

bench-custody-10m: venv ## print what proofs from ten million entries cost, cold and warm (builds 10 GB first: twenty minutes, or twice that on a busy machine)
	@$(PY) -m benchmarks.custody_large

bench-outbox: venv ## print entries appended in place beside an outbox and one sequencer (PostgreSQL, three minutes)
	@$(PY) -m benchmarks.outbox

bench-directory: venv ## print how long a directory of 123,265 agencies takes to load and to look up
	@$(PY) -m benchmarks.directory

docker-test: venv ## build the images, start the stack, send one document through, stop
	@sh docker/test.sh

lock: ## resolve the lock file anew (wants uv)
	uv pip compile pyproject.toml --extra check --extra demo --extra postgresql --universal --generate-hashes \
		--python-version 3.11 --no-header -q -o .ci/requirements.lock

clean: ## remove what was made
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
