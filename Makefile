# Each target sets up what it needs, on a fresh machine with Python 3.11 or later.
VENV ?= .venv
PY := $(VENV)/bin/python
WORKERS ?= 4

.PHONY: demo test lint types layers check bench bench-peers hotpath fuzz chaos clean

demo: ## search the standard library's source with four modules in processes of their own
	./examples/code_search/run.sh $(ARGS)

# Hosts mostly wait for each other: with twice as many workers as CPUs these are busy. Not "python -m pytest", which would
# find the package in the checkout before the installed one.
test: $(VENV)/.installed $(VENV)/.clients ## run all tests against the installed package
	$(VENV)/bin/pytest -n $(WORKERS) --dist worksteal $(ARGS)

lint: $(VENV)/.installed
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

types: $(VENV)/.installed
	$(VENV)/bin/mypy

layers: $(VENV)/.installed
	$(VENV)/bin/lint-imports

check: lint types layers hotpath test ## all that CI runs

bench: $(VENV)/.installed ## measure against whatever is installed, some minutes; report in bench.html and bench.json; ARGS="--compare old.json"
	$(PY) -m benchmarks --json bench.json --html bench.html $(ARGS)

bench-peers: $(VENV)/.installed ## install all that `make bench` can measure beside us (500 MB)
	$(PY) -m pip --quiet --disable-pip-version-check install ".[bench-peers]"

hotpath: $(VENV)/.installed ## count what one hot call executes, and compare with the budget; ARGS=--accept makes today's counts the budget
	$(PY) -m benchmarks.hotpath $(ARGS)

FUZZ_SECONDS = $(or $(SECONDS),60)
fuzz: $(VENV)/.installed ## look for bytes that break a reader: SECONDS=60 in all, or RUNS=n for each subject; ARGS="--keep codec"
	tests/fuzz/run.sh $(VENV) $(if $(RUNS),--runs $(RUNS),--seconds $(FUZZ_SECONDS)) $(ARGS)

CHAOS_SECONDS = $(or $(SECONDS),600)
chaos: $(VENV)/.installed ## kill random parties under load, SECONDS=600 long; SEED=n as another run; ARGS="--reloads 1000" instead
	cd tests && $(abspath $(PY)) -m chaos --seconds $(CHAOS_SECONDS) $(if $(SEED),--seed $(SEED)) $(ARGS)

# The package is installed as a wheel would be, so the tests see what users get; any change of a source installs anew.
$(VENV)/.installed: pyproject.toml host_entry.py scripts/setup_venv.sh $(shell find logoscore -name '*.py' -o -name '*.[ch]')
	scripts/setup_venv.sh $(VENV)
	touch $@

# What the C library's clients in JavaScript and Nim need; without it their tests are left out, and this says so. CI sets
# LOGOS_CLIENTS=required: then that is an error.
$(VENV)/.clients: scripts/setup_clients.sh examples/electron-like/package-lock.json | $(VENV)/.installed
	scripts/setup_clients.sh $(VENV)
	touch $@

clean:
	rm -rf .venv .venv-demo .venv-fuzz build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
