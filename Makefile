# Heatbook: two commands matter, `make run` and `make test`. Everything lives in .venv.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
UV     := $(BIN)/uv
# Where the system keeps certificates, uv trusts them as pip does: companies add their own.
ifneq ($(wildcard /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt),)
export UV_SYSTEM_CERTS ?= 1
endif

.PHONY: env dev run test bench lint lock clean scorecard

env: $(VENV)/.run-ready        ## the environment that `make run` needs

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.uv-ready: requirements/uv.lock | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.lock
	@touch $@

$(VENV)/.run-ready: requirements/run.lock pyproject.toml $(VENV)/.uv-ready
	VIRTUAL_ENV=$(abspath $(VENV)) $(UV) pip install --require-hashes -r requirements/run.lock
	VIRTUAL_ENV=$(abspath $(VENV)) $(UV) pip install --no-deps --no-build-isolation -e .
	@touch $@

dev: $(VENV)/.dev-ready        ## the environment that tests and linters need

$(VENV)/.dev-ready: requirements/dev.lock $(VENV)/.run-ready
	VIRTUAL_ENV=$(abspath $(VENV)) $(UV) pip install --compile-bytecode --require-hashes -r requirements/dev.lock
	@touch $@

run: env                       ## the whole service with a demo fleet; Ctrl-C ends it
	$(BIN)/heatbook run

test: dev                      ## the whole test suite
	$(BIN)/python -m pytest -n auto --dist loadfile

lint: dev                      ## style, types, layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

scorecard: dev                 ## the detectors graded on labelled years, in full: about an hour
	$(BIN)/heatbook assess --scorecard season-rich --meters 800 --seed 11 --seed 12 --seed 13 --page docs/scorecard-measured.md

bench: dev                     ## speed and memory, printed as ratios
	$(BIN)/python -m tests.speed

lock: export UV_CUSTOM_COMPILE_COMMAND = make lock
lock: dev                      ## new lock files from pyproject.toml
	$(UV) pip compile pyproject.toml --group build --universal --python-version 3.11 --fork-strategy fewest --generate-hashes --no-emit-index-url --no-emit-find-links --quiet --output-file requirements/run.lock
	$(UV) pip compile pyproject.toml --group build --group dev --group peers -c requirements/run.lock --universal --python-version 3.11 --fork-strategy fewest --generate-hashes --no-emit-index-url --no-emit-find-links --quiet --output-file requirements/dev.lock
	echo "uv" | $(UV) pip compile - --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --quiet --output-file requirements/uv.lock

clean:
	rm -rf $(VENV) build *.egg-info
