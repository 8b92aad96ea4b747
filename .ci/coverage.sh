#!/usr/bin/env bash
# The body of `make coverage`: prints line coverage per target, and the files with the most
# uncovered lines.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source-path=SCRIPTDIR
. .ci/steps.sh
floor=85
files_shown=10

# lines_per_file: prints path, lines and covered lines, for sources and services only.
lines_per_file() {
    awk -F: -v root="$PWD/" '
        /^SF:/ { path = substr($0, 4); sub("^" root, "", path) }
        /^LF:/ { count = $2 }
        /^LH:/ { covered = $2 }
        /^end_of_record/ && path ~ /^(Sources|services)\// { print path "\t" count "\t" covered }
    ' "$coverage_lcov"
}

# bars: draws a bar for each line of "name, lines, covered lines".
bars() {
    awk -F'\t' -v floor="$floor" '{
        percent = $2 ? 100 * $3 / $2 : 100
        bar = ""
        for (i = 1; i <= 40; i++) bar = bar (i <= percent * 0.4 ? "█" : "░")
        printf "%-18s %s %6.1f %%  %5d of %5d lines%s\n", $1, bar, percent, $3, $2,
            (percent < floor ? "  below the floor of " floor " %" : "")
    }'
}

table() {
    lines_per_file | awk -F'\t' '
        { split($1, part, "/"); name = part[2]; count[name] += $2; covered[name] += $3 }
        END { for (name in count) print name "\t" count[name] "\t" covered[name] }' | sort | bars
    lines_per_file | awk -F'\t' '{ count += $2; covered += $3 }
        END { print "all\t" count "\t" covered }' | bars
}

least_covered() {
    printf '\nMost lines without a test:\n'
    lines_per_file | awk -F'\t' '$2 > $3 {
        printf "%5d of %4d lines not run (%3d %% covered)  %s\n", $2 - $3, $2, 100 * $3 / $2, $1 }' |
        sort -rn | head -n "$files_shown"
    printf '\nLine by line: %s show -instr-profile=%s %s FILE\n' "$(toolchain)/llvm-cov" \
        "$scratch/debug/codecov/default.profdata" "$scratch/debug/*PackageTests.xctest"
}

step 'Servers' servers deploy/local/servers.sh
step 'Build' build build_tests
echo 'Tests …'
profiled_tests
step 'Coverage' coverage export_coverage
table
least_covered
