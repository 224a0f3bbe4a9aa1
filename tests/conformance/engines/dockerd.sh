# shellcheck shell=bash disable=SC2154,SC2034
# dockerd with the containerd that it starts itself. Sourced by engines.sh; `folder`, `runtime`, `group` are its variables.

export DOCKER_HOST=unix://$folder/docker.sock
export DOCKER_CONFIG=$folder/client

# Starts a daemon with further options and waits until it answers.
daemon() {
  dockerd --data-root "$folder/data" --exec-root "$folder/exec" --pidfile "$folder/docker.pid" --host "$DOCKER_HOST" \
    --config-file "$folder/daemon/none.json" --cgroup-parent "/$group" --storage-driver overlay2 \
    --exec-opt native.cgroupdriver=cgroupfs --add-runtime "under-test=$runtime" --default-runtime under-test \
    --bip 10.213.7.1/24 "$@" >>"$folder/dockerd.log" 2>&1 &
  local daemon_pid=$! end=$((SECONDS + 60))
  until docker version >/dev/null 2>&1; do
    kill -0 "$daemon_pid" 2>/dev/null || { tail -n 20 "$folder/dockerd.log" >&2; fail "dockerd ended at its start"; }
    ((SECONDS < end)) || fail "dockerd does not answer"
    sleep 0.1
  done
}

# By the number in its file: a check may have started it, whose shell is gone.
daemon_end() {
  local pid
  pid=$(cat "$folder/docker.pid" 2>/dev/null) || return 0
  kill "$pid"
  eventually gone "$pid"
}
gone() { [[ ! -e /proc/$1/exe ]]; }

engine_start() {
  mkdir -p "$folder/daemon"
  # Not the host's.
  echo '{}' >"$folder/daemon/none.json"
  daemon
}
engine_stop() { daemon_end; }

# The engine's command line, as words: for script(1).
words() { echo docker; }
e() { timeout --foreground --kill-after 5 60 docker "$@"; }
# Options of every `run`.
run_options=()

import_image() { e import - "$1" >/dev/null; }
remove_containers() { e ps -aq | xargs -r docker rm --force --volumes >/dev/null 2>&1 || true; }

# Runs a function under a daemon that remaps the root of containers to host id 100000. The user that it needs is known in
# our mount namespace only.
remapped() {
  daemon_end
  local file status=0
  for file in passwd group subuid subgid; do
    cp "/etc/$file" "$folder/$file" 2>/dev/null || : >"$folder/$file"
    [[ -e /etc/$file ]] || : >"/etc/$file"
    mount --bind "$folder/$file" "/etc/$file"
  done
  echo 'remapped:x:64999:64999::/:/bin/false' >>"$folder/passwd"
  echo 'remapped:x:64999:' >>"$folder/group"
  echo 'remapped:100000:65536' | tee "$folder/subuid" >"$folder/subgid"
  set +e
  (set -e; daemon --userns-remap remapped; busybox_image | import_image "$image"; "$1")
  status=$?
  set -e
  remove_containers
  daemon_end
  umount /etc/passwd /etc/group /etc/subuid /etc/subgid
  daemon
  return "$status"
}

healthy() {
  local end=$((SECONDS + 20))
  until [[ $(e inspect --format '{{.State.Health.Status}}' "$1") == healthy ]]; do
    ((SECONDS < end)) || return 1
    sleep 0.2
  done
}
