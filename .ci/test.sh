#!/usr/bin/env bash
# The body of `make test`: what each landing has to pass. Its last lines give the number of tests that
# passed, how the tree has grown, and how old the night's results are (.ci/night.py has the rest).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source-path=SCRIPTDIR
. .ci/steps.sh

# Package.swift reads it: the tests of the other tiers are not built.
export TAPELINE_TESTS=pure,servers,stacks

begin_steps test
[ ! -e "$scratch" ] || partial_step=Build
step 'Debian packages' prerequisites deploy/local/prerequisites.sh --tests
step 'Servers' servers deploy/local/servers.sh --tests
step 'Format' format check_format
step 'Build' build build_tests
no_warnings || die "the build has warnings"
echo 'Tests …'
measured Tests run_tests tests

echo 'Budget …'
budget_difference
.ci/night.py --age
cat "$logs/tests/summary.txt"
