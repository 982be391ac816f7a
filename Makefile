# make help lists what there is. Each sets up what it needs: Python 3.11, make and a C++ compiler
# suffice.

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
SETUP := $(VENV)/.set-up
# Clients by others, in an environment of their own; see tests/clients.in.
CLIENTS := $(VENV)/clients
# Explanations by others, in a folder beside the environment; see tests/explainers.in.
EXPLAINERS := $(VENV)/explainers
COMPILE = $(BIN)/uv pip compile --quiet --upgrade --python-version 3.11 --generate-hashes \
  --no-emit-index-url --no-emit-find-links

# DOCKER may be podman. REGISTRY ends with a slash, as in registry.example/team/.
IMAGES := k8s/images
DOCKER ?= docker
REGISTRY ?=
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
PIPELINE_IMAGE = $(REGISTRY)pawlens/pipeline:$(VERSION)
GPU_IMAGE = $(REGISTRY)pawlens/pipeline-gpu:$(VERSION)
BUILD = $(DOCKER) build --file $(IMAGES)/pipeline.Dockerfile --build-arg VERSION=$(VERSION) \
  --build-arg REVISION=$$(git describe --always --dirty)

.PHONY: help setup demo test cluster-test lint format lock bench images push-images clean

help:
	@echo "make demo    set up, run a pipeline on drawn pictures, serve and explain one picture"
	@echo "make test    set up, run all tests"
	@echo "make cluster-test  set up, run tests on a Kubernetes cluster of this machine (root, Go; docs/cluster.md)"
	@echo "make lint    set up, ruff and mypy"
	@echo "make bench   set up, print one JSON line per claim"
	@echo "make lock    resolve the requirements anew"
	@echo "make images  build the container images (REGISTRY=...; make push-images pushes them)"

setup: $(SETUP)

# uv installs the lock in a fraction of pip's time; pip checks uv itself against the lock's hashes.
$(SETUP): requirements.lock tests/clients.lock tests/explainers.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	awk '/^[a-z]/ {wanted = /^uv==/} wanted' requirements.lock > $(VENV)/uv.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(VENV)/uv.lock
	$(BIN)/uv pip sync --quiet --require-hashes --python $(BIN)/python requirements.lock
	$(BIN)/uv pip install --quiet --no-deps --no-build-isolation --python $(BIN)/python --editable .
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(CLIENTS)
	$(BIN)/uv pip sync --quiet --require-hashes --python $(CLIENTS)/bin/python tests/clients.lock
	$(BIN)/uv pip sync --quiet --require-hashes --python $(BIN)/python --target $(EXPLAINERS) tests/explainers.lock
	touch $@

demo: setup
	PATH="$(CURDIR)/$(BIN):$$PATH" sh examples/demo.sh

test: setup
	$(BIN)/python -m pytest -n 2 --dist loadfile

# CLUSTER_TESTS are pytest's arguments, as in CLUSTER_TESTS='-m smoke'.
cluster-test: setup
	$(BIN)/python tests/cluster/run.py $(CLUSTER_TESTS)

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/hadolint $(IMAGES)/*.Dockerfile

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Images get the same versions as everything else, without what only tests need.
lock: setup
	$(COMPILE) --override overrides.txt requirements-dev.in --output-file requirements.lock
	$(COMPILE) --override overrides.txt --constraint requirements.lock requirements.in \
	  --output-file $(IMAGES)/requirements.lock
	$(COMPILE) --constraint requirements.lock $(IMAGES)/requirements-gpu.in \
	  --output-file $(IMAGES)/requirements-gpu.lock
	$(COMPILE) tests/clients.in --output-file tests/clients.lock
	$(COMPILE) --no-deps tests/explainers.in --output-file tests/explainers.lock

bench: setup
	@failed=0; for file in $$(grep -l "^    benchmark(" benchmarks/*.py); do \
	  $(BIN)/python -m benchmarks.$$(basename $$file .py) || failed=1; done; exit $$failed

images:
	$(BUILD) --build-arg VARIANT=cpu --tag $(PIPELINE_IMAGE) .
	$(BUILD) --build-arg VARIANT=gpu --tag $(GPU_IMAGE) .

push-images:
	$(DOCKER) push $(PIPELINE_IMAGE)
	$(DOCKER) push $(GPU_IMAGE)

clean:
	rm -rf $(VENV) runs .mypy_cache .ruff_cache .pytest_cache
