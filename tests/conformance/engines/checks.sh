# shellcheck shell=bash disable=SC2154,SC2016,SC2046
# What a user of an engine would notice. Each check is a function; its first failing command fails it.
# Sourced by engines.sh, after the engine: `e` is the engine's command line, `run` starts a container.

run() { e run "${run_options[@]}" "$@"; }
skip() { echo "$1"; exit 77; }

# Two texts that must be equal.
same() { [[ $1 == "$2" ]] || { echo "expected \`$2\`, got \`$1\`"; return 1; }; }
# A text that must match a pattern of the shell.
like() {
  # shellcheck disable=SC2053
  [[ $1 == $2 ]] || { echo "expected \`$2\`, got \`$1\`"; return 1; }
}
# The exit status of a command, which must be the first argument.
status() {
  local want=$1 got=0
  shift
  "$@" || got=$?
  same "$got" "$want"
}
# Asks until a command succeeds, ten seconds at most.
eventually() {
  local end=$((SECONDS + 10))
  until "$@"; do
    ((SECONDS < end)) || { echo "waited for: $*"; return 1; }
    sleep 0.1
  done
}
# A terminal of 33 rows: the command line in one word, what is typed on standard input.
on_terminal() { script -qec "stty rows 33 cols 111; $1" /dev/null | tr -d '\r'; }
in_terminal() { on_terminal "$(words) $1"; }

# A background container; its name is the first argument.
background() {
  local name=$1
  shift
  run --detach --name "$name" "$@" >/dev/null
}
sleeper() {
  local name=$1
  shift
  background "$name" "$@" "$image" sleep 1000
}
pid_of() { e inspect --format '{{.State.Pid}}' "$1"; }
state_of() { e inspect --format '{{.State.Status}}' "$1"; }
exit_code_of() { e inspect --format '{{.State.ExitCode}}' "$1"; }

# A value from the host's side: name, controller, file on version 1, file on version 2.
on_host() {
  local path
  if [[ -e /sys/fs/cgroup/cgroup.controllers ]]; then
    path=$(sed -n 's/^0:://p' "/proc/$(pid_of "$1")/cgroup")
    cat "/sys/fs/cgroup$path/$4"
  else
    path=$(sed -n "s/^[0-9]*:$2://p" "/proc/$(pid_of "$1")/cgroup")
    cat "/sys/fs/cgroup/$2$path/$3"
  fi
}
on_version_2() { [[ -e /sys/fs/cgroup/cgroup.controllers ]]; }

check_run() {
  same "$(run --rm "$image" echo hello)" hello
  status 7 run --rm "$image" sh -c 'exit 7'
  status 127 run --rm "$image" /no/such/program
  same "$(echo typed | run --rm --interactive "$image" cat)" typed
  same "$(run --rm --hostname box "$image" hostname)" box
}

check_run_on_a_terminal() {
  like "$(in_terminal "run ${run_options[*]} --rm -it $image tty" </dev/null)" '*/dev/pts/0*'
  like "$(printf 'echo sum-$((40+2))\nexit 3\n' | in_terminal "run ${run_options[*]} --rm -it $image sh; echo code-\$?")" \
    '*sum-42*code-3*'
  like "$(in_terminal "run ${run_options[*]} --rm -it $image sh -c 'sleep 1; stty size'" </dev/null)" '*33 111*'
}

check_exec() {
  sleeper main --env KEPT=1
  same "$(e exec main sh -c 'echo $KEPT')" 1
  status 9 e exec main sh -c 'exit 9'
  same "$(e exec --user 1000:1001 --workdir /tmp --env MORE=2 main sh -c 'echo $(id -u) $(id -g) $(pwd) $MORE')" '1000 1001 /tmp 2'
  same "$(echo typed | e exec --interactive main cat)" typed
  e exec --detach main sh -c 'echo done >/tmp/file; sleep 1000'
  eventually e exec main test -s /tmp/file
}

check_exec_on_a_terminal() {
  sleeper main
  like "$(in_terminal "exec -it main tty" </dev/null)" '*/dev/pts/0*'
  like "$(printf 'echo sum-$((40+2))\nexit 4\n' | in_terminal "exec -it main sh; echo code-\$?")" '*sum-42*code-4*'
}

check_limits() {
  sleeper main --memory 64m --cpus 0.5 --cpu-shares 512 --cpuset-cpus 0 --pids-limit 50
  same "$(on_host main memory memory.limit_in_bytes memory.max)" 67108864
  same "$(on_host main cpuset cpuset.cpus cpuset.cpus)" 0
  same "$(on_host main pids pids.max pids.max)" 50
  if on_version_2; then
    same "$(on_host main cpu - cpu.max)" '50000 100000'
  else
    same "$(on_host main cpu cpu.cfs_quota_us -)" 50000
    same "$(on_host main cpu cpu.shares -)" 512
  fi
}

