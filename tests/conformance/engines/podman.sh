# shellcheck shell=bash disable=SC2154,SC2034
# podman: no daemon, conmon beside every container. Sourced by engines.sh; `folder`, `runtime`, `group` are its variables.

podman_options=(
  --root "$folder/storage" --runroot "$folder/run" --tmpdir "$folder/libpod"
  --storage-driver overlay --cgroup-manager cgroupfs --events-backend file --runtime "$runtime"
)

engine_start() {
  # Networks are described here, not in the host's /etc.
  mkdir -p "$folder/networks"
  export CONTAINERS_CONF=$folder/containers.conf
  printf '[network]\nnetwork_backend = "cni"\nnetwork_config_dir = "%s"\n' "$folder/networks" >"$CONTAINERS_CONF"
}

engine_stop() { e stop --all --time 0 >/dev/null 2>&1 || true; }

# The engine's command line, as words: for script(1).
words() { echo podman "${podman_options[@]}"; }
e() { timeout --foreground --kill-after 5 60 podman "${podman_options[@]}" "$@"; }
# Options of every `run`.
run_options=(--cgroup-parent "/$group")

import_image() { e import --quiet - "$1" >/dev/null; }
remove_containers() { e rm --all --force --time 0 >/dev/null 2>&1 || true; }

# Options of `run` that give a container a user namespace whose root is host id 100000.
remapped() { "$1" --uidmap 0:100000:65536 --gidmap 0:100000:65536; }

# podman leaves the rhythm to systemd; what the runtime sees of it is one exec.
healthy() { e healthcheck run "$1"; }
