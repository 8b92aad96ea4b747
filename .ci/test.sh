#!/usr/bin/env bash
# The body of `make test`: runs every check. Its last line gives the number of tests that passed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source-path=SCRIPTDIR
. .ci/steps.sh

begin_steps test
[ ! -e "$scratch" ] || partial_step=Build
step 'Debian packages' prerequisites deploy/local/prerequisites.sh --tests
step 'Servers' servers deploy/local/servers.sh
step 'Format' format check_format
step 'Build' build build_tests
no_warnings || die "the build has warnings"
step 'Instructions per packet' instructions packet_instructions
echo 'Tests …'
measured Tests profiled_tests
step 'Coverage' coverage export_coverage

echo 'Budget …'
budget_difference

# The house rules run last, because one of them reads the coverage of the tests above.
echo 'House rules …'
TAPELINE_COVERAGE_JSON=$PWD/$coverage_json LLVM_PROFILE_FILE=/dev/null run_tests house-rules --only TidyTests
