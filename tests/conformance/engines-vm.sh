#!/usr/bin/env bash
# engines.sh podman and engines.sh dockerd on cgroup v2 with systemd and Debian's kernel, in one boot of a virtual machine.
# Usage: engines-vm.sh [podman|dockerd [CHECK...]]. The machine is started by ../shared/vm/run-in-vm, or by what SANDLOT_VM names.
set -euo pipefail
cd "$(dirname "$0")/../.."

vm=${SANDLOT_VM-../shared/vm/run-in-vm}
if [[ ! -x $vm ]]; then
  echo "engines-vm: no program $vm that boots a virtual machine; name one by SANDLOT_VM" >&2
  exit 1
fi
[[ -x target/debug/sandlot-oci ]] || { echo "engines-vm: no target/debug/sandlot-oci; build it by \`make oci\`" >&2; exit 1; }

# What engines.sh would install; the machine has no network.
export VM_PACKAGES="apparmor podman conmon containernetworking-plugins docker.io iptables tini busybox-static jq kmod iproute2"
if (($#)); then
  printf -v line 'tests/conformance/engines.sh %q ' "$@"
else
  line='status=0; for engine in podman dockerd; do tests/conformance/engines.sh $engine || status=1; done; exit $status'
fi
exec "$vm" --mem 3072 --timeout 3600 --share "$PWD:ro" -- /bin/bash -c "$line"
