#!/usr/bin/env bash
# What `make test` runs: all set-up, then everything that can run on this host. Each stage says how long it took.
set -euo pipefail
cd "$(dirname "$0")/.."

stage() {
  local name=$1 start=$SECONDS
  shift
  printf '\n== %s\n' "$name"
  "$@" || { printf '== %s: FAILED after %d s\n' "$name" "$((SECONDS - start))"; exit 1; }
  printf '== %s: %d s\n' "$name" "$((SECONDS - start))"
}

((EUID == 0)) || { echo "make test starts real containers and must run as root" >&2; exit 1; }

stage prerequisites deploy/prerequisites.sh test
# shellcheck disable=SC2016
stage "scripts" bash -c 'for s in deploy/*.sh deploy/images/*.sh tests/conformance/*.sh tests/fuzz/*.sh; do bash -n "$s"; done'
stage "web pages" make --no-print-directory web
stage "web types and unit tests" npm --prefix web test
stage format cargo fmt --all --check
stage clippy cargo clippy --workspace --all-targets --all-features -- -D warnings
stage "binaries" make --no-print-directory dev
stage "the images workbench and node" make --no-print-directory test-images
stage "Rust tests" cargo test --workspace --no-fail-fast
stage "runc's own suite, the quick part" tests/conformance/run.sh --quick
stage "browser tests" bash -c 'npm --prefix tests/browser ci --no-audit --no-fund && npm --prefix tests/browser test'
stage "cgroup v2 and systemd, in a virtual machine" deploy/test-vm.sh short
