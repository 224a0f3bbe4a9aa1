#!/usr/bin/env bash
# Runs prebuilt tests on cgroup v2 with systemd and an older kernel, in one boot of a virtual machine.
# Usage: test-vm.sh short|long. The machine is started by ../shared/vm/run-in-vm, or by what SANDLOT_VM names.
set -euo pipefail
cd "$(dirname "$0")/.."

set_name=${1-}
# Name of the test, and further arguments of its program.
short=(
  "root_cgroup"
  "root_disk"
  "root_unpack"
  "root_doctor"
  "first_light"
  "networks"
  "containment a_flood_of_writes_is_slowed_down a_full_disk_stays_inside"
  # The machine has no newuidmap; that test runs on the host.
  "oci --include-ignored --skip an_ordinary_user_has_ranges_of_ids"
  "systemd_units --ignored"
)
long=("${short[@]}" "recovery" "soak" "bad_input" "containment" "attacks"
  # The machine has no iptables; that test runs on the host.
  "egress --skip beside_iptables")
case $set_name in
  short) tests=("${short[@]}") ;;
  long) tests=("${long[@]}") ;;
  *) echo "usage: $0 short|long" >&2; exit 2 ;;
esac

vm=${SANDLOT_VM-../shared/vm/run-in-vm}
if [[ ! -x $vm ]]; then
  echo "test-vm: no program $vm that boots a virtual machine; name one by SANDLOT_VM" >&2
  exit 1
fi

make --no-print-directory dev
executables=$(cargo test --workspace --no-run --message-format=json 2>/dev/null |
  jq -r 'select(.executable != null and .profile.test and .target.kind[0] == "test") | "\(.target.name) \(.executable)"')

guest=$(mktemp)
trap 'rm -f "$guest"' EXIT
{
  printf '#!/bin/bash\nset -eu\ninstall -m 755 /root/busybox /usr/bin/busybox\n'
  # A disk with project quota, for the tests that fill disks; the others find the driver that the root disk allows.
  printf 'mkfs.ext4 -q -O project,quota -E quotatype=prjquota /dev/vdc\nmkdir /quota\nmount -o prjquota /dev/vdc /quota\nchmod 755 /quota\n'
  for test in "${tests[@]}"; do
    read -r name arguments <<<"$test"
    path=$(awk -v name="$name" '$1 == name { print $2 }' <<<"$executables")
    [[ -n $path ]] || { echo "test-vm: no test program $name" >&2; exit 1; }
    folder=/tmp
    [[ $name == containment ]] && folder=/quota
    printf 'echo "== in the machine: %s"\nTMPDIR=%s /mnt/host/deps/%s --test-threads=1 --nocapture %s\n' "$name" "$folder" "$(basename "$path")" "$arguments"
  done
} >"$guest"
chmod +x "$guest"

"$vm" --mem 2048 --disk 4096 --timeout "$([[ $set_name == short ]] && echo 900 || echo 3600)" \
  --share "target/debug:ro" --copy "$guest" --copy "$(command -v busybox)" -- /bin/bash "/root/$(basename "$guest")"
