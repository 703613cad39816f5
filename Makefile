# Everything a person or a machine runs here. `make help` lists it.
# Stamp files below .venv remember what is installed, so that nothing is done twice.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules

PYTHON ?= $(shell command -v python3.11 || command -v python3 || echo python3)
WORKERS ?= $(shell nproc)
PYTEST_ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
STAMPS := $(VENV)/stamps
PIP_INSTALL := $(BIN)/python -m pip --disable-pip-version-check --quiet install

DIST := ui_extensions/dist/assets.json
# Folders are in the list too: removing a file changes its folder's time.
FRONT_END := $(shell find ui_extensions -mindepth 1 \
	\( -name node_modules -o -name dist -o -name .dist-new -o -name __pycache__ \) -prune -o -print)

# Without this, a make that is killed would leave the server behind.
END_WITH_MAKE := $(shell command -v setpriv >/dev/null && echo setpriv --pdeathsig TERM)

.PHONY: help run build test check bench fairness kill race overtake histories drift powercut fuzz bodies tenants drill upgrade selftest mutants audit lock chromium clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(STAMPS)/run $(DIST) ## start Makegood with its practice shop and desk
	@exec $(END_WITH_MAKE) $(BIN)/makegood serve --practice

build: $(DIST) ## bundle the front end into ui_extensions/dist

test: $(STAMPS)/test $(STAMPS)/peers $(DIST) chromium ## run all tests and the coverage gate
	@rm -f .coverage .coverage.* coverage.json
	tools/with-node $(BIN)/pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder \
		--cov --cov-report= $(PYTEST_ARGS)
	@$(BIN)/coverage json --quiet -o coverage.json
	$(BIN)/python -m tools.coverage_gate coverage.json setup.cfg

