#!/usr/bin/env bash
# What `make test` does: everything that can fail. It ends with the test runner's closing line.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source-path=SCRIPTDIR
. .ci/steps.sh

step 'Debian packages' prerequisites deploy/local/prerequisites.sh
step 'Servers' servers deploy/local/servers.sh
step 'Format' format check_format
step 'Build' build build_tests
no_warnings || die "the build has warnings"
step 'Traps' traps run_trap_tests
need_tests "$logs/traps.log" 20
check_tests || exit 1
need_tests "$logs/tests.log" 50
closing_line "$logs/tests.log"
step 'Coverage' coverage export_coverage

# House rules last: one of them reads the coverage of the tests above.
status=0
TAPELINE_COVERAGE_JSON=$PWD/$coverage_json LLVM_PROFILE_FILE=/dev/null \
    timeout -s INT -k 20 "$test_seconds_max" \
    swift test --skip-build --disable-xctest --scratch-path "$scratch" --filter TidyTests \
    >"$logs/house-rules.log" 2>&1 </dev/null || status=$?
if [ "$status" != 0 ]; then
    echo '✘ House rules'
    show_failure "$logs/house-rules.log"
else
    need_tests "$logs/house-rules.log" 10
fi
closing_line "$logs/house-rules.log"
exit "$status"
