#!/usr/bin/env bash
# Runs the command-line suite of runc against our runtime and compares every test with expected.tsv.
#
#   run.sh [--quick]      --quick: the files named in quick.txt only, at most two minutes
#
# A failure or skip that expected.tsv does not list fails the run; so does a listed failure that passes.
# Environment:
#   SANDLOT_RUNC_SUITE  the program that runs the suite (default ../shared/yardsticks/runc-bats.sh)
#   RUNTIME             the runtime under test (default target/debug/sandlot-oci)
#   EXPECTED            the list to compare with (default expected.tsv beside this script)
#   WORK                where the suite keeps sources, images and logs (default /var/tmp/runc-bats)
#   FILES, FILTER       only these files, only these tests; then only what ran is compared
#   SUITE, LIMIT, NO_APT, NO_UNIFIED  passed on to the suite
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."

suite=${SANDLOT_RUNC_SUITE:-../shared/yardsticks/runc-bats.sh}
runtime=${RUNTIME:-target/debug/sandlot-oci}
expected=${EXPECTED:-$here/expected.tsv}
work=${WORK:-/var/tmp/runc-bats}
export WORK=$work

fail() { echo "conformance: $*" >&2; exit 2; }

case ${1-} in
  "") ;;
  --quick) FILES=$(grep -v '^#' "$here/quick.txt" | xargs) ;;
  *) fail "usage: $0 [--quick]" ;;
esac
((EUID == 0)) || fail "the suite starts real containers and must run as root"
[[ -f $suite ]] || fail "no program \`$suite\` that runs the suite of runc; name one by SANDLOT_RUNC_SUITE"
[[ -x $runtime ]] || fail "no runtime \`$runtime\`; build it by \`make oci\` or name one by RUNTIME"

# Some versions of mmdebstrap make a folder of the name that the suite gives: the image is then packed here, or
# made before the suite asks for it.
prepare_debian_image() {
  local image=$work/images/debian.tar
  mkdir -p "$work/images"
  if [[ -d $image ]]; then
    mv "$image" "$image.tree"
    tar -C "$image.tree" --numeric-owner -cf "$image.new" .
    rm -rf --one-file-system "$image.tree"
  elif [[ ! -s $image ]]; then
    command -v mmdebstrap >/dev/null || return 0
    echo "conformance: making the Debian image, about a minute" >&2
    mmdebstrap --quiet --format=tar --variant=minbase bookworm "$image.new"
  else
    return 0
  fi
  mv "$image.new" "$image"
}

# One line for each test: file, name, pass|fail|skip. Tests of the plan that were not reached have failed.
results() {
  local log
  for log in "$1"/*.tap; do
    awk -v file="$(basename "$log" .tap)" '
      /^1\.\.[0-9]+/ { plan = substr($1, 4) + 0 }
      /^(not )?ok [0-9]+ / {
        status = /^not / ? "fail" : "pass"
        sub(/^(not )?ok [0-9]+ /, ""); seen++
        if (status == "pass" && sub(/ # skip.*$/, "")) status = "skip"
        sub(/ in [0-9]+(ms|sec)$/, "")
        print file "\t" $0 "\t" status
      }
      END {
        for (i = seen + 1; i <= plan; i++) print file "\tnot reached: test " i "\tfail"
        if (!plan) print file "\tthe file did not run\tfail"
      }' "$log"
  done
}

# One run at a time on a host: the suite clears its cgroups by name.
exec 9>/run/lock/sandlot-conformance
flock --nonblock 9 || { echo "conformance: waiting for another run on this host" >&2; flock 9; }

prepare_debian_image
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
chmod 755 "$scratch"
# A copy, so that a build in the meantime changes nothing.
copy=$scratch/$(basename "$runtime")
cp "$runtime" "$copy"

start=$SECONDS
[[ -n ${FILES-} ]] && export FILES
RUNTIME=$copy bash "$suite" 9>&- || fail "the suite did not run"
logs=$work/out/${SUITE:-bookworm}-$(basename "$runtime")
results "$logs" >"$logs/results.tsv"

partial=0
[[ -n ${FILES-}${FILTER-} ]] && partial=1
[[ -n ${FILTER-} ]] && sed -i '/\tthe file did not run\tfail$/d' "$logs/results.tsv"
printf '\nconformance: %d s, list %s\n' "$((SECONDS - start))" "$expected"
awk -v partial="$partial" -f "$here/compare.awk" "$expected" "$logs/results.tsv"
