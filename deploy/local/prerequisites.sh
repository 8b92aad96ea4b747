#!/usr/bin/env bash
# prerequisites.sh [--tests]: installs the missing Debian packages that the build and the local
# servers need, and with --tests those of the tests, as root or by sudo, and checks the Swift
# toolchain. If nothing is missing, it changes nothing.
set -euo pipefail
# shellcheck disable=SC2034
program=prerequisites
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/messages.sh"

swift_needed=6.2
packages=(
    # The C libraries that the package links (Package.swift) and one header-only library.
    libnats-dev libpq-dev libhiredis-dev libmicrohttpd-dev libssl-dev libyaml-dev libxxhash-dev
    libcurl4-openssl-dev libwebsockets-dev zlib1g-dev
    # What the Swift toolchain itself links and calls.
    binutils git libc6-dev libcurl4 libncurses6 libsqlite3-0 libstdc++-12-dev libxml2
    # For the Makefile, for fetching the servers, for the Python package, and for PostgreSQL's time zones.
    ca-certificates make python3 python3-pip python3-venv tzdata
)
# For tests: a browser, the clock of a gateway, counting instructions, making and judging packages, bare Debians and
# their loopback, the sample's store, types of the cockpit's scripts.
if [ "${1:-}" = --tests ]; then packages+=(chromium-headless-shell chrpath debootstrap dpkg-dev iproute2 libfaketime libsqlite3-dev lintian node-typescript systemd valgrind); fi

missing_packages() {
    local name
    local -A installed=()
    while read -r name; do installed[$name]=1; done < <(
        dpkg-query --show --showformat '${db:Status-Status} ${Package}\n' "${packages[@]}" \
            2>/dev/null | sed -n 's/^installed //p'
    )
    for name in "${packages[@]}"; do
        [ -n "${installed[$name]:-}" ] || printf '%s\n' "$name"
    done
}

# Prints the prefix for apt-get: nothing for root, sudo for a user who may use it.
privilege() {
    if [ "$(id -u)" = 0 ]; then return 0; fi
    command -v sudo >/dev/null || return 1
    # Without a terminal no password can be typed.
    if ! [ -t 0 ]; then sudo -n true 2>/dev/null || return 1; fi
    printf 'sudo'
}

install_packages() {
    local log started=$EPOCHREALTIME as_root
    as_root=$(privilege) ||
        die "neither root nor sudo; let root run: apt-get install --no-install-recommends $*"
    say "installing by ${as_root:+sudo }apt-get: $*"
    log=$(mktemp -d) || die "cannot write a log: is the disk full?"
    # The update may fail, because a broken package source of this machine must not matter. The
    # install reports whether a needed package is missing.
    $as_root apt-get update -q </dev/null >"$log/update" 2>&1 || true
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends \
        -o DPkg::Lock::Timeout=120 "$@" </dev/null >"$log/install" 2>&1 ||
        die "apt-get failed: $(grep -m 1 '^E:' "$log/install" || last_line "$log/install")" \
            "$(grep -m 1 '^[EW]:' "$log/update" || true) (all of it: $log)"
    rm -rf "$log"
    say "installed in $(seconds_since "$started") s"
}

check_swift() {
    local told major minor advice
    advice="install Swift $swift_needed or newer (https://www.swift.org/install/linux) on the PATH"
    command -v swift >/dev/null || die "swift is missing: $advice"
    told=$(swift --version 2>&1) || die "swift does not run: ${told%%$'\n'*}: $advice"
    [[ $told =~ Swift\ version\ ([0-9]+)\.([0-9]+) ]] ||
        die "swift tells no version (${told%%$'\n'*}): $advice"
    major=${BASH_REMATCH[1]} minor=${BASH_REMATCH[2]}
    if ((major * 1000 + minor < ${swift_needed%.*} * 1000 + ${swift_needed#*.})); then
        die "swift $major.$minor is too old: $advice"
    fi
}

command -v dpkg-query >/dev/null || die "this is no Debian: install by hand: ${packages[*]}"
mapfile -t missing < <(missing_packages)
if [ "${#missing[@]}" -gt 0 ]; then install_packages "${missing[@]}"; fi
check_swift
if [ "${#missing[@]}" = 0 ]; then say "all there"; fi
