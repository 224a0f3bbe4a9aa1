#!/bin/sh
# Makes the root file system of the image `debian`: the smallest Debian that apt works in, base of the other images.
#
#   debian.sh FILE.tar
#
# Needs root, mmdebstrap and the network of Debian's packages. It takes the host's own apt sources and proxy where the
# host is a Debian, else deb.debian.org. Environment: SANDLOT_SUITE (the release, default the host's, else bookworm),
# SANDLOT_MIRROR (an archive in place of the host's sources), SOURCE_DATE_EPOCH.
# Lines `progress PERCENT TEXT` on stderr say how far it is.
set -eu

output=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

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

# apt takes what the host's apt uses to get out. In the image nothing is left of it.
proxy=$(apt-config shell value Acquire::http::Proxy 2>/dev/null | sed -n "s/^value='\(.*\)'$/\1/p")
if [ -n "$proxy" ]; then set -- --aptopt="Acquire::http::Proxy \"$proxy\""; else set --; fi

# Keeps apt usable and small: no lists or packages are kept, no manuals and translations come with packages.
mkdir -p "$work/etc/apt/apt.conf.d"
cat > "$work/etc/apt/apt.conf.d/90sandlot" <<'APT'
APT::Install-Recommends "false";
APT::Sandbox::User "root";
Acquire::Languages "none";
Binary::apt::APT::Keep-Downloaded-Packages "false";
DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb /var/cache/apt/archives/partial/*.deb || true"; };
APT
# Nothing is started while packages are set up later; mmdebstrap has one of its own and takes it away.
mkdir -p "$work/usr/sbin"
printf '#!/bin/sh\nexit 101\n' > "$work/usr/sbin/policy-rc.d"
chmod 755 "$work/usr/sbin/policy-rc.d"

echo "progress 1 asking the archive of $suite" >&2
# The mount namespace keeps its mounts away from the host's.
# shellcheck disable=SC2086
unshare --mount --propagation private mmdebstrap --mode=root --variant=minbase --format=tar --verbose \
    --include=ca-certificates \
    --aptopt='APT::Install-Recommends "false"' \
    --aptopt='Acquire::Languages "none"' \
    "$@" \
    --dpkgopt='path-exclude=/usr/share/doc/*' \
    --dpkgopt='path-include=/usr/share/doc/*/copyright' \
    --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/info/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' \
    --dpkgopt='path-exclude=/usr/share/lintian/*' \
    --customize-hook="sync-in $work/etc /etc" \
    --customize-hook='rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/*.bin "$1"/var/cache/debconf/*-old "$1"/var/log/*.log "$1"/var/log/apt' \
    --customize-hook='rm -f "$1/etc/hostname" "$1/etc/resolv.conf" "$1/etc/machine-id" "$1/etc/apt/apt.conf.d/99mmdebstrap"' \
    --customize-hook='echo "progress 95 writing the archive" >&2' \
    "$suite" "$output" $sources >&2
tar --format=gnu --owner=0 --group=0 --mtime="@$SOURCE_DATE_EPOCH" -C "$work" -rf "$output" ./usr/sbin/policy-rc.d
echo "progress 100 done" >&2
