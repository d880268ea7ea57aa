# Each target sets up what it needs by itself; a second call is instant.
PYTHON ?= python3
ARGS ?=
PORT ?=
FOLDER ?= shots
export PORT

VENV_PYTHON := .venv/bin/python
SYNCED := .venv/.synced
BUNDLE := tests/npm/dist/bundle.js
BUNDLED := $(addprefix tests/npm/,package.json package-lock.json .npmrc build.mjs static_task.jsx remote_task.jsx chat_task.jsx) \
	notebooks/spans/spans.jsx

.DEFAULT_GOAL := help
.PHONY: help demo lab test quick check docs faults trials bench fuzz load upstream shots lock dist clean chromium npm venv

help: ## show this list
	@echo 'make TARGET [ARGS="..."]'
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "  %-8s %s\n", $$1, $$2 }'

demo: $(SYNCED) ## a whole run with simulated workers, in this terminal
	@$(VENV_PYTHON) -m mephisto_nb.testing.demo $(ARGS)

lab: $(SYNCED) ## JupyterLab on notebooks/quickstart.ipynb (PORT=8888)
	@$(VENV_PYTHON) tools/lab.py $(ARGS)

test: $(SYNCED) chromium $(BUNDLE) ## every check and every test (ARGS: pytest's)
	@$(VENV_PYTHON) tools/check.py --tests $(ARGS)

quick: $(SYNCED) ## style, the rules of the house, and every test that starts nothing (ARGS: pytest's)
	@$(VENV_PYTHON) tools/check.py --quick $(ARGS)

check: $(SYNCED) ## style, types and the rules of the house
	@$(VENV_PYTHON) tools/check.py

docs: $(SYNCED) ## the documentation, in docs/_build; every warning is an error
	@$(VENV_PYTHON) -m sphinx -W --keep-going -q -b html -d docs/_build/doctrees docs docs/_build/html $(ARGS)
	@$(VENV_PYTHON) -m docs.generate.check docs/_build/html
	@echo 'docs/_build/html/index.html'

faults: $(SYNCED) ## 200 runs in which everything breaks (ARGS="--seeds 3,17")
	@$(VENV_PYTHON) -m tests.faults $(ARGS)

trials: $(SYNCED) ## 200 forecasts, held against what then came (ARGS="--seeds 0-19")
	@$(VENV_PYTHON) -m tests.forecast $(ARGS)

bench: $(SYNCED) ## the benchmarks
	@$(VENV_PYTHON) -m tests.benchmarks $(ARGS)

fuzz: $(SYNCED) ## 100,000 spoilt requests at a router (ARGS="--requests 1000 --seed 7")
	@$(VENV_PYTHON) -m tests.security.fuzz $(ARGS)

load: $(SYNCED) ## ten thousand connections at a router
	@$(VENV_PYTHON) -m pytest -m load -s tests/security $(ARGS)

upstream: $(SYNCED) ## what users of Mephisto 1.x bring, on a checkout of it (MEPHISTO_UPSTREAM=/the/checkout)
	@test -n "$(MEPHISTO_UPSTREAM)" || { echo 'Name a checkout: make upstream MEPHISTO_UPSTREAM=/the/checkout'; exit 2; }
	@MEPHISTO_UPSTREAM="$(MEPHISTO_UPSTREAM)" $(VENV_PYTHON) -m pytest tests/upstream $(ARGS)

shots: $(SYNCED) chromium ## pictures of every display, in both themes (FOLDER=shots)
	@$(VENV_PYTHON) -m tests.shots $(FOLDER)

lock: ## requirements.lock anew from pyproject.toml (ARGS=--upgrade)
	@$(PYTHON) tools/prepare.py lock $(ARGS)

dist: $(SYNCED) ## the wheel and the sdist, into dist/; their version is that of mephisto_nb/__init__.py
	@$(VENV_PYTHON) -m hatchling build --clean --directory dist

clean: ## remove what make made, .venv too
	rm -rf docs/_build docs/_made docs/notebooks docs/reference
	rm -rf .venv .demo .lab dist .mypy_cache .ruff_cache .hypothesis tests/npm/node_modules tests/npm/dist
	find mephisto_nb tests tools notebooks \( -name __pycache__ -o -name .ipynb_checkpoints \) -prune -exec rm -rf {} +

venv: $(SYNCED)

npm: $(BUNDLE)

chromium:
	@$(PYTHON) tools/prepare.py chromium

$(SYNCED): requirements.lock pyproject.toml tools/prepare.py tools/uv.txt
	@$(PYTHON) tools/prepare.py python

$(BUNDLE): $(BUNDLED)
	@$(PYTHON) tools/prepare.py npm
