#!/usr/bin/env bash
# sanitize.sh thread|address: runs the tests under a sanitizer, in a build folder of its own. Targets that
# count allocations crash at start under one, so they are left out.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source-path=SCRIPTDIR
. .ci/steps.sh
case ${1:-} in thread | address) ;; *) die "name the sanitizer: thread or address" ;; esac
# The tests with servers of the edges have threads and C libraries; services run as processes beside them.
export TAPELINE_TESTS=pure,servers SWIFT_BACKTRACE=enable=no TAPELINE_TIER=check
build_flags=(--scratch-path ".build/$1" --disable-index-store --sanitize "$1")
step 'Servers' servers deploy/local/servers.sh --tests
step "Build ($1)" "build-$1" build_tests
run_tests "$1" --skip TidyTests
