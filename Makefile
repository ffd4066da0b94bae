# make demo   the whole job on this machine, in about two minutes
# make test   all checks and the whole test suite
PYTHON ?= python3
BIN := .venv/bin
PIP := PYTHONWARNINGS=ignore $(BIN)/python -m pip --disable-pip-version-check --quiet
ARGS ?=

.PHONY: help install install-convert demo test quick check clean

help:
	@echo "make demo      watch DynaSplit do its whole job on this machine (ARGS='--requests 50 --keep-running' and more)"
	@echo "make test      run all checks and tests"
	@echo "make quick     run what needs no service, with few cases of what tries many, in a minute or two"
	@echo "make check     format, lint, types, import rules"
	@echo "make install   set up .venv with everything but TensorFlow; then: .venv/bin/dynasplit --help"
	@echo "make install-convert  add TensorFlow and the quantizer, for dynasplit convert and int8 heads"
	@echo "make clean     remove .venv and everything that was made"

install: .venv/installed-dev

install-convert: .venv/installed-dev .venv/installed-convert

demo: .venv/installed-demo
	@$(BIN)/dynasplit demo $(ARGS)

# What was compiled is kept, even where the environment says otherwise: the tests start hundreds of processes. And where tests
# run on every core, threads of linear algebra would only wait for each other. Files are handed out in the order that
# tests/conftest.py gives them.
PYTEST := PYTHONDONTWRITEBYTECODE= OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses=logical --dist=loadfile --no-loadscope-reorder

test: check
	$(PYTEST) $(ARGS)

quick: .venv/installed-dev
	$(PYTEST) --quick $(ARGS)

check: .venv/installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

clean:
	rm -rf .venv build dynasplit.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	  || { echo "DynaSplit needs Python 3.11 or newer; here is: $$($(PYTHON) --version 2>&1). Name another one: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
	  || { echo "Python's venv module is missing; on Debian, Ubuntu and Raspberry Pi OS: sudo apt-get install python3-venv"; exit 1; }
	@$(PYTHON) -m venv .venv

.venv/installed-%: .venv/bin/python setup.cfg pyproject.toml constraints.txt
	@echo "Setting up .venv ($*); the first time takes about a minute ..."
	@$(PIP) install --constraint constraints.txt --editable '.[$*]'
	@touch $@