check: $(STAMPS)/test ## style, types, architecture, spelling, dependencies, manifests, docs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --config setup.cfg
	$(BIN)/codespell
	$(BIN)/deptry .
	$(BIN)/makegood platforms check
	$(BIN)/cog --check README.md docs/*.md

bench: $(STAMPS)/test $(DIST) ## measure beside bare peers: tables, and build/bench.json
	@exec $(BIN)/python -m bench $(PARTS)

kill: $(STAMPS)/test $(DIST) ## kill processes N times (N=2000), at points and in calls (DATABASE=, RESTARTS=)
	@exec $(BIN)/python -m tests.kill --n $(or $(N),2000) \
		--database $(or $(DATABASE),sqlite) --restarts $(or $(RESTARTS),0)

race: $(STAMPS)/test $(DIST) ## have 100 callers race for each of N orders (N=200) and count doubles
	@exec $(BIN)/python -m tests.race --n $(or $(N),200) --database $(or $(DATABASE),sqlite)

overtake: $(STAMPS)/test $(DIST) ## have N webhooks (N=1000) arrive before the gateway's own answers
	@exec $(BIN)/python -m tests.overtake --n $(or $(N),1000) --database $(or $(DATABASE),sqlite)

histories: $(STAMPS)/test ## drive N steps (N=20000) of random histories, in any order, against a naive model
	@exec $(BIN)/python -m tests.histories --n $(or $(N),20000) --database $(or $(DATABASE),sqlite)

drift: $(STAMPS)/test ## plant N differences (N=1000) that no webhook tells of, and sweep for 15 minutes
	@exec $(BIN)/python -m tests.drift --n $(or $(N),1000) --database $(or $(DATABASE),sqlite) $(if $(PER_SHOP),--per-shop $(PER_SHOP))

powercut: $(STAMPS)/test $(DIST) ## cut the power at every write of N customers' refunds (N=12); try bad starts
	@exec $(BIN)/python -m tests.powercut --n $(or $(N),12)

fuzz: $(STAMPS)/test $(DIST) ## send N hostile requests (N=1000000) and count what breaks, writes or calls
	@exec $(BIN)/python -m tests.fuzz --n $(or $(N),1000000) --database $(or $(DATABASE),sqlite)

bodies: $(STAMPS)/test ## give each webhook parser N changed bodies (N=100000) and count what has no name
	@exec $(BIN)/python -m tests.bodies --n $(or $(N),100000)

tenants: $(STAMPS)/test $(DIST) ## ask every route for what another business has, by everybody
	@exec $(BIN)/python -m tests.tenants --n $(or $(N),0) --database $(or $(DATABASE),sqlite)

fairness: $(STAMPS)/test ## flood one tenant with N events (N=10000), time another's; BACKLOG= has so many wait
	@exec $(BIN)/python -m tests.fairness --n $(or $(N),10000) --database $(or $(DATABASE),sqlite) \
		--backlog $(or $(BACKLOG),0)

drill: $(STAMPS)/test $(DIST) ## lose a house of N refunds (N=100000), restore a copy, reconcile, count
	@exec $(BIN)/python -m tests.drill --n $(or $(N),100000) --database $(or $(DATABASE),sqlite)

upgrade: $(STAMPS)/test $(DIST) ## go up from the version before and back N times (N=3), under traffic
	@exec $(BIN)/python -m tests.upgrade --n $(or $(N),3) --database $(or $(DATABASE),sqlite)

selftest: $(STAMPS)/test $(DIST) ## plant twelve bugs, each of which its harness must find
	@exec $(BIN)/python -m tests.selftest

mutants: $(STAMPS)/test $(DIST) ## change the code that moves money a word at a time; tests must notice
	@exec nice -n 19 $(BIN)/python -m tests.mutants --workers $(WORKERS)

audit: $(STAMPS)/audit ## ask PyPI and npm for known weaknesses of all that is locked
	@$(VENV)/audit/bin/python -m tools.audit

PIP_COMPILE := ../$(BIN)/pip-compile --quiet --upgrade --generate-hashes --allow-unsafe \
	--strip-extras --no-header --no-emit-index-url --no-emit-trusted-host --no-emit-find-links \
	--no-emit-options

lock: $(STAMPS)/test ## resolve requirements/*.in anew into the hash-locked *.txt
	cd requirements && $(PIP_COMPILE) --output-file audit.txt audit.in
	cd requirements && $(PIP_COMPILE) --output-file build.txt build.in
	cd requirements && $(PIP_COMPILE) --output-file node.txt node.in
	cd requirements && $(PIP_COMPILE) --output-file run.txt run.in
	cd requirements && $(PIP_COMPILE) --constraint run.txt --output-file tracing.txt tracing.in
	cd requirements && $(PIP_COMPILE) --constraint run.txt --constraint tracing.txt \
		--constraint build.txt --output-file test.txt test.in

clean: ## remove everything make made; your data stays
	rm -rf $(VENV) build *.egg-info ui_extensions/dist ui_extensions/.dist-new \
		ui_extensions/node_modules tests/peers/node_modules \
		.coverage .coverage.* coverage.json .mypy_cache .ruff_cache .pytest_cache \
		.import_linter_cache .hypothesis

# ---------------------------------------------------------------------------------- what is needed

$(STAMPS)/venv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Makegood needs Python 3.11 or newer: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -m venv --clear $(VENV) \
		|| { echo "Python's venv is missing; on Debian: apt-get install python3-venv" >&2; exit 1; }
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/run: requirements/build.txt requirements/run.txt setup.cfg setup.py pyproject.toml | $(STAMPS)/venv
	@echo "Installing what Makegood needs to run ..."
	@$(PIP_INSTALL) --require-hashes -r requirements/build.txt -r requirements/run.txt
	@$(PIP_INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

$(STAMPS)/test: requirements/test.txt $(STAMPS)/run
	@echo "Installing what the tests and checks need ..."
	@$(PIP_INSTALL) --require-hashes -r requirements/test.txt
	@touch $@

# In an environment of its own: what it needs may be at odds with what is locked for us.
$(STAMPS)/audit: requirements/audit.txt | $(STAMPS)/venv
	@$(PYTHON) -m venv --clear $(VENV)/audit
	@$(VENV)/audit/bin/python -m pip --disable-pip-version-check --quiet install \
		--require-hashes -r requirements/audit.txt
	@touch $@

$(STAMPS)/npm: ui_extensions/package.json ui_extensions/package-lock.json | $(STAMPS)/venv
	@cd ui_extensions && ../tools/with-node npm ci --ignore-scripts --loglevel error
	@touch $@

$(STAMPS)/peers: tests/peers/package.json tests/peers/package-lock.json | $(STAMPS)/venv
	@cd tests/peers && ../../tools/with-node npm ci --ignore-scripts --loglevel error
	@touch $@

$(DIST): $(FRONT_END) $(STAMPS)/npm
	@cd ui_extensions && ../tools/with-node npm run --silent build

# Debian's package when we may install it (it brings its libraries), else Playwright's own build.
chromium: $(STAMPS)/test
	@if command -v chromium >/dev/null; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
			apt-get install -qq -y --no-install-recommends chromium fonts-liberation >/dev/null; \
	else $(BIN)/playwright install chromium; fi
