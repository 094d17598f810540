# From nothing to a verdict or a tested tree; needs make and Python 3.11 or newer (with venv).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet -c constraints.txt
LINT := $(BIN)/ruff format --check . && $(BIN)/ruff check . && $(BIN)/mypy && $(BIN)/lint-imports --no-logo
PYTEST := $(BIN)/python -m pytest
TOGETHER := -n 2 --dist worksteal -m "not slow and not long"
# A Ray, a server or a browser serves a whole file, so a file stays on one core; what is timed runs alone.
SERVED := -n 2 --dist loadfile -m "slow and not timed and not long"
TIMED := -m timed
# The papers' own numbers, every sweep at every size, error rates by simulation, thousands of drawn curves, runs in processes
# of their own: minutes that `make check` leaves to `make test`.
LONG := $(addprefix --ignore=tests/,workloads contract mutants calibration faults driver/test_executors.py cli/test_several.py \
	search/test_replicate.py search/test_proposers_level_set.py fitting/test_laws_bent.py fitting/test_unusual_curves.py \
	claims/kinds/test_noisy_rows.py claims/test_claims_queries.py figures/test_figures_laws.py results/test_code_changes.py)
# Tests run beside each other: one thread of linear algebra each is enough.
test covered quick: export OMP_NUM_THREADS ?= 1
# Linters use one core, and tests now and then less than two.
BESIDE := $(MAKE) --no-print-directory --jobs 2

.DEFAULT_GOAL := help
.PHONY: help setup run test check lint browser covered quick portable long mutants calibrate style bench

help:  ## List what can be made
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.dev  ## Install the project and its tools into .venv

run: $(VENV)/.run  ## Measure one small sweep, judge its claims, write its report
	$(BIN)/lawsweep run sweeps/khm_recall.yaml --size smoke

test: $(VENV)/.dev browser  ## All that CI runs: formats, lints, types, import contracts, every test, coverage
	$(BIN)/coverage erase
	@$(BESIDE) lint covered
	$(PYTEST) $(SERVED) --cov --cov-append --cov-report=
	$(BIN)/python tests/portable.py -n 2 --dist worksteal
	$(PYTEST) $(TIMED) --cov --cov-append --cov-report=term --cov-fail-under=90

check: $(VENV)/.dev  ## Linters and the engine's fast tests, in 90 seconds
	@$(BESIDE) lint quick

lint: $(VENV)/.dev
	$(LINT)

browser: $(VENV)/.dev  ## Install a Chromium for the tests of the pages, where there is none
	$(BIN)/python tests/browser/install.py

covered: $(VENV)/.dev
	$(PYTEST) $(TOGETHER) --cov --cov-report=

quick: $(VENV)/.dev
	$(PYTEST) -x $(TOGETHER) $(LONG)

portable: $(VENV)/.dev  ## Run what compares numbers as on another processor, and with four threads
	$(BIN)/python tests/portable.py -n 2 --dist worksteal

calibrate: $(VENV)/.dev  ## Measure false verdicts, coverage and power, and write docs/calibration.md
	OMP_NUM_THREADS=1 POLARS_MAX_THREADS=1 $(BIN)/python -m tests.calibration

long: $(VENV)/.dev  ## Judge planted truths and planted mistakes: error rates, and claims that cannot fail
	$(PYTEST) -n 2 --dist worksteal -m long

mutants: $(VENV)/.dev  ## Print which wrong result turns which claim of which sweep
	$(BIN)/python -m tests.mutants

style: $(VENV)/.dev  ## Print how this tree reads: lengths, types, docstrings
	$(BIN)/python tests/project/style.py

bench: $(VENV)/.dev  ## Measure the engine beside bare loops, joblib and plain Ray Tune
	$(BIN)/python -m benchmarks

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "lawsweep needs Python 3.11 or newer, but $(PYTHON) is older; run make PYTHON=python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) -e .
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) -e '.[dev]'
	@touch $@ $(VENV)/.run
