# Everything a person does with this project. Needs Python 3.11 or newer, make, bash and a package index; works from any folder
# (make -C FOLDER run) and as any user.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory --no-builtin-rules

VENV := .venv
PYTHON := $(VENV)/bin/python
RUNTIME := $(VENV)/runtime.installed
DEVELOPMENT := $(VENV)/development.installed
MESSAGES := $(patsubst %.po,%.mo,$(wildcard */locale/*/LC_MESSAGES/*.po))
BENCHMARKS := $(patsubst bench/bench_%.py,bench-%,$(wildcard bench/bench_*.py))
BENCHMARK_TARGETS := $(subst _,-,$(BENCHMARKS))

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_ROOT_USER_ACTION := ignore

.PHONY: help run test smoke lint format bench $(BENCHMARK_TARGETS) soak-lines crash clean lock messages proto images

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-12s %s\n", $$1, $$2 }'

run: $(RUNTIME) $(MESSAGES) ## the whole platform, until Ctrl-C; OPTIONS="--var DIR --without demo-flow --ports any"
	@exec $(PYTHON) -m tradsys.embedded.launch $(OPTIONS)

test: $(DEVELOPMENT) $(MESSAGES) ## the test suite on servers of its own; TESTS="tests/unit -k name"
	@$(PYTHON) -m pytest -q --ignore=tests/crash --ignore=tests/smoke $(or $(TESTS),-n 2 tests)

smoke: $(RUNTIME) $(MESSAGES) ## the main job on real input, on free ports in a temporary folder; the last line is JSON
	@$(PYTHON) -m tests.smoke $(OPTIONS)

crash: $(DEVELOPMENT) $(MESSAGES) ## slow tests: processes killed, lines lost, the runtime lock installed anew
	@$(PYTHON) -m pytest -q tests/crash

lint: $(DEVELOPMENT) ## style, types of the data plane, import contracts
	@$(VENV)/bin/ruff check --quiet .
	@$(VENV)/bin/ruff format --quiet --check .
	@$(VENV)/bin/mypy --no-error-summary
	@$(VENV)/bin/lint-imports --no-logo
	@$(PYTHON) -m tenants.kernel.lint
	@echo "lint: ok"

format: $(DEVELOPMENT) ## rewrite the source in the project's style
	@$(VENV)/bin/ruff check --quiet --fix . || true
	@$(VENV)/bin/ruff format --quiet .

bench: $(BENCHMARK_TARGETS) ## every benchmark, one after another; results in var/bench/*.json

$(BENCHMARK_TARGETS): bench-%: $(DEVELOPMENT)
	@mkdir -p var/bench
	@PYTHONPATH=. $(PYTHON) bench/bench_$(subst -,_,$*).py $(OPTIONS) | tee var/bench/$*.log
	@tail -n 1 var/bench/$*.log > var/bench/$*.json

soak-lines: $(DEVELOPMENT) ## kill lines to the exchanges at random under flow for ten minutes; OPTIONS="--seconds 600 --seed 1"
	@mkdir -p var/bench
	@PYTHONPATH=. $(PYTHON) bench/soak_lines.py $(OPTIONS) | tee var/bench/soak-lines.log
	@tail -n 1 var/bench/soak-lines.log > var/bench/soak-lines.json

messages: $(MESSAGES) ## compile the translations

%.mo: %.po | $(RUNTIME)
	@$(PYTHON) -m babel.messages.frontend --quiet compile --input-file $< --output-file $@

proto: $(DEVELOPMENT) ## generate tradsys/v1 from protos/
	@PATH="$(CURDIR)/$(VENV)/bin:$$PATH" $(PYTHON) -m grpc_tools.protoc -I protos --python_out=. --mypy_out=quiet:. --grpc_python_out=. $$(find protos -name '*.proto')

images: $(DEVELOPMENT) ## take the screenshots of the documentation from a running platform
	@$(PYTHON) -m docs.images

# The stamps are made last: an installation that was cut off is done again.
$(PYTHON):
	@for python in python3.11 python3.12 python3.13 python3; do \
	    if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	        echo "Making $(VENV) with $$($$python --version)"; exec $$python -m venv $(VENV); \
	    fi; \
	done; echo "Python 3.11 or newer is needed and was not found" >&2; exit 1

$(RUNTIME): requirements/runtime.lock | $(PYTHON)
	@$(call install,runtime)

$(DEVELOPMENT): requirements/development.lock | $(PYTHON)
	@$(call install,development)
	@touch $(RUNTIME)

# Every version and hash is in the lock, so pip resolves nothing; its own lines are turned into one that counts, and its warnings
# (about folders of the machine's own configuration) are left out. Errors stay.
define install
echo "Installing the $(1) dependencies ($$(grep -c '^[a-z].*==' requirements/$(1).lock) packages)"; \
$(PYTHON) -m pip install --no-deps --require-hashes --progress-bar off -r requirements/$(1).lock \
    2> >(grep -v '^WARNING: ' >&2) | awk '/^Collecting/ { count++; if (count % 10 == 0) print "  " count " fetched"; fflush() } /^Installing/ { print "  unpacking" } /^ERROR/'; \
touch $(VENV)/$(1).installed
endef

lock: $(DEVELOPMENT) ## resolve pyproject.toml into requirements/*.lock
	@test -x $(VENV)/lock/bin/uv || { $(PYTHON) -m venv $(VENV)/lock && $(VENV)/lock/bin/pip install --quiet uv; }
	@$(call resolve,runtime,)
	@$(call resolve,development,--group dev)

resolve = $(VENV)/lock/bin/uv pip compile --quiet pyproject.toml $(2) --universal --python-version 3.11 --generate-hashes \
    --no-header --no-annotate --no-emit-index-url --output-file requirements/$(1).lock

clean: ## remove the virtual environment, the data folder and every cache
	@if test -x $(PYTHON); then $(PYTHON) -m tradsys.embedded.clean; fi
	@rm -rf $(VENV) var staticfiles .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
	@find . -name '*.mo' -delete
