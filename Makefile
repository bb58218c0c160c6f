# make demo | make test on a fresh machine: Python >= 3.11, git, make. `make help` lists the rest.
SHELL := /bin/bash
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
  command -v $$p >/dev/null && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' && echo $$p && break; done)
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PYTEST_ARGS ?=
# Tests make thousands of small files: in memory where there is room for them (2 GB), else wherever temporary files go.
ROOM := $(shell test -w /dev/shm && df -Pk /dev/shm 2>/dev/null | awk 'NR == 2 && $$4 > 2000000 {print "/dev/shm"}')
PYTEST := $(if $(ROOM),TMPDIR=$(ROOM)) $(BIN)/pytest -n 2
DEMO_ARGS ?=
AGENTS_REAL = $(if $(AGENTS),--agents $(AGENTS)) $(if $(AT_LEAST),--at-least $(AT_LEAST)) $(if $(RECORD),--record $(RECORD)) $(AGENTS_ARGS)

.PHONY: help setup check test demo chaos chaos-stack simulate bench agents-real agents-latest mutants coverage lock reference clean
.DEFAULT_GOAL := help

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(STAMP) ## make the virtual environment from requirements.lock

$(STAMP): requirements.lock
	@test -n "$(PYTHON)" || { echo "make: no Python >= 3.11 found; name one: make PYTHON=/path/to/python3"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing the pinned dependencies into $(VENV) (once; again when requirements.lock changes)"
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

check: setup ## static checks and the fast tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/python tools/ratchets.py
	$(PYTEST) -m "not slow" $(PYTEST_ARGS)

test: setup ## every test, the slow ones too
	$(PYTEST) $(PYTEST_ARGS)

demo: setup ## four tickets through the real stack, to four verified receipts
	$(BIN)/loopy demo $(DEMO_ARGS)

chaos: setup ## kill N worker processes at every named line: make chaos N=10000 [SEED=] [DATABASE=postgres]
	$(BIN)/python -m tests.chaos $(or $(N),1000) $(if $(SEED),--seed $(SEED)) $(if $(DATABASE),--database $(DATABASE))

chaos-stack: setup ## break the whole stack N times: make chaos-stack N=300 [SEED=] [BROKER=rabbitmq] [DATABASE=postgres]
	$(BIN)/python -m tests.chaos_stack $(or $(N),30) $(if $(SEED),--seed $(SEED)) \
	  $(if $(BROKER),--broker $(BROKER)) $(if $(DATABASE),--database $(DATABASE))

simulate: setup ## play N seeds of the engine over virtual time: make simulate N=20000 [SEED=]
	$(BIN)/python -m tests.simulation $(or $(N),1000) $(if $(SEED),--seed $(SEED))

bench: setup ## one table of ratios to a bare Celery chain on Redis
	$(BIN)/python -m tests.bench $(BENCH_ARGS)

agents-real: setup ## real CLIs, pinned, through Loopy on a scripted model: make agents-real [AGENTS=pi,qwen] [AT_LEAST=3] [RECORD=FOLDER]
	$(BIN)/python -m tests.agents_real $(AGENTS_REAL)

agents-latest: setup ## the same with the newest versions
	$(BIN)/python -m tests.agents_real --latest $(AGENTS_REAL)

mutants: setup ## take each clause of the protocol out, and print which tests and which seed notice: make mutants [MUTANTS=--named]
	$(BIN)/python -m tests.mutants --harness $(MUTANTS)

coverage: setup ## every branch of the engine and of the store's transitions is visited, or excepted with a reason
	$(if $(ROOM),TMPDIR=$(ROOM)) $(BIN)/python tools/branches.py

lock: setup ## resolve pyproject.toml's ranges into requirements.lock anew, and the image's part of it
	@test -x $(BIN)/uv || $(BIN)/python -m pip install -qq --disable-pip-version-check uv
	$(BIN)/uv pip compile pyproject.toml --all-extras --group dev --universal --generate-hashes \
	  --no-header --no-emit-index-url --no-annotate -q -o requirements.lock
	$(BIN)/uv pip compile pyproject.toml --extra postgres --group image -c requirements.lock --universal --generate-hashes \
	  --no-header --no-emit-index-url --no-annotate -q -o requirements.image.lock

reference: setup ## write docs/reference.md from the commands, docs/agents.md and the schema of an entry from the catalogue
	$(BIN)/python tools/reference.py
	$(BIN)/python tools/agents_page.py

clean: ## remove caches and builds; the virtual environment stays
	rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -path ./$(VENV) -prune -o -name __pycache__ -type d -exec rm -rf {} +