check_out_of_memory() {
  background main --memory 16m "$image" sh -c 'x=aaaaaaaaaaaaaaaa; while :; do x=$x$x; done'
  eventually same_state main exited
  same "$(exit_code_of main)" 137
  # podman 4.3 does not notice it, with any runtime (tried: runc, crun), on version 1 and 2.
  if [[ $engine == dockerd ]]; then
    same "$(e inspect --format '{{.State.OOMKilled}}' main)" true
  fi
}
same_state() { [[ $(state_of "$1") == "$2" ]]; }

check_stop() {
  background polite "$image" sh -c 'trap "exit 5" TERM; echo ready; while :; do sleep 0.1; done'
  eventually sh -c "$(words) logs polite 2>&1 | grep -q ready"
  e stop polite
  same "$(exit_code_of polite)" 5
  background stubborn "$image" sh -c 'trap "" TERM; echo ready; while :; do sleep 0.1; done'
  eventually sh -c "$(words) logs stubborn 2>&1 | grep -q ready"
  e stop --time 1 stubborn
  same "$(exit_code_of stubborn)" 137
}

check_kill() {
  background main "$image" sh -c 'trap "echo usr1" USR1; echo ready; while :; do sleep 0.1; done'
  eventually sh -c "$(words) logs main 2>&1 | grep -q ready"
  e kill --signal USR1 main
  eventually sh -c "$(words) logs main 2>&1 | grep -q usr1"
  same "$(state_of main)" running
  e kill main
  eventually same_state main exited
  same "$(exit_code_of main)" 137
}

check_restart() {
  sleeper main
  local before
  before=$(pid_of main)
  e restart --time 0 main
  same "$(state_of main)" running
  [[ $(pid_of main) != "$before" ]]
  same "$(e exec main echo again)" again
}

check_pause() {
  sleeper main
  e pause main
  same "$(state_of main)" paused
  like "$(on_host main freezer freezer.state cgroup.freeze)" '[F1]*'
  e unpause main
  same "$(state_of main)" running
  like "$(on_host main freezer freezer.state cgroup.freeze)" '[T0]*'
}

check_healthcheck() {
  sleeper main --health-cmd 'true' --health-interval 1s
  healthy main
}

check_stats() {
  sleeper main
  like "$(e stats --no-stream --format '{{.Name}} {{.MemUsage}}' main)" 'main [1-9]*'
}

check_top() {
  sleeper main
  like "$(e top main)" '*sleep 1000*'
}

check_update() {
  sleeper main --memory 64m
  e update --memory 96m --memory-swap 192m --cpu-shares 256 main
  same "$(on_host main memory memory.limit_in_bytes memory.max)" 100663296
  on_version_2 || same "$(on_host main cpu cpu.shares -)" 256
}

check_logs() {
  background main "$image" sh -c 'echo out; echo err >&2'
  eventually same_state main exited
  same "$(e logs main 2>/dev/null)" out
  same "$(e logs main 2>&1 >/dev/null)" err
}

check_attach() {
  background main --interactive "$image" cat
  # Whether attach ends with its input differs between the engines.
  echo typed | timeout --foreground --signal KILL 3 $(words) attach main || true
  eventually sh -c "$(words) logs main 2>&1 | grep -q typed"
}

check_user_namespace() { remapped in_user_namespace; }
in_user_namespace() {
  like "$(run "$@" --rm "$image" cat /proc/self/uid_map)" '*0*100000*65536*'
  sleeper remapped "$@"
  same "$(stat -c %u "/proc/$(pid_of remapped)")" 100000
  same "$(e exec remapped id -u)" 0
  e exec remapped touch /file
}

check_read_only() {
  status 1 run --rm --read-only "$image" touch /file
  run --rm --read-only --tmpfs /scratch "$image" touch /scratch/file
}

check_tmpfs() {
  like "$(run --rm --tmpfs /scratch:size=1m,mode=700 "$image" grep ' /scratch ' /proc/mounts)" 'tmpfs /scratch tmpfs *size=1024k*'
}

check_volumes() {
  mkdir -p "$folder/volume"
  echo content >"$folder/volume/file"
  same "$(run --rm --volume "$folder/volume:/data" "$image" sh -c 'cat /data/file; echo more >/data/new')" content
  same "$(cat "$folder/volume/new")" more
  status 1 run --rm --volume "$folder/volume:/data:ro" "$image" touch /data/other
  background main --volume kept:/data "$image" sh -c 'echo kept >/data/file'
  eventually same_state main exited
  same "$(run --rm --volume kept:/data "$image" cat /data/file)" kept
}

