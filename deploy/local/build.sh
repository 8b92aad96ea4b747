#!/usr/bin/env bash
# build.sh: builds exactly what `make demo` and `make up` run (release): the services, the tool and
# the simulated TWS. The compiler's output goes to .build/logs/build-programs.log.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
program=build
logs=.build/logs
# shellcheck source=messages.sh
. deploy/local/messages.sh
# shellcheck source=steps.sh
. deploy/local/steps.sh

build() {
    # Package.swift reads both.
    TAPELINE_REVISION=$(deploy/local/revision.sh)
    export TAPELINE_REVISION TAPELINE_PROGRAMS_ONLY=1
    swift build -c release --static-swift-stdlib
}

# A build of what changed says nothing about what a build costs.
[ -e .build/release ] || begin_steps build
step 'Programs (release)' build-programs build
