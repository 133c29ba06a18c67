# Everything a person or a CI system runs. A fresh machine needs Python 3.11+, git and make; the rest sets itself up.

PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready-$(shell cksum < pyproject.toml | tr ' ' '-')
WORKERS ?= 2
# Tests start Python a thousand times; without bytecode each start compiles mlspec anew, which takes four times as long.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help demo test check lint stale update bench fuzz conformance clean

help:  ## show this list
	@awk -F':.*## ' '/^[a-z]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): pyproject.toml
	@test -n "$(PYTHON)" || { echo "mlspec needs Python 3.11 or newer; say where it is: make PYTHON=..." >&2; exit 3; }
	@echo "setting up $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --group dev --editable .
	@rm -f $(VENV)/ready-* && touch $@

demo: $(READY)  ## compile a small spec into a temporary folder, then show what a mistake looks like
	@PATH="$(abspath $(BIN)):$$PATH" sh scripts/demo.sh

test: $(READY)  ## the tests that take seconds
	@$(BIN)/pytest -n $(WORKERS) --dist worksteal -m "not slow and not conformance"

check: lint stale  ## everything that has to be right before a change is merged
	@$(BIN)/pytest -n $(WORKERS) --dist worksteal -m "not conformance"

lint: $(READY)
	@$(BIN)/ruff check src tests scripts $(wildcard benchmarks)
	@$(BIN)/mypy
	@$(BIN)/lint-imports

stale: $(READY)
	@$(BIN)/python scripts/update.py --check || { echo "generated files are stale; run make update" >&2; exit 1; }

update: $(READY)  ## write what is generated: the schema, the reference, the trees of the examples
	@$(BIN)/python scripts/update.py
	@MLSPEC_UPDATE=1 $(BIN)/pytest tests/test_examples.py tests/test_tutorial.py tests/test_errors_page.py

bench: $(READY)  ## measure a large fleet
	@$(BIN)/python benchmarks/fleet.py

fuzz: $(READY)  ## feed broken specs for a while; nothing may crash
	@$(BIN)/python scripts/fuzz.py

conformance: $(READY)  ## hold the examples against outside judges
	@$(BIN)/python scripts/conformance.py

clean:  ## remove what was set up and cached
	@rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis dist build
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
