#!/bin/sh
# Makes the root file system of the image `workbench`: Debian with the tools of everyday work.
#
#   workbench.sh FILE.tar
#
# Needs root, mmdebstrap and the network of Debian's packages. It takes the host's own apt sources and proxy where the
# host is a Debian, else deb.debian.org. Environment: SANDLOT_SUITE (the release, default the host's, else bookworm),
# SANDLOT_MIRROR (an archive in place of the host's sources), SOURCE_DATE_EPOCH.
# Lines `progress PERCENT TEXT` on stderr say how far it is.
set -eu

output=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

PACKAGES=bash,bash-completion,ca-certificates,coreutils,curl,git,iproute2,iputils-ping,jq,less,nano,procps,python3,sudo,vim
export SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH:-1735689600}"

host_release() {
    # shellcheck disable=SC1091
    . /etc/os-release && [ "${ID:-}" = debian ] && echo "${VERSION_CODENAME:-}"
}

# The host's sources that are Debian's own; none on another distribution.
host_sources() {
    [ -n "$(host_release)" ] || return 0
    for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources; do
        if [ -f "$file" ] && grep -qs "debian" "$file"; then echo "$file"; fi
    done
}

suite=${SANDLOT_SUITE:-$(host_release || true)}
suite=${suite:-bookworm}
sources=${SANDLOT_MIRROR:-}
if [ -z "$sources" ] && [ "$suite" = "$(host_release || true)" ]; then
    sources=$(host_sources)
fi

# apt inside the new system takes what the host's apt uses to get out.
proxy=$(apt-config shell value Acquire::http::Proxy 2>/dev/null | sed -n "s/^value='\(.*\)'$/\1/p")
if [ -n "$proxy" ]; then set -- --aptopt="Acquire::http::Proxy \"$proxy\""; else set --; fi

# What makes it a workbench, copied over the packages.
mkdir -p "$work/etc/sudoers.d" "$work/etc/profile.d" "$work/etc/apt/apt.conf.d"
echo 'learner ALL=(ALL:ALL) NOPASSWD: ALL' > "$work/etc/sudoers.d/learner"
chmod 440 "$work/etc/sudoers.d/learner"
cat > "$work/etc/profile.d/sandlot.sh" <<'PROFILE'
export LANG="${LANG:-C.UTF-8}" EDITOR="${EDITOR:-nano}"
PROFILE
cat > "$work/bashrc-more" <<'BASHRC'

# Completion, colours and a prompt for every interactive shell.
if ! shopt -oq posix && [ -r /usr/share/bash-completion/bash_completion ]; then
    . /usr/share/bash-completion/bash_completion
fi
shopt -s checkwinsize histappend
HISTCONTROL=ignoreboth
alias ls='ls --color=auto' grep='grep --color=auto' ll='ls -alF'
if [ "$(id -u)" = 0 ]; then
    PS1='\[\e[1;31m\]\u@\h\[\e[0m\]:\[\e[1;34m\]\w\[\e[0m\]# '
else
    PS1='\[\e[1;32m\]\u@\h\[\e[0m\]:\[\e[1;34m\]\w\[\e[0m\]\$ '
fi
BASHRC
# Keeps apt usable and small: no services are started, no lists or packages are kept.
cat > "$work/etc/apt/apt.conf.d/90sandlot" <<'APT'
APT::Install-Recommends "false";
APT::Sandbox::User "root";
Acquire::Languages "none";
APT

echo "progress 1 asking the archive of $suite" >&2
# The mount namespace keeps its mounts away from the host's.
# shellcheck disable=SC2086
unshare --mount --propagation private mmdebstrap --mode=root --variant=minbase --format=tar --verbose \
    --include="$PACKAGES" \
    --aptopt='APT::Install-Recommends "false"' \
    --aptopt='Acquire::Languages "none"' \
    "$@" \
    --dpkgopt='path-exclude=/usr/share/doc/*' \
    --dpkgopt='path-include=/usr/share/doc/*/copyright' \
    --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/info/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' \
    --dpkgopt='path-exclude=/usr/share/lintian/*' \
    --customize-hook='echo "progress 92 setting up the user" >&2' \
    --customize-hook='chroot "$1" useradd --create-home --shell /bin/bash --uid 1000 --groups sudo learner' \
    --customize-hook="sync-in $work/etc /etc" \
    --customize-hook="cat $work/bashrc-more >> \"\$1/etc/bash.bashrc\"" \
    --customize-hook='rm -f "$1/home/learner/.bashrc" "$1/root/.bashrc"' \
    --customize-hook='chroot "$1" sh -c "test -x /usr/bin/vim && command -v ping sudo git jq python3 >/dev/null"' \
    --customize-hook='rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/*.bin "$1"/var/cache/debconf/*-old "$1"/var/log/*.log "$1"/var/log/apt' \
    --customize-hook='rm -f "$1/etc/hostname" "$1/etc/resolv.conf" "$1/etc/machine-id" "$1/etc/apt/apt.conf.d/99mmdebstrap"' \
    --customize-hook='echo "progress 95 writing the archive" >&2' \
    "$suite" "$output" $sources >&2
echo "progress 100 done" >&2
