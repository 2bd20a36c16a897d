# `make demo` and `make test` work in a fresh clone; both make .venv first. Nothing needs activating:
# afterwards every command is .venv/bin/bayescale ...

PYTHON ?= python3
# make demo RUNS=lab: the larger of the bundled sweeps.
RUNS ?= small-lm
BIN := .venv/bin

.PHONY: demo test lint notebooks clean

demo: .venv/.installed
	$(BIN)/bayescale demo $(RUNS) --out demo

test: .venv/.installed-all
	$(MAKE) lint
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

lint: .venv/.installed-all
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# The executed notebook, made anew from its cells.
notebooks: .venv/.installed-all
	$(BIN)/jupyter execute --inplace notebooks/*.ipynb

.venv/bin/python:
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'bayescale needs Python 3.11 or newer; try: make PYTHON=python3.12 demo')"
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip

.venv/.installed: .venv/bin/python pyproject.toml
	$(BIN)/python -m pip install --editable .
	touch $@

.venv/.installed-all: .venv/.installed
	$(BIN)/python -m pip install --editable ".[train,test]"
	touch $@

clean:
	rm -rf .venv demo build dist
