# make run      the whole portal on this machine (PORT=8123, VAR=<dir>, DEMO=0)
# make test     every test, browser tests included (ARGS="tests/audit -k merge" for some of them)
# make check    style, types, migrations, templates, layers
# make psql     a psql session on the portal's database (ARGS=--owner to change tables)
# make fuzz     10,000 damaged files (FUZZ=<number>, FUZZ_FROM=<seed>), 200 random lives of cycles (MACHINE_EXAMPLES=<number>),
#               1,000 requests of each operation of the API and the bounds of every part (SCHEMATHESIS_EXAMPLES=<number>)
# make bench    the measurements, as ratios
# make schema   the description of the JSON API, written to docs/openapi.yaml
# make chaos    workers killed in the middle of imports; 200 submitters against the closing job; twenty times each
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help run test check psql fuzz bench schema chaos venv venv-dev venv-bench programs

PYTHON ?= python3
BIN := .venv/bin
SUPERVISOR := $(BIN)/python -m sop_portal.supervisor
PIP := $(BIN)/python -m pip --disable-pip-version-check -qq --no-input --retries 5 --timeout 60
ARGS ?=

help:
	@sed -n 's/^# \(make .*\|  *1,000 .*\)/\1/p' Makefile

run: venv
	@exec $(SUPERVISOR) run --end-with-parent

# Compiled files are kept, whatever the environment says: the tests start the portal's programs a hundred times.
test: venv-dev programs
	@unset PYTHONDONTWRITEBYTECODE; $(SUPERVISOR) test -- $(BIN)/python -m pytest -n 2 $(ARGS)

check: venv-dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/djlint templates --lint --quiet
	@$(SUPERVISOR) test -- $(SHELL) -euc '\
	  $(BIN)/mypy . ; \
	  $(BIN)/python manage.py makemigrations --check --dry-run ; \
	  $(BIN)/python manage.py check ; \
	  $(BIN)/python -m pytest -q -n 0 tests/test_layers.py tests/test_templates.py'

psql: venv
	@$(SUPERVISOR) psql $(ARGS)

fuzz: venv-dev
	@FUZZ=$${FUZZ:-10000} $(SUPERVISOR) test -- $(BIN)/python -m pytest -n 2 tests/masterdata/imports/test_mutants.py $(ARGS)
	@MACHINE_EXAMPLES=$${MACHINE_EXAMPLES:-200} $(SUPERVISOR) test -- \
	  $(BIN)/python -m pytest -n 0 tests/forecasts/test_state_machine.py $(ARGS)
	@SCHEMATHESIS_EXAMPLES=$${SCHEMATHESIS_EXAMPLES:-1000} $(SUPERVISOR) test -- \
	  $(BIN)/python -m pytest -n 2 tests/api/test_schemathesis.py $(ARGS)

bench: venv-bench
	@$(BIN)/python -m bench $(ARGS)

schema: venv
	@$(SUPERVISOR) test -- $(BIN)/python manage.py spectacular --validate --fail-on-warn --file docs/openapi.yaml

chaos: venv-dev
	@CHAOS_KILLS=20 $(SUPERVISOR) test -- $(BIN)/python -m pytest -n 0 tests/concurrency/test_imports.py -k killed $(ARGS)
	@CHAOS_ROUNDS=20 $(SUPERVISOR) test -- $(BIN)/python -m pytest -n 0 tests/concurrency/test_auto_close_race.py $(ARGS)

# An environment that was cut off while it was made has no pip yet and is made again.
$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: name one with PYTHON=.")'
	@$(PYTHON) -m venv --clear .venv || { rm -rf .venv; \
	  echo "The Python environment could not be made: on Debian, install python3-venv." >&2; exit 1; }

# Installed again only when the list of requirements differs from the one installed last.
venv: $(BIN)/pip
	@cmp -s requirements.txt .venv/installed || { \
	  echo "Installing the portal's packages; this takes about a minute, once."; \
	  $(PIP) install -r requirements.txt && cp requirements.txt .venv/installed; }

venv-dev: venv
	@cmp -s requirements-dev.txt .venv/installed-dev || { \
	  echo "Installing what tests and checks need, once."; \
	  $(PIP) install -r requirements-dev.txt && cp requirements-dev.txt .venv/installed-dev; }

# Another web framework, for comparison; nothing of the portal imports it.
venv-bench: venv
	@cmp -s bench/requirements.txt .venv/installed-bench || { \
	  echo "Installing what the measurements compare with, once."; \
	  $(PIP) install -r bench/requirements.txt && cp bench/requirements.txt .venv/installed-bench; }

programs:
	@missing=""; for name in chromium curl jq; do command -v $$name >/dev/null || missing="$$missing $$name"; done; \
	[ -z "$$missing" ] || { \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    echo "Installing Debian's$$missing for the tests, once."; \
	    export DEBIAN_FRONTEND=noninteractive; \
	    { apt-get -qq update && apt-get -qq install --yes --no-install-recommends$$missing; } >/dev/null; \
	  else \
	    echo "The tests need$$missing: have it installed (on Debian: apt-get install$$missing)." >&2; exit 1; \
	  fi; }
