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
for folder in Sources/Kit/*-simulator; do
    simulator=${folder##*/}
    if [[ "${1:-}" == --all || ",${1:-}," == *",${simulator%-simulator},"* ]] &&
        [ "$simulator" != ibkr-simulator ]; then
        programs+=" $simulator"
    fi
done

# Package.swift reads both.
TAPELINE_REVISION=$(deploy/local/revision.sh)
export TAPELINE_REVISION TAPELINE_PROGRAMS=$programs

build() { swift build -c release --static-swift-stdlib; }

step 'Programs (release)' build-programs build
