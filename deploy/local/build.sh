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
    local product
    # Package.swift reads it.
    TAPELINE_REVISION=$(deploy/local/revision.sh)
    export TAPELINE_REVISION
    # The package manager builds either one product at a time or everything.
    for product in tapeline provider-gateway operator-worker store-writer ibkr-simulator; do
        swift build -c release --static-swift-stdlib --product "$product"
    done
}

step 'Programs (release)' build-programs build
