# The two commands are `make demo` and `make test`; the rest are the daily words.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
UV_VERSION := 0.13.9
CRASH_EVERY ?= 1
SYNC   := $(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes requirements.lock

.DEFAULT_GOAL := help
.PHONY: help setup demo test crash check fix bench openapi lock clean

help:  ## what can be made
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Billsmith needs Python 3.11 or newer: make PYTHON=python3.12 …"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check "uv==$(UV_VERSION)"
	@$(SYNC) --offline 2>/dev/null || $(SYNC)  # what was fetched once is not fetched again
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

setup: $(READY)  ## install everything into .venv

demo: setup  ## import a real shop's year and prove it
	@$(BIN)/billsmith demo

test: setup  ## the whole default suite
	@$(BIN)/python -m pytest -n auto

crash: setup  ## kill a process at every line that moves money; CRASH_EVERY=20 at every 20th
	@CRASH_EVERY=$(CRASH_EVERY) $(BIN)/python -m pytest tests/crash -n auto -rP

check: setup  ## style, types, rooms, sizes
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

fix: setup  ## let ruff mend what it can
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: setup  ## measure; prints ratios to a floor measured in the same minute
	@$(BIN)/python -m bench

openapi: setup  ## rewrite docs/reference/openapi.json from the code
	@$(BIN)/python -m billsmith.api.openapi docs/reference/openapi.json

lock:  ## pin and hash every requirement (run after changing pyproject.toml)
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --extra dev --generate-hashes --no-emit-index-url \
		--no-emit-find-links --no-annotate --custom-compile-command "make lock" pyproject.toml -o requirements.lock

clean:  ## remove the virtual environment and caches
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
