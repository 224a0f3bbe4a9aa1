#!/usr/bin/env bash
# Runs a real container engine on top of our runtime and checks what its users would notice. Prints TAP.
#
#   engines.sh podman|dockerd [CHECK...]      all checks of engines/checks.sh, or only those named
#
# Environment: RUNTIME, the runtime under test (default target/debug/sandlot-oci).
# The engine is Debian's package (installed if missing), with folders of its own, in mount, network and pid namespaces of
# its own: when this script ends, nothing of it is left. The host's firewall and its /etc stay as they are.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."

fail() { echo "engines: $*" >&2; exit 2; }

engine=${1-}
case $engine in
  podman) need=(podman conmon containernetworking-plugins iptables tini busybox-static jq) ;;
  dockerd) need=(docker.io iptables tini busybox-static jq) ;;
  *) fail "usage: $0 podman|dockerd [check...]" ;;
esac
((EUID == 0)) || fail "a container engine needs root"
runtime=$(realpath -s "${RUNTIME:-target/debug/sandlot-oci}")
[[ -x $runtime ]] || fail "no runtime \`$runtime\`; build it by \`make oci\` or name one by RUNTIME"

install_missing() {
  local package missing=()
  for package in "${need[@]}"; do
    [[ $(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || missing+=("$package")
  done
  ((${#missing[@]})) || return 0
  echo "engines: will install ${missing[*]}: $engine, and what its checks need" >&2
  apt-get update -q >/dev/null
  DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}" >/dev/null
}

if [[ -z ${ENGINES_FOLDER-} ]]; then
  install_missing
  ENGINES_FOLDER=$(mktemp -d /tmp/sandlot-engines-XXXXXX)
  export ENGINES_FOLDER
  # Remapped users pass through it.
  chmod 711 "$ENGINES_FOLDER"
  status=0
  # Not `ip netns exec`: it mounts a new /sys, without the control groups.
  # In the background, so that a signal is heard at once; the end of unshare is the end of all in its pid namespace.
  unshare --net --mount --propagation private --pid --fork --kill-child --mount-proc "$0" "$@" &
  child=$!
  trap 'kill -KILL "$child"' HUP INT TERM
  wait "$child" || status=$?
  # The pid namespace has taken all processes along, and the mount namespace all mounts.
  find /sys/fs/cgroup -depth -type d -path "*/$(basename "$ENGINES_FOLDER")*" -exec rmdir {} + 2>/dev/null || true
  rm -rf --one-file-system "$ENGINES_FOLDER"
  exit "$status"
fi

folder=$ENGINES_FOLDER
# Name of the cgroup that all containers lie in.
# shellcheck disable=SC2034 # the engines' scripts use it
group=$(basename "$folder")
image=checks
mkdir -p "$folder/bin"
# A copy, so that a build in the meantime changes nothing.
cp "$runtime" "$folder/bin/$(basename "$runtime")"
runtime=$folder/bin/$(basename "$runtime")
ip link set lo up

# shellcheck source=/dev/null
source "$here/engines/$engine.sh"
# shellcheck source=/dev/null
source "$here/engines/checks.sh"

# Root file system of the image, as a tar on standard output.
busybox_image() {
  local root=$folder/image
  mkdir -p "$root"/{bin,dev,etc,proc,sys,tmp,root}
  cp "$(command -v busybox)" "$root/bin/busybox"
  chroot "$root" /bin/busybox --install -s /bin
  echo 'root:x:0:0:root:/root:/bin/sh' >"$root/etc/passwd"
  echo 'root:x:0:' >"$root/etc/group"
  tar -C "$root" -c .
}

# Without `set -e` around it, so that the check's own works.
one_check() {
  local status=0 number=$1 check=$2 log=$folder/check.log
  set +e
  (set -e; "check_$check") >"$log" 2>&1 </dev/null
  status=$?
  set -e
  if ((status == 0)); then
    echo "ok $number $check"
  elif ((status == 77)); then
    echo "ok $number $check # skip $(tail -n 1 "$log")"
  else
    echo "not ok $number $check"
    sed 's/^/# /' "$log" | tail -n 25
  fi
  remove_containers
  ((status == 0 || status == 77))
}

# What an engine leaves in its working directory, such as conmon's file `oom`, goes with the folder.
cd "$folder"
engine_start
trap engine_stop EXIT
busybox_image | import_image "$image"

shift
checks=("$@")
((${#checks[@]})) || mapfile -t checks < <(declare -F | sed -n 's/^declare -f check_//p')
echo "# $engine on $(basename "$runtime")"
echo "1..${#checks[@]}"
failed=0
for i in "${!checks[@]}"; do
  one_check "$((i + 1))" "${checks[i]}" || failed=$((failed + 1))
done
echo "# $((${#checks[@]} - failed)) passed or skipped, $failed failed"
((failed == 0))