check_user_and_folder() {
  same "$(run --rm --user 1000:1001 --group-add 7 --workdir /tmp "$image" sh -c 'echo $(id -u):$(id -G) $(pwd)')" '1000:1001 7 /tmp'
}

effective() { sed -n 's/^CapEff:[[:space:]]*//p'; }
check_capabilities() {
  same "$(run --rm --cap-drop ALL "$image" cat /proc/self/status | effective)" 0000000000000000
  same "$(run --rm --cap-drop ALL --cap-add NET_ADMIN "$image" cat /proc/self/status | effective)" 0000000000001000
  status 1 run --rm --cap-drop CHOWN "$image" chown 1:1 /bin
}

check_no_new_privileges() {
  like "$(run --rm --security-opt no-new-privileges "$image" grep NoNewPrivs /proc/self/status)" '*1'
  like "$(run --rm "$image" grep NoNewPrivs /proc/self/status)" '*0'
}

check_seccomp() {
  like "$(run --rm "$image" grep '^Seccomp:' /proc/self/status)" '*2'
  like "$(run --rm --security-opt seccomp=unconfined "$image" grep '^Seccomp:' /proc/self/status)" '*0'
  local profile=$folder/seccomp.json
  printf '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO","errnoRet":1}]}' >"$profile"
  status 1 run --rm --security-opt "seccomp=$profile" "$image" mkdir /new
  run --rm --security-opt "seccomp=$profile" "$image" touch /new
}

check_ulimit() {
  # Both, since podman raises what is not given, which takes CAP_SYS_RESOURCE.
  same "$(run --rm --ulimit nofile=100:200 --ulimit nproc=300:400 "$image" sh -c 'ulimit -Sn; ulimit -Hn' | xargs)" '100 200'
}

check_sysctl() {
  same "$(run --rm --sysctl net.ipv4.ip_forward=1 --sysctl kernel.msgmax=8000 "$image" cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/msgmax | xargs)" '1 8000'
}

check_init() {
  local path=()
  [[ $engine == dockerd ]] || path=(--init-path /usr/bin/tini-static)
  sleeper main --init "${path[@]}"
  like "$(e exec main cat /proc/1/cmdline | tr '\0' ' ')" '*init*sleep 1000*'
}

check_privileged() {
  run --rm --privileged "$image" sh -c 'mkdir /m && mount -t tmpfs none /m && test -e /dev/mem'
  # By a missing capability (EPERM, busybox ends with 1) or by AppArmor (EACCES, 255).
  same "$(run --rm "$image" sh -c 'mkdir /m && mount -t tmpfs none /m 2>/dev/null || echo refused')" refused
}

check_devices() {
  same "$(run --rm --device /dev/zero:/dev/mine "$image" sh -c 'head -c 4 /dev/mine | wc -c')" 4
  # What was not given is denied, even to root that can make the node.
  status 1 run --rm --cap-add MKNOD "$image" sh -c 'mknod /tmp/kmsg c 1 11 && head -c 1 /tmp/kmsg 2>/dev/null'
}

check_shared_namespaces() {
  sleeper main --ipc shareable
  like "$(run --rm --pid container:main "$image" ps)" '*sleep 1000*'
  same "$(run --rm --network container:main "$image" readlink /proc/self/ns/net)" "$(e exec main readlink /proc/self/ns/net)"
  same "$(run --rm --ipc container:main "$image" readlink /proc/self/ns/ipc)" "$(e exec main readlink /proc/self/ns/ipc)"
  same "$(run --rm --pid host "$image" readlink /proc/self/ns/pid)" "$(readlink /proc/self/ns/pid)"
}

check_network() {
  like "$(run --rm "$image" ip -o -4 address show eth0)" '*inet 10.*'
  same "$(run --rm --network none "$image" ls /sys/class/net)" lo
  sleeper main
  local address
  address=$(e inspect --format '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' main)
  run --rm "$image" ping -c 1 -W 5 "$address"
}

# podman of Debian 12 confines only with a profile that it makes itself, by a parser that it does not depend on.
check_apparmor() {
  [[ $(cat /sys/module/apparmor/parameters/enabled 2>/dev/null) == Y && $engine == dockerd ]] || skip 'Docker on a host with AppArmor only'
  same "$(run --rm "$image" cat /proc/self/attr/current)" 'docker-default (enforce)'
  sleeper main
  same "$(e exec main cat /proc/self/attr/current)" 'docker-default (enforce)'
}
