# The two commands are `make run` and `make test`; `make help` lists the rest.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

RUNTIME_FLAGS := -p sandlot-runtime --features standalone --bin
# Not position-independent: relocations would make half a megabyte of every pid 1 its own, and each start slower.
STATIC := -C target-feature=+crt-static -C relocation-model=static
SANDLOT_FLAGS ?=
export LIBSECCOMP_LIB_PATH ?= $(shell dirname "$$(gcc -print-file-name=libseccomp.a 2>/dev/null)")

.PHONY: help build run test check fmt test-vm soak conformance conformance-vm fuzz bench web oci probe test-images test-apps dev prerequisites screenshots

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

prerequisites:
	@deploy/prerequisites.sh run

web/node_modules/.package-lock.json: web/package.json web/package-lock.json
	npm --prefix web ci --no-audit --no-fund

WEB_SOURCES := $(shell find web/src web/css web/icons -type f 2>/dev/null)
web/dist/app.js: web/node_modules/.package-lock.json $(WEB_SOURCES) $(wildcard web/*.mjs web/tsconfig.json)
	npm --prefix web run build

web: web/dist/app.js

build: prerequisites web ## release binaries at target/release/
	cargo rustc --release -p sandlot-server --bin sandlot -- $(STATIC)
	cargo rustc --release $(RUNTIME_FLAGS) sandlot-supervisor -- $(STATIC)
	cargo rustc --profile oci $(RUNTIME_FLAGS) sandlot-oci -- $(STATIC)
	install -m 755 target/oci/sandlot-oci target/release/sandlot-oci

run: build ## install what is missing, build, make the images, start, print the URL
	target/release/sandlot serve $(SANDLOT_FLAGS)

oci: ## the runtime and the supervisor, static, debug profile
	cargo rustc $(RUNTIME_FLAGS) sandlot-supervisor -- $(STATIC)
	cargo rustc $(RUNTIME_FLAGS) sandlot-oci -- $(STATIC)

probe: ## the static program that the tests of containment run inside
	cargo rustc -p sandlot-tests --features probe --bin sandlot-probe -- $(STATIC)

IMAGES := --state-dir $(CURDIR)/target/images/state --run-dir $(CURDIR)/target/images/run
target/images/workbench.tar: deploy/images/debian.sh $(wildcard deploy/images/workbench/*)
	mkdir -p $(@D)
	target/debug/sandlot image make workbench $(IMAGES)
	target/debug/sandlot image export -o $@.part workbench $(IMAGES)
	mv $@.part $@

target/images/node.tar: deploy/images/debian.sh $(wildcard deploy/images/node/*)
	mkdir -p $(@D)
	target/debug/sandlot image make node $(IMAGES)
	target/debug/sandlot image save -o $@.part node $(IMAGES)
	mv $@.part $@

test-images: dev target/images/workbench.tar target/images/node.tar ## the large images, made once for the tests that use them

dev: web oci probe ## every binary, debug profile
	cargo build -p sandlot-server

fmt: ## format everything
	cargo fmt --all

check: web ## quick loop: format, clippy, tests that need no root
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --all-features -- -D warnings
	npm --prefix web run check
	cargo test --workspace --lib

test: ## everything that can run here; what CI runs
	@deploy/test.sh

test-vm: ## the long tests for cgroup v2 and systemd, in a virtual machine
	@deploy/test-vm.sh long

soak: dev ## 1,000 sessions, 500 of two instances and 10,000 containers of sandlot-oci made and ended; nothing may stay behind
	SANDLOT_SOAK_CYCLES=1000 cargo test -p sandlot-tests --test soak -- --nocapture
	SANDLOT_SOAK_SESSIONS=500 cargo test -p sandlot-tests --test soak_networks -- --nocapture
	SANDLOT_SOAK_CONTAINERS=10000 cargo test -p sandlot-tests --test soak_oci -- --nocapture

conformance: oci ## runc's own suite and real engines (podman, dockerd) on top of sandlot-oci
	tests/conformance/run.sh
	tests/conformance/engines.sh podman
	tests/conformance/engines.sh dockerd

conformance-vm: oci ## the engines on cgroup v2 with systemd, in a virtual machine
	tests/conformance/engines-vm.sh

fuzz: ## every fuzz target for a minute
	tests/fuzz/run.sh

bench: build ## latencies and throughput as ratios against a floor measured in the same run
	@deploy/prerequisites.sh bench
	cargo run --release -p sandlot-tests --bin sandlot-bench

test-apps: dev target/images/node.tar ## a chat and a Vite development server through ports, in a real browser
	npm --prefix tests/browser ci --no-audit --no-fund
	npm --prefix tests/browser/apps ci --no-audit --no-fund
	node --test --test-concurrency=1 tests/browser/apps.mjs

screenshots: dev ## the pictures of the README
	npm --prefix tests/browser ci --no-audit --no-fund
	node tests/browser/screenshots.mjs
