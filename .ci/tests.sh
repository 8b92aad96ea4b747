#!/usr/bin/env bash
# tests.sh TIER...: builds and runs the test targets of tiers (pure, servers, stacks, night). For `make
# night`, which sets how many seeds they run (TAPELINE_TIER).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source-path=SCRIPTDIR
. .ci/steps.sh
[ $# -gt 0 ] || die "name the tiers: pure, servers, stacks, night"
TAPELINE_TESTS=$(IFS=, && echo "$*")
export TAPELINE_TESTS

step 'Debian packages' prerequisites deploy/local/prerequisites.sh --tests
step 'Servers' servers deploy/local/servers.sh --tests
step 'Build' build build_tests
run_tests "tests-${TAPELINE_TESTS//,/-}"
