#!/usr/bin/env bash
# The body of `make coverage`: builds with counters, in a folder of its own, runs the tests of each landing,
# prints line coverage per target and the files with the most uncovered lines, and holds each target to its
# floor.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source-path=SCRIPTDIR
. .ci/steps.sh
scratch=.build/coverage
build_flags=(--scratch-path "$scratch" --enable-code-coverage)
coverage_json=$scratch/coverage.json
coverage_lcov=$scratch/coverage.lcov
export TAPELINE_TESTS=pure,servers,stacks TAPELINE_TIER=test
floor=85
files_shown=10

# Profiles of earlier runs are removed, because they would be counted as coverage. Processes share a few of
# them (%8m): one for each of some thousand processes takes minutes to merge.
profiled_tests() {
    local codecov
    codecov=$(binaries)/codecov
    mkdir -p "$codecov"
    rm -f "$codecov"/*.profraw
    LLVM_PROFILE_FILE=$codecov/%8m.profraw run_tests coverage --skip TidyTests
}

# Prints the folder of the toolchain's own programs. Another version of llvm-cov cannot read its
# profiles.
toolchain() { dirname "$(readlink -f "$(command -v swift)")"; }

# The package manager merges profiles only after a run that it started and that passed, and exports
# only the test bundle. So both steps are done here. Services that tests start also write profiles
# (they inherit LLVM_PROFILE_FILE, one file per process) and are included.
export_coverage() {
    local tools bin profile program objects=()
    tools=$(toolchain)
    bin=$(swift build "${build_flags[@]}" --show-bin-path)
    profile=$bin/codecov/default.profdata
    # The damaged profile of a killed program must not make the others useless.
    "$tools/llvm-profdata" merge -sparse --failure-mode=all "$bin"/codecov/*.profraw -o "$profile"
    for program in $(executables); do
        [ ! -x "$bin/$program" ] || objects+=(-object "$bin/$program")
    done
    "$tools/llvm-cov" export -summary-only -instr-profile="$profile" \
        "$bin"/*PackageTests.xctest "${objects[@]}" >"$coverage_json"
    "$tools/llvm-cov" export -format=lcov -summary-only -instr-profile="$profile" \
        "$bin"/*PackageTests.xctest "${objects[@]}" >"$coverage_lcov"
}

# Prints the names of the executable products in Package.swift.
executables() {
    swift package --scratch-path "$scratch" describe |
        awk '/^Products:/ { on = 1 } /^Targets:/ { on = 0 }
            on && /Name:/ { name = $2 } on && /Executable/ { print name }'
}

# lines_per_file: prints path, lines and covered lines, for sources, equipment and services only.
lines_per_file() {
    awk -F: -v root="$PWD/" '
        /^SF:/ { path = substr($0, 4); sub("^" root, "", path) }
        /^LF:/ { count = $2 }
        /^LH:/ { covered = $2 }
        /^end_of_record/ && path ~ /^(Sources|Equipment|services)\// { print path "\t" count "\t" covered }
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
        sort -rn | sed -n "1,${files_shown}p"
    printf '\nLine by line: %s show -instr-profile=%s %s FILE\n' "$(toolchain)/llvm-cov" \
        "$scratch/debug/codecov/default.profdata" "$scratch/debug/*PackageTests.xctest"
}

# The house rule that reads the coverage.
hold_to_floor() {
    TAPELINE_COVERAGE_JSON=$PWD/$coverage_json LLVM_PROFILE_FILE=/dev/null run_tests house-rules --only TidyTests
}

step 'Servers' servers deploy/local/servers.sh --tests
step 'Build' build build_tests
echo 'Tests …'
profiled_tests
step 'Coverage' coverage export_coverage
table
least_covered
hold_to_floor
