# Everything a developer runs.  Each target works from a fresh clone with Python 3.11 or later.
.DEFAULT_GOAL := help
.PHONY: help install format lint types contracts test check faults coverage wheel-test bench
PYTHON ?= python3
BIN := .venv/bin

help: ## List every target
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' Makefile | while IFS='|' read -r name what; do \
		printf '%-12s %s\n' "$$name" "$$what"; done

install: .venv/installed ## Make .venv with the library and every tool in it

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install -q -U pip
	$(BIN)/pip install -q -c constraints.txt -e '.[standard]' --group dev
	@touch $@

format: install ## Rewrite the code in the one format
	$(BIN)/ruff check -q --fix-only
	$(BIN)/ruff format

lint: install ## Look for mistakes and for code that is not in the one format
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: install ## Check every type, with two checkers
	$(BIN)/mypy
	$(BIN)/pyright --pythonpath $(BIN)/python

contracts: install ## Check who may import whom
	$(BIN)/lint-imports

test: install ## Run the tests (some 4 minutes on 2 cores)
	$(BIN)/pytest -n 3 --dist worksteal

check: ## Run all that CI runs, in a scratch copy with a fresh environment
	.ci/run

faults: install ## Run fault injection at its full length (tens of minutes)
	INDELIBLE_FAULTS=1 $(BIN)/pytest tests/crash tests/migrations tests/postgres tests/property --timeout=3600

coverage: install ## Measure which lines and branches the tests reach
	$(BIN)/coverage erase
	$(BIN)/coverage run $(BIN)/pytest
	$(BIN)/coverage combine -q
	$(BIN)/coverage report

wheel-test: install ## Build the wheel and test it in a bare environment
	.ci/wheel-test $(BIN)/python

bench: install ## Run the benchmarks and print figures with their ratio to raw SQLite
	@for script in $(filter-out %/harness.py,$(wildcard benchmarks/*.py)); do \
		echo "== $$script"; $(BIN)/python "$$script" || exit 1; done
