# `make demo` and `make test` are all that a newcomer needs; both set up what they use.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv
LOCKED := --require-hashes --build-constraints requirements-build.lock

.DEFAULT_GOAL := help
.PHONY: help demo serve test check-style bench-linking bench-guard bench-auth bench-runs chaos guard-benign guard-attacks grants-page lock clean

help:  ## This list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 22

demo: $(VENV)/.ready  ## A question over REST, answered by a team, called back signed
	@$(BIN)/saaf demo

serve: $(VENV)/.ready  ## Host the sample deployment on http://127.0.0.1:8000
	@$(BIN)/saaf serve

test: $(VENV)/.ready-dev check-style  ## Style, types and every test
	$(BIN)/pytest -n 2 --dist loadfile

check-style: $(VENV)/.ready-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench-linking: $(VENV)/.ready-dev  ## Which tables a question needs: recall, tokens, latency (data: benchmarks/linking)
	$(BIN)/python -m benchmarks.linking

bench-guard: $(VENV)/.ready-dev  ## What the guard costs on TPC-H, against plain queries in the same run
	$(BIN)/python -m benchmarks.guard.tpch

bench-auth: $(VENV)/.ready-dev  ## What identity costs: tokens, calls, tools; against hosts without it
	$(BIN)/python -m benchmarks.auth.in_process
	$(BIN)/python -m benchmarks.auth.over_http

bench-runs: $(VENV)/.ready-dev  ## What durable runs cost, beside DBOS, Agno, Aegra, langgraph, AutoGen Studio, ADK
	$(BIN)/python -m benchmarks.runs

chaos: $(VENV)/.ready-dev  ## Runs under kill -9, pauses, lost stores and failing models; ARGS="--quick --seed 7"
	$(BIN)/python -m tests.chaos $(ARGS)

guard-benign: $(VENV)/.ready-dev  ## False refusals over public query sets (data: benchmarks/guard)
	$(BIN)/python -m benchmarks.guard.benign

guard-attacks: $(VENV)/.ready-dev  ## Attacks, mutants and random queries against random grants, at length
	$(BIN)/python -m tests.sql.campaign

grants-page: $(VENV)/.ready-dev  ## Write docs/grants-at-work.md anew from the sample
	$(BIN)/python -m tests.docs.grants_at_work

lock:  ## Resolve the locks anew from pyproject.toml
	$(UV) pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url \
	  --extra postgres pyproject.toml -o requirements.lock -c requirements-bounds.in $(LOCK_FLAGS)
	$(UV) pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url \
	  --all-extras --group dev pyproject.toml -o requirements-dev.lock -c requirements.lock $(LOCK_FLAGS)
	$(UV) pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url \
	  requirements-build.in -o requirements-build.lock $(LOCK_FLAGS)
	$(UV) pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --no-deps \
	  requirements-sample.in -o requirements-sample.lock $(LOCK_FLAGS)
	$(UV) pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url \
	  requirements-fakesnow.in -o requirements-fakesnow.lock $(LOCK_FLAGS)

clean:  ## Remove the virtual environment and the state folder
	rm -rf $(VENV) .saaf

# uv itself comes from PyPI by its hash; everything else is installed by uv.
$(VENV)/.uv: requirements-build.lock
	@echo "Making the virtual environment …"
	@$(PYTHON) -m venv $(VENV)
	@grep -A 40 '^uv==' requirements-build.lock | awk 'NR > 1 && /^[a-z]/ {exit} {print}' > $(VENV)/uv.lock
	@$(BIN)/pip install -q --disable-pip-version-check --require-hashes -r $(VENV)/uv.lock
	@touch $@

$(VENV)/.ready: $(VENV)/.uv requirements.lock requirements-sample.lock pyproject.toml
	@echo "Installing locked dependencies …"
	@$(UV) pip install -q --python $(BIN)/python $(LOCKED) -r requirements.lock
	@$(UV) pip install -q --python $(BIN)/python $(LOCKED) --no-deps -r requirements-sample.lock
	@$(UV) pip install -q --python $(BIN)/python --build-constraints requirements-build.lock --no-deps -e .
	@touch $@

$(VENV)/.ready-dev: $(VENV)/.ready requirements-dev.lock $(VENV)/fakesnow/.ready tests/peers/package-lock.json
	@$(UV) pip install -q --python $(BIN)/python $(LOCKED) -r requirements-dev.lock
	@cd tests/peers && PATH="$(abspath $(BIN)):$$PATH" npm ci --silent --ignore-scripts
	@touch $@

# Snowflake's emulator pins what SAAF does not use, so it has an environment of its own.
$(VENV)/fakesnow/.ready: $(VENV)/.uv requirements-fakesnow.lock
	@$(UV) venv -q --clear --python $(BIN)/python $(VENV)/fakesnow
	@$(UV) pip install -q --python $(VENV)/fakesnow/bin/python --require-hashes -r requirements-fakesnow.lock
	@touch $@
