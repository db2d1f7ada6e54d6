# Two commands matter: `make demo` and `make test`. Both make .venv if it is missing.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test check clean

.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

demo: .venv/ready
	rm -rf demo/aoi
	$(BIN)/dressform demo

check: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/pyright
	$(BIN)/lint-imports --no-logo

test: check
	$(BIN)/python -m pytest -n auto --dist loadfile

clean:
	rm -rf .venv demo build dist
