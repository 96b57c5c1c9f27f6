# The two commands of the README, and what CI runs. Everything lives in .venv, .demo and .heroku; `make clean` removes them.
PYTHON ?= python3
BIN := .venv/bin
WORKERS ?= 2
unexport PYTHONDONTWRITEBYTECODE  # tests start our programs many times; each would compile everything anew

.PHONY: demo test test-quick test-e2e test-heroku test-long lint soak fuzz bench clean system-packages

demo: .venv/installed
	$(BIN)/python -m pushd demo --data-dir .demo $(if $(ONCE),--once)

test: system-packages lint test-quick test-e2e test-heroku

lint: .venv/installed-for-tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test-quick: .venv/installed-for-tests
	$(BIN)/pytest -q -n $(WORKERS) -m "not e2e and not heroku and not long"

test-e2e: .venv/installed-for-tests
	$(BIN)/pytest -q -n $(WORKERS) -m "e2e and not long"

test-heroku: .venv/installed-for-tests
	$(BIN)/pytest -q -n $(WORKERS) -m "heroku and not long"

test-long: system-packages .venv/installed-for-tests
	$(BIN)/pytest -q -m "long or hypothesis" --hypothesis-profile=long

soak: .venv/installed-for-tests
	$(BIN)/python -m tests.soak --seconds $(or $(SECONDS),600) --walks $(or $(WALKS),10)

fuzz: .venv/installed-for-tests
	$(BIN)/python -m tests.fuzz --seconds $(or $(SECONDS),600)

bench: .venv/installed-for-tests
	$(BIN)/python -m tests.bench $(ONLY)

system-packages:
	@.ci/install --check

.venv/python:
	$(PYTHON) -c 'import sys; sys.exit("pushd needs Python 3.11 or newer, this is " + sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip  # an old one writes programs that start slowly
	@touch $@

.venv/installed: .venv/python setup.cfg pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

.venv/installed-for-tests: .venv/python setup.cfg pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	@touch $@ .venv/installed

clean:
	rm -rf .venv .demo .heroku build dist *.egg-info
