# The two commands of the README are `make demo` and `make test`; `make help` lists the others.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
ifneq ($(shell command -v npm 2>/dev/null),)
JS_TOOLS := node_modules/.installed
endif

# Threads of torch that wait for each other spin this often before they sleep. Its default, 30 times as much, costs
# nothing on a quiet machine, and nine tenths of the speed where two programs share the cores.
export GOMP_SPINCOUNT ?= 10000

# What images of containers often set: each of the hundreds of processes that tests start would compile all it imports.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup demo serve test check audit bench gpu-check

help:  ## list the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(STAMP)  ## create .venv and install everything at the versions of constraints.txt

$(STAMP): pyproject.toml constraints.txt
	@mkdir -p $(VENV) && date +%s > $(VENV)/.began
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "rgbd-motion needs Python 3.11 or newer")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[preprocess,matlab,ros,exr,record3d,train,export,serve,client,picture,cpu,int8,sign,otel,ray,dev]'
	@echo $$(( $$(date +%s) - $$(cat $(VENV)/.began) )) > $@

demo: $(STAMP)  ## render recordings, preprocess, train, export, serve, classify: about 10 minutes on 2 cores
	$(BIN)/python demo.py

serve: $(STAMP)  ## serve what `make demo` trained on http://127.0.0.1:8000
	$(BIN)/python -m serve --bundle demo/bundle

check: $(STAMP) $(JS_TOOLS) audit  ## ruff, mypy strict, import contracts, audit; eslint and tsc where npm is installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
ifdef JS_TOOLS
	node_modules/.bin/eslint serve/static tests/clients eslint.config.js
	node_modules/.bin/tsc
else
	@echo "SKIPPED: the page's JavaScript is not checked, because npm is not installed (Debian: apt install npm)"
endif

audit: $(STAMP)  ## licences of what is installed; known vulnerabilities, where there is a network
	$(BIN)/python .ci/audit.py

# No lock file: it would name the registry of whoever wrote it.
node_modules/.installed: package.json
	npm install --loglevel=error --engine-strict --no-package-lock --no-audit --no-fund --no-update-notifier
	@touch $@

test: check  ## everything that CI runs
	# In the order of tests/conftest.py; where a process of two has crashed, the other could wait for it without an end.
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder --max-worker-restart 0 --durations=25

bench: $(STAMP)  ## measure the claims of the README; what needs real data, or hours (benchmarks/endurance/), is run by name
	for script in $$(grep -L required=True benchmarks/*.py); do $(BIN)/python -m benchmarks.$$(basename $$script .py) || exit 1; done

# By PYTHON as it is, with what is installed there for the GPU: docs/gpu.md.
DEVICE ?= cuda
gpu-check:  ## check and measure all on one NVIDIA GPU within 8 minutes; DEVICE=cpu tries the check itself
	$(PYTHON) -m benchmarks.gpu_check --device $(DEVICE) --json gpu-check.json
