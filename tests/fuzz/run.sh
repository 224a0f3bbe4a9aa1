#!/usr/bin/env bash
# Builds every libFuzzer target with coverage and runs each of them. Usage: run.sh [SECONDS [TARGET...]]
# What is found stays in tests/fuzz/artifacts; the corpus in the repository is read, never written.
set -euo pipefail
cd "$(dirname "$0")"

seconds=${1-60}
shift || true
targets=("$@")
((${#targets[@]})) || mapfile -t targets < <(ls corpus)

host=$(rustc -vV | sed -n 's/^host: //p')
# What the compiler of the pinned toolchain needs to be told for libFuzzer's counters; cargo-fuzz wants a nightly one.
export RUSTFLAGS="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table -Ccodegen-units=1"
cargo build --release --target "$host"

mkdir -p artifacts
found=$(mktemp -d)
trap 'rm -rf "$found"' EXIT
for target in "${targets[@]}"; do
  echo "== $target: $seconds s"
  mkdir "$found/$target"
  "target/$host/release/$target" -max_total_time="$seconds" -timeout=30 -artifact_prefix=artifacts/ -print_final_stats=1 \
    "$found/$target" "corpus/$target" 2>"$found/log" || { tail -n 40 "$found/log" >&2; exit 1; }
  grep -h 'number_of_executed_units\|cov:' "$found/log" | tail -n 2
done
