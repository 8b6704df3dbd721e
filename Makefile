# `make demo` and `make test` do everything on a fresh machine.
PYTHON ?= python3
BIN := .venv/bin
# The number of workers for the tests: as many as there are cores, at most four.
JOBS ?= $(shell n=$$(nproc 2>/dev/null || echo 2); [ $$n -gt 4 ] && echo 4 || echo $$n)
DEMO := demo-output

.PHONY: help venv demo test coverage lint docs results bench fuzz clean
help:
	@echo "make venv   the environment .venv, which every other target makes first"
	@echo "make demo   simulate an hour of strain, find a new class in it, name it, see it again"
	@echo "make test   the default tests: of every module and command"
	@echo "make coverage  also whole recipes, pages and scripts, with the lines that no test reaches; fails under 92 %"
	@echo "make lint   style and types"
	@echo "make docs   the documentation as HTML"
	@echo "make results  the pages of docs/results from the results beside them"
	@echo "make bench  speed, as ratios to peers measured in the same run"
	@echo "make fuzz   200,000 damaged inputs; goes on where it was stopped"
	@echo "make clean  remove what demo, docs and coverage have written"

venv: .venv/.complete
.venv/.complete: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "glitchvae needs Python 3.11 or newer: make PYTHON=python3.11 …")'
	@echo "installing into .venv: some minutes, about 2 GB"
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $$(grep '^torch==' constraints.txt)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev,docs]"
	@touch $@

demo: venv
	@rm -rf $(DEMO)
	$(BIN)/glitchvae recipe run demo -o $(DEMO)

# Each worker takes neighbours, which share what a module prepares, and at the end from the others.
TESTS := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) --dist worksteal

test: venv
	$(TESTS) -m "not slow and not whole and not gpu"

# Also the tests that run a whole recipe, page or script. Python 3.11 counts lines slowly.
coverage: venv
	$(TESTS) -m "not slow and not gpu" --cov --cov-report=term

lint: venv
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/basedpyright

docs: venv
	$(BIN)/sphinx-build -q -W -b html docs docs/_build/html
	@echo "docs/_build/html/index.html"

results: venv
	$(BIN)/python docs/write_results.py

bench: venv
	$(BIN)/python -m tests.benchmarks

fuzz: venv
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.fuzz --inputs 200000 --jobs $(JOBS) --log fuzz.jsonl

clean:
	rm -rf $(DEMO) dist docs/_build .coverage
