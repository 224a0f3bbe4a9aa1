#!/usr/bin/env bash
# Installs what is missing on a Debian host, and says what and why. Usage: prerequisites.sh run|test|bench
# `run` is what building and running needs; `test` adds the browser and the virtual machine, `bench` what is compared with.
set -euo pipefail

declare -A reason=(
  [build-essential]="links Rust programs and compiles SQLite"
  [pkg-config]="finds libraries for the build"
  [libseccomp-dev]="seccomp profiles are compiled with it; linked statically"
  [busybox-static]="the whole content of the image tiny"
  [mmdebstrap]="makes the image debian, base of the others, from Debian's packages"
  [e2fsprogs]="mke2fs makes the file systems that limit a session's disk"
  [ca-certificates]="HTTPS to the package archives"
  [chromium]="the browser tests drive it"
  [curl]="the start script asks whether Sandlot answers"
  [jq]="the tests' scripts read JSON"
  [skopeo]="the tests exchange images with it"
  [buildah]="the tests compare what Dockerfiles come to with what it makes of them"
  [umoci]="the tests compare unpacked images with its"
  [docker-registry]="the tests push to it and pull from it"
  [apache2-utils]="htpasswd makes the password file of the tests' registry"
  [wrk]="the bench loads both with it"
  [openssl]="certificates and signed tokens of the tests' registry"
  [nginx-light]="the tests run the example of a front before a node, the bench measures the proxy of ports beside it"
  [caddy]="the tests run the other example of a front"
  [sqlite3]="the tests read the rows of a node"
  [iproute2]="the tests make networks of their own to try the way out of sessions"
  [iptables]="the tests look at our rules among those of iptables"
  [nftables]="the tests look at the rules of networks, and take guards away to see that attacks succeed then"
  [uidmap]="the runtime's tests map ranges of ids for an ordinary user"
  [qemu-system-x86]="the tests for cgroup v2 and systemd boot a virtual machine"
)
need_run=(build-essential pkg-config libseccomp-dev busybox-static mmdebstrap e2fsprogs ca-certificates curl)
need_test=("${need_run[@]}" chromium jq uidmap skopeo umoci buildah docker-registry apache2-utils openssl nginx-light caddy iproute2 iptables nftables sqlite3)
need_bench=("${need_run[@]}" nginx-light wrk)

case ${1-} in
  run) need=("${need_run[@]}") ;;
  test) need=("${need_test[@]}") ;;
  bench) need=("${need_bench[@]}") ;;
  *) echo "usage: $0 run|test|bench" >&2; exit 2 ;;
esac

# Packages whose services are not wanted here: the tests start the programs themselves.
services=(docker-registry nginx caddy)

installed() { [[ $(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null) == installed ]]; }

missing=()
for package in "${need[@]}"; do
  installed "$package" && continue
  missing+=("$package")
  printf 'prerequisites: will install %s: %s\n' "$package" "${reason[$package]}"
done

if ((${#missing[@]})); then
  command -v apt-get >/dev/null || { echo "prerequisites: no apt-get here; install by hand: ${missing[*]}" >&2; exit 1; }
  ((EUID == 0)) || { echo "prerequisites: must be root to install: ${missing[*]}" >&2; exit 1; }
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -q >/dev/null
  policy=/usr/sbin/policy-rc.d
  if [[ ! -e $policy ]]; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
  fi
  apt-get install -q -y --no-install-recommends "${missing[@]}" >/dev/null
  # Nor are they to start with the host; what was installed before is the operator's.
  for service in "${services[@]}"; do
    [[ " ${missing[*]} " == *" $service"[\ -]* ]] || continue
    ! command -v systemctl >/dev/null || systemctl disable --quiet "$service" 2>/dev/null ||
      echo "prerequisites: could not disable the service $service" >&2
  done
fi

version_at_least() { [[ $(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1) == "$2" ]]; }

# Node.js from Debian 13 on is new enough for the bundler; Debian 12's is not, but a newer one may be on the PATH.
if ! command -v npm >/dev/null; then
  echo "prerequisites: will install nodejs and npm: they bundle the web pages"
  DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends nodejs npm >/dev/null
fi
node=$(node --version | tr -d v)
version_at_least "$node" 18 || { echo "prerequisites: Node.js $node is too old; 18 or newer is needed" >&2; exit 1; }

# Debian packages rustup from 13 on; the toolchain file then says which version it fetches.
if ! command -v cargo >/dev/null; then
  if apt-cache show rustup >/dev/null 2>&1; then
    echo "prerequisites: will install rustup: it brings the Rust toolchain that rust-toolchain.toml names"
    DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends rustup >/dev/null
  else
    echo "prerequisites: no cargo on the PATH, and this Debian has no rustup package: install Rust from https://rustup.rs first" >&2
    exit 1
  fi
fi
