# attnviz. `make` alone lists what can be made.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help run test lint format bench docs questions pictures package clean

PORT ?= 7860
PYTHON ?=
PYTEST_ARGS ?=
BENCH_ARGS ?=
# Plain `load` hands the tests out in order, so that each worker does those in a browser last (tests/conftest.py).
WORKERS := -n auto --maxprocesses 4 --dist load
ESLINT := 9.39.1

VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check
RUNTIME := $(VENV)/.runtime-installed
TOOLS := $(VENV)/.test-tools-installed

help: ## list the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 18
	@echo
	@echo "  PYTHON=/path/to/python3 picks the Python that .venv is made with (3.10 or newer),"
	@echo "  PORT=$(PORT) the page's port, PYTEST_ARGS='-k name' and BENCH_ARGS what the tests and the benchmark are given."

run: $(RUNTIME) ## serve the page on http://127.0.0.1:7860
	@PORT=$(PORT) $(PY) app.py

test: $(TOOLS) ## install what the tests need and run them all
	@.ci/system-packages
	@$(PY) -m pytest $(WORKERS) $(PYTEST_ARGS)

lint: $(TOOLS) ## ruff (rules and format), mypy --strict, the scripts (node, ESLint)
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy
	@if type -P node >/dev/null; then \
	  for script in attnviz/render/viewer/js/*.js attnviz/serve/page/js/*.js; do node --check $$script || exit 1; done; \
	else echo "No Node.js: the scripts are not checked."; fi
	@if type -P npx >/dev/null; then npx --yes eslint@$(ESLINT) attnviz; \
	else echo "No npm: ESLint is skipped."; fi

format: $(TOOLS) ## let ruff mend what it can
	@$(PY) -m ruff check --fix --quiet . ; $(PY) -m ruff format .

bench: $(TOOLS) ## what explaining costs, beside the bare forward pass
	@$(PY) -m benchmarks.bench $(BENCH_ARGS)
	@$(PY) -m benchmarks.page_latency
	@$(PY) -m benchmarks.watching
	@$(PY) -m benchmarks.peers

docs: $(TOOLS) ## write reference, questions and gallery again, draw the house, and build the site in site/
	@$(PY) -m docs.make_api_page
	@$(PY) -m docs.make_house_picture
	@$(PY) -m docs.make_questions
	@$(PY) -m docs.make_gallery
	@$(PY) -m docs.make_inside
	@$(PY) -m docs.make_colors
	@$(PY) -m docs.make_llms
	@NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs build --strict --quiet

questions: $(TOOLS) ## measure, draw and write the pages of docs/questions again
	@$(PY) -m docs.make_questions

pictures: $(TOOLS) ## make the figure and the screenshots of the README again
	@$(PY) -m docs.make_pictures

package: $(TOOLS) ## build the wheel into dist/
	@$(PY) -m hatchling build -t wheel

clean: ## remove .venv, caches and everything built
	rm -rf $(VENV) build dist site .pytest_cache .mypy_cache .ruff_cache .hypothesis .gradio test-results
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(PY):
	@PYTHON="$(PYTHON)" .ci/make-venv $(VENV)

# Each stamp is touched last, so that an installation that was interrupted is done again. The package itself is
# installed as a path to this folder, with what is already there: that needs no network.
$(RUNTIME): requirements.txt pyproject.toml | $(PY)
	@echo "Installing requirements.txt into $(VENV) (once; torch takes a while) ..."
	@$(PIP) install -r requirements.txt
	@$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(TOOLS): requirements-test.txt $(RUNTIME)
	@echo "Installing requirements-test.txt into $(VENV) (once) ..."
	@$(PIP) install -r requirements-test.txt
	@touch $@
