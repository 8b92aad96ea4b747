#!/usr/bin/env bash
# build.sh [PROVIDERS | --all]: builds what `make demo` and `make up` run (release): the services, the
# tool and the simulated TWS; beside these the simulators of PROVIDERS, separated by commas, or all.
# The compiler's output goes to .build/logs/build-programs.log.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
program=build
logs=.build/logs
# shellcheck source=messages.sh
. deploy/local/messages.sh
# shellcheck source=steps.sh
. deploy/local/steps.sh

programs='tapeline provider-gateway operator-worker store-writer cockpit ibkr-simulator'
for folder in Equipment/*-simulator; do
    simulator=${folder##*/}
    if [[ "${1:-}" == --all || ",${1:-}," == *",${simulator%-simulator},"* ]] &&
        [ "$simulator" != ibkr-simulator ]; then
        programs+=" $simulator"
    fi
done

# Package.swift reads both.
TAPELINE_REVISION=$(deploy/local/revision.sh)
export TAPELINE_REVISION TAPELINE_PROGRAMS=$programs

package=$logs/package.json
mkdir -p "$logs"
rm -f "$package"

build() {
    swift package describe --type json >"$package.new"
    mv "$package.new" "$package"
    exec swift build -c release --static-swift-stdlib -debug-info-format none
}

# In place of the last line of the log: how far the build is, and how long it will take.
watch_step() { # watch_step PROCESS TITLE LOG START
    deploy/local/progress.py --process "$1" --title "$2" --log "$3" --package "$package" || true
}

# A build of what changed says nothing about what a build costs.
[ -e .build/release ] || begin_steps build
step 'Programs (release)' build-programs build
