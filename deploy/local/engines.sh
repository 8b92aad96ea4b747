#!/usr/bin/env bash
# engines.sh [--of NAME] [SCRIPT [ARGUMENT...]]: installs Python packages of other projects, with
# which tests and benchmarks compare ours, from the Python package index into .local/NAME of the
# checkout. Then it runs SCRIPT with a Python that finds them. NAME.packages lists the packages;
# NAME is engines if not given.
#
# An existing installation is kept. Two runs at the same time wait for each other. An interrupted
# run leaves nothing. Status 3 means that the packages are not available here, because of the index
# or of this Python's version.
set -euo pipefail
umask 022
name=engines
if [ "${1:-}" = --of ]; then
    name=$2
    shift 2
fi
# shellcheck disable=SC2034
program=$name
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source-path=SCRIPTDIR
. "$here/messages.sh"

packages=$here/$name.packages
[ -f "$packages" ] || die "there is no $packages"
target=$(realpath -m "$here/../../.local/$name")
megabytes_needed=2000

python_with_pip() {
    local python
    for python in python3 /usr/bin/python3; do
        if "$python" -m pip --version >/dev/null 2>&1; then command -v "$python"; return 0; fi
    done
    die "python3 with pip is missing: run deploy/local/prerequisites.sh"
}

python=$(python_with_pip)
# Compiled parts work only with one version of Python.
stamp="made by deploy/local/engines.sh: $(
    { "$python" --version; cat "$packages"; } | sha256sum | cut -c 1-16
)"

is_ready() { [ "$(cat "$target/.stamp" 2>/dev/null)" = "$stamp" ]; }

fetch() {
    local started=$EPOCHREALTIME work=$target.new
    [ "$(df -Pm "$(dirname "$target")" | awk 'NR == 2 { print $4 }')" -ge "$megabytes_needed" ] ||
        die "$target needs $megabytes_needed MB on its disk"
    rm -rf "$work"
    say "fetching $(sed -n 's/==.*//p' "$packages" | paste -sd, | sed 's/,/, /g')"
    if ! "$python" -m pip install --quiet --disable-pip-version-check --no-compile --retries 2 \
        --timeout 20 --only-binary=:all: --requirement "$packages" \
        --target "$work" >"$target.log" 2>&1; then
        say "cannot fetch them: $(grep -m 1 '^ERROR' "$target.log" || last_line "$target.log")"
        exit 3
    fi
    printf '%s\n' "$stamp" >"$work/.stamp"
    rm -rf "$target"
    mv "$work" "$target"
    say "they are there ($(seconds_since "$started") s)"
}

fetch_once() {
    mkdir -p "$(dirname "$target")" || die "cannot make the folder of $target"
    exec 9>"$target.lock"
    flock --timeout 900 9 || die "another run has held $target for 15 minutes"
    trap 'rm -rf "$target.new" "$target.log"' EXIT
    trap 'exit 130' INT TERM HUP
    # The other run may have made it meanwhile.
    is_ready || fetch
    exec 9>&-
}

# Only the script may write to standard output, so messages about the fetching go to standard error.
is_ready || fetch_once >&2
if [ $# -gt 0 ]; then exec env PYTHONPATH="$target" "$python" "$@"; fi
