# Two commands matter: `make lab` and `make test`. Both set up .venv by themselves; the second time costs nothing.
#   make lab ARGS="--no-browser --port=9000"      ARGS is handed through
#   make test ARGS="-k scorecard"
#   make lab PYTHON=python3.12                    which Python makes .venv

PYTHON ?= python3
ARGS   ?=
BIN    := .venv/bin
SETUP  := $(PYTHON) tools/setup_venv.py

# Jupyter refuses to run as root unless told so; in a container there is often only root.
ROOT_FLAG := $(if $(filter 0,$(shell id -u)),--allow-root)

.DEFAULT_GOAL := help
.PHONY: help lab test adversarial doctor lint build book bench compare data clean

help:  ## this list
	@grep -E '^[a-z]+:.*## ' Makefile | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 16

lab:  ## set up and open the lessons in JupyterLab
	@$(SETUP) lessons
	JUPYTER_CONFIG_PATH="$(CURDIR)/tools/jupyter" $(BIN)/jupyter lab --notebook-dir=lessons $(ROOT_FLAG) $(ARGS)

test: lint  ## set up and run everything: lint, types, import contract, tests, notebooks
	$(BIN)/python -m pytest -n 2 --dist loadgroup $(ARGS)

adversarial:  ## all hostile and broken notebooks through the grader (about ten minutes)
	@$(SETUP) test
	COURSE_ADVERSARIAL=1 $(BIN)/python -m pytest tests/grading $(ARGS)

doctor:  ## what works on this machine, and what to do about the rest
	@$(SETUP) lessons
	$(BIN)/python -P course/doctor.py

lint:  ## ruff, mypy, import contract
	@$(SETUP) test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

build:  ## build the notebooks from solutions/*.py
	@$(SETUP) test
	$(BIN)/python tools/build_notebooks.py $(ARGS)

book:  ## the website, into build/book
	@test -d book || { echo "There is no book/ yet."; exit 1; }
	@$(SETUP) book
	$(BIN)/sphinx-build -W book build/book $(ARGS)

bench:  ## timings against other codes, and of the widgets in a browser
	@$(SETUP) test
	$(BIN)/python benchmarks/run.py
	$(BIN)/python -m benchmarks.widgets $(ARGS)

compare:  ## train all models of the course on the same data, for Day 4c (an hour; goes on where it was stopped)
	@$(SETUP) test
	$(BIN)/python tools/compare_potentials.py train
	$(BIN)/python tools/compare_potentials.py cost
	$(BIN)/python tools/compare_potentials.py ship

data:  ## make the reference data anew (hours of quantum chemistry; goes on where it was stopped)
	@$(SETUP) qm
	$(BIN)/python tools/make_data.py scans
	$(BIN)/python tools/make_data.py degenerate
	$(BIN)/python tools/make_data.py small-molecules
	$(BIN)/python tools/make_data.py ethanol

clean:  ## remove .venv and caches; build/data, hours of quantum chemistry, stays
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .import_linter_cache *.egg-info build/book
	find . -name __pycache__ -not -path './.git/*' -prune -exec rm -rf {} +
