# make demo | test | lint | bench | lock. Each sets up what it needs: Python 3.11 and make suffice.

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
SETUP := $(VENV)/.set-up
# Clients by others, in an environment of their own; see tests/clients.in.
CLIENTS := $(VENV)/clients

.PHONY: help setup demo test lint format lock bench clean

help:
	@echo "make demo    set up, run a pipeline on drawn pictures, serve and explain one picture"
	@echo "make test    set up, run all tests"
	@echo "make lint    set up, ruff and mypy"
	@echo "make bench   set up, print one JSON line per claim"
	@echo "make lock    resolve requirements.in anew"

setup: $(SETUP)

# uv installs the lock in a fraction of pip's time; pip checks uv itself against the lock's hashes.
$(SETUP): requirements.lock tests/clients.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	awk '/^[a-z]/ {wanted = /^uv==/} wanted' requirements.lock > $(VENV)/uv.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(VENV)/uv.lock
	$(BIN)/uv pip sync --quiet --require-hashes --python $(BIN)/python requirements.lock
	$(BIN)/uv pip install --quiet --no-deps --no-build-isolation --python $(BIN)/python --editable .
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(CLIENTS)
	$(BIN)/uv pip sync --quiet --require-hashes --python $(CLIENTS)/bin/python tests/clients.lock
	touch $@

demo: setup
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pipelines.demo

test: setup
	$(BIN)/python -m pytest -n 2 --dist loadfile

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: setup
	$(BIN)/uv pip compile --quiet --upgrade --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --no-emit-find-links --override overrides.txt requirements.in --output-file requirements.lock
	$(BIN)/uv pip compile --quiet --upgrade --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --no-emit-find-links tests/clients.in --output-file tests/clients.lock

bench: setup
	$(BIN)/python -m benchmarks

clean:
	rm -rf $(VENV) runs .mypy_cache .ruff_cache .pytest_cache
