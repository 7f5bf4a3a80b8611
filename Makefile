# Two commands do everything on a fresh machine: `make train` and `make test`.
PYTHON ?= python3
VENV ?= .venv
CONSTRAINTS ?= constraints.txt
BIN := $(VENV)/bin
# One thread a process, so that tests are as fast beside other work.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest
# Types are those of the tested versions: the stubs of others differ.
TYPES := $(if $(filter constraints.txt,$(CONSTRAINTS)),$(BIN)/mypy,@echo "types are checked with constraints.txt alone")

.PHONY: train test test-ci test-all check docs site install

train: $(VENV)/installed
	$(BIN)/fastrun train +recipe=resnet_amp

# Lint, types, and the tests that a change is likely to break: a few minutes.
test: check
	$(PYTEST) -m "not slow"

# Also all combinations, the long and the rare.
test-ci: check
	$(PYTEST)

# Everything, with the longest tests, and fuzzes of full length.
test-all: export FASTRUN_FULL = 1
test-all: test-ci

check: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(TYPES)

site: $(VENV)/installed
	$(BIN)/mkdocs build --strict

docs: $(VENV)/installed
	$(BIN)/python docs/generate.py
	$(BIN)/python docs/measured.py

install: $(VENV)/installed

$(VENV)/installed: pyproject.toml $(wildcard $(CONSTRAINTS))
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -c $(CONSTRAINTS) -e '.[dev]'
	touch $@
