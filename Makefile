# What a person types. Each target makes the environment it needs; only `lock` needs uv.

PYTHON ?= python3
UV ?= uv
ARGS ?=

# All paths are relative, so that a clone may live in a directory whose name has spaces.
VENV := .venv
BIN := $(VENV)/bin
VENV_READY := $(VENV)/.created
RUNTIME := $(VENV)/.runtime-installed
DEVELOPMENT := $(VENV)/.development-installed
IMAGE := build/contracts.binpb

PIP := $(BIN)/python -m pip --disable-pip-version-check
# Every file is checked against its hash, and nothing is fetched behind the lock's back to build it.
PIP_INSTALL_LOCKED := $(PIP) install --quiet --require-hashes --no-build-isolation --use-pep517
PIP_INSTALL_OURS := $(PIP) install --quiet --no-deps --no-build-isolation --editable ./stubs --editable .
LOCK := $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-package tallybook-stubs --custom-compile-command "make lock"

# Without what gRPC says whenever a process that uses it starts another.
QUIET_GRPC := GRPC_VERBOSITY=error

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules --no-print-directory

.PHONY: help run up test bench bench-quick check check-format check-lint check-types check-imports check-contracts check-house \
	format stubs reference release-image lock install clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-15s %s\n", $$1, $$2 }' Makefile

# --- Use it ---------------------------------------------------------------------------------------------------

run: $(RUNTIME) ## Start everything on a database of its own, and show it at work
	@$(BIN)/tallybook demo $(ARGS)

up: $(RUNTIME) ## Start everything and keep it running
	@$(BIN)/tallybook up $(ARGS)

# --- Work on it -----------------------------------------------------------------------------------------------

install: $(DEVELOPMENT) ## Make the environment for development

test: $(DEVELOPMENT) ## Run the tests (ARGS="-k refund" passes on to pytest)
	@$(BIN)/python -m pytest $(ARGS)

bench: $(DEVELOPMENT) ## Measure against the limits of this machine (ARGS="posting single", ARGS=--help)
	@$(QUIET_GRPC) $(BIN)/python -m benchmarks $(ARGS)

bench-quick: $(DEVELOPMENT) ## Measure a little of everything, to see that it works
	@$(QUIET_GRPC) $(BIN)/python -m benchmarks --quick $(ARGS)

check: check-format check-lint check-types check-imports check-contracts check-house ## Run every static check

check-format: $(DEVELOPMENT)
	@echo "format"
	@$(BIN)/ruff format --check --quiet . || { echo "Not formatted: run make format." >&2; exit 1; }

check-lint: $(DEVELOPMENT)
	@echo "lint"
	@$(BIN)/ruff check --quiet .

check-types: $(DEVELOPMENT)
	@echo "types"
	@$(BIN)/mypy

check-imports: $(DEVELOPMENT)
	@echo "imports"
	@$(BIN)/lint-imports --no-logo

check-contracts: $(DEVELOPMENT)
	@echo "contracts"
	@mkdir -p $(dir $(IMAGE))
	@$(BIN)/python protos/generate.py --image $(IMAGE)
	@$(BIN)/buf format --diff --exit-code protos
	@$(BIN)/buf lint $(IMAGE)
	@test -f protos/released.binpb || { \
		echo "protos/released.binpb is missing, so nothing says which contracts are released." >&2; \
		echo "Restore it from git; only before the first release: make release-image." >&2; exit 1; }
	@$(BIN)/buf breaking $(IMAGE) --against protos/released.binpb

check-house: $(DEVELOPMENT)
	@echo "house"
	@$(BIN)/python -m pytest --quiet tests/house

format: $(DEVELOPMENT) ## Format the code and the contracts, and mend what ruff can mend
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .
	@$(BIN)/buf format --write protos

stubs: $(DEVELOPMENT) ## Generate stubs/ from protos/
	@$(BIN)/python protos/generate.py

reference: $(DEVELOPMENT) ## Write docs/reference/ from protos/ and from calls to a ledger
	@TALLYBOOK_WRITE_REFERENCE=1 $(BIN)/python -m pytest --quiet tests/reference

release-image: $(DEVELOPMENT) ## Declare the contracts as they are now to be the released ones
	@$(BIN)/python protos/generate.py --release-image

lock: ## Resolve the dependencies again (UPGRADE=--upgrade for newer versions); needs uv
	@command -v $(UV) >/dev/null || { echo "make lock needs uv: pip install uv" >&2; exit 1; }
	@echo "locking ..."
	@$(LOCK) $(UPGRADE) pyproject.toml stubs/pyproject.toml --output-file requirements.lock
	@$(LOCK) $(UPGRADE) --group build --constraints requirements.lock --output-file requirements-build.lock
	@$(LOCK) $(UPGRADE) pyproject.toml stubs/pyproject.toml --group dev \
		--constraints requirements.lock --constraints requirements-build.lock --output-file requirements-dev.lock

clean: ## Remove what make made
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis

# --- The environment: one, with a stamp for each lock that is installed in it ----------------------------------

$(VENV_READY):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		found=$$($(PYTHON) --version 2>/dev/null || echo "not a Python"); \
		echo "Tallybook needs Python 3.11 or newer, and $(PYTHON) is $$found." >&2; \
		echo "Name another one: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv --clear $(VENV)
	@touch $@

$(RUNTIME): requirements.lock requirements-build.lock pyproject.toml stubs/pyproject.toml | $(VENV_READY)
	@echo "installing what Tallybook runs on (a minute or so the first time) ..."
	@$(PIP_INSTALL_LOCKED) -r requirements-build.lock
	@$(PIP_INSTALL_LOCKED) -r requirements.lock
	@$(PIP_INSTALL_OURS)
	@touch $@

# The development lock contains the runtime lock, so it counts for both.
$(DEVELOPMENT): requirements-dev.lock requirements.lock requirements-build.lock pyproject.toml stubs/pyproject.toml | $(VENV_READY)
	@echo "installing what Tallybook is developed with (a minute or so the first time) ..."
	@$(PIP_INSTALL_LOCKED) -r requirements-build.lock
	@$(PIP_INSTALL_LOCKED) -r requirements-dev.lock
	@$(PIP_INSTALL_OURS)
	@touch $(RUNTIME) $@
