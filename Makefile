# Every target sets up by itself what it needs; CI runs nothing that is not here.
SHELL := /bin/bash
BIN := .venv/bin
STAMP := .venv/stamp
SEED ?= 1

.DEFAULT_GOAL := test
.PHONY: install demo test check fix sim bench judge lock parts generate clean

# .venv/ with the `fenghuo` command, from the lock; does nothing when that is current
install: $(STAMP)

$(STAMP): requirements.lock pyproject.toml deploy/venv.sh
	@bash deploy/venv.sh

# a festival minute with an incident in it, on a page
demo: install
	$(BIN)/fenghuo up --demo

# everything, fast tests first; those of real parts mostly wait, so there are more than cores
REAL := -n 3 --dist loadfile --no-loadscope-reorder
test: install parts check
	$(BIN)/pytest -q -n 2 --ignore=tests/tidy -m "not real and not browser and not slow"
	$(BIN)/pytest -q $(REAL) -m "(real or slow) and not browser"
	$(BIN)/pytest -q -m browser

# looks, changes nothing; the link gives mypy the import name
check: install
	$(BIN)/ruff check . && $(BIN)/ruff format --check .
	mkdir -p build/typing && ln -sfn ../.. build/typing/fenghuo && $(BIN)/mypy
	$(BIN)/pytest -q tests/tidy && $(BIN)/fenghuo generate --check

# changes what a tool can change
fix: install
	$(BIN)/ruff check --fix . && $(BIN)/ruff format .

# a day of campaign with faults drawn from a seed: make sim SEED=7
sim: install
	SEED=$(SEED) $(BIN)/pytest -q tests/sim

# every rate, delay and peer side by side in one run: make bench ARGS=--quick (see deploy/bench)
bench: install parts
	$(BIN)/python -m tests.bench.bench $(ARGS)

# the shipped adaptive ladder over labelled series: found, delay, false alarms (deploy/backtest.md)
judge: install
	@bash deploy/judge.sh $(DATA)

# Prometheus rules, Alertmanager routes, schemas: from their one home
generate: install
	$(BIN)/fenghuo generate

# Kafka, ClickHouse, Prometheus and Chromium for the tests, where this machine can have them
parts:
	@bash deploy/parts.sh

# the newest versions that pyproject.toml allows
lock:
	@bash deploy/venv.sh lock

# back to a fresh clone, but for .parts/, which is slow to fetch
clean:
	rm -rf .venv build *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -not -path './.parts/*' -prune -exec rm -rf {} +
