# shellcheck shell=bash
# The steps that `make test` and `make coverage` share. Sourced; the caller stands in the checkout.
#
# Each step writes into a log of its own and shows one line: that it runs, how far it is, how long
# it took. Of a failing step its errors are shown, else the log's end.

# Instrumented code has a build folder of its own: other flags in the same one build all anew.
scratch=.build/checked
logs=.build/logs
coverage_json=$scratch/coverage.json
coverage_lcov=$scratch/coverage.lcov
build_flags=(--scratch-path "$scratch" --enable-code-coverage)
# A hung test must not hang the run. Far above what the slowest machine needs.
# By an interrupt: with any other signal the runner leaves its tests and their servers running.
test_seconds_max=3600
again_seconds_max=600
# How many tests may fail beside others and pass alone.
unsteady_max=5
test_events=$logs/test-events.json
# After a crash in a test, swift-backtrace may hold the output for minutes.
export SWIFT_BACKTRACE=${SWIFT_BACKTRACE:-enable=no}

die() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

seconds() { printf '%d' $((SECONDS - $1)); }

# The last line with text in it, cut to a terminal's width.
last_line() { tail -c 2000 "$1" | tr '\r' '\n' | grep -av '^[[:space:]]*$' | tail -n 1 | cut -c 1-90; }

# On a terminal all the time, elsewhere every 30 seconds: nobody has to ask whether it still runs.
watch_step() { # watch_step PROCESS TITLE LOG START
    local next=30 passed
    while kill -0 "$1" 2>/dev/null; do
        sleep 0.2
        passed=$(seconds "$4")
        if [ -t 1 ]; then
            printf '\r\033[K%s … %s s  %s' "$2" "$passed" "$(last_line "$3" || true)"
        elif [ "$passed" -ge "$next" ]; then
            printf '    … %s s  %s\n' "$passed" "$(last_line "$3" || true)"
            next=$((next + 30))
        fi
    done
    [ ! -t 1 ] || printf '\r\033[K'
}

# step TITLE LOG COMMAND...: runs COMMAND; where it fails, all ends with its status.
step() { try_step "$@" || exit; }

# The same, and goes on: its status is COMMAND's.
try_step() {
    local title=$1 log=$logs/$2.log start=$SECONDS status=0 process
    shift 2
    mkdir -p "$logs"
    [ -t 1 ] || printf '%s …\n' "$title"
    "$@" >"$log" 2>&1 </dev/null &
    process=$!
    # A job in the background does not hear Ctrl-C by itself.
    # shellcheck disable=SC2064
    trap "kill $process 2>/dev/null; exit 130" INT TERM
    watch_step "$process" "$title" "$log" "$start"
    wait "$process" || status=$?
    trap - INT TERM
    if [ "$status" != 0 ]; then
        printf '✘ %s failed after %s s (status %s)\n' "$title" "$(seconds "$start")" "$status"
        show_failure "$log"
        return "$status"
    fi
    printf '✔ %s: %s s\n' "$title" "$(seconds "$start")"
}

# What a person needs of a failed step's log: its errors once each, else its end. What a test says
# of its failure goes on until the runner's next line.
show_failure() {
    local errors
    errors=$(awk -v lines_max=60 '
        /^(◇|✔)/ { left = 0; next }
        /✘ Test .* recorded/ { left = lines_max }
        /^✘/ && !/ recorded / { left = 0; next }
        /^↳ (Testing Library|Target Platform|\/\/\/)/ { next }
        left > 0 || /^↳ |error:|Fatal error/ { left--; if (!seen[$0]++) print }
        ' "$1" | head -n 400) || true
    if [ -n "$errors" ]; then printf '%s\n' "$errors"; else tail -n 40 "$1"; fi
    printf 'The whole log: %s\n' "$1"
}

check_format() {
    git ls-files -z --cached --others --exclude-standard '*.swift' |
        xargs -0 swift format lint --strict --parallel
}

# Warnings of the compiler are errors already; this catches those of the package manager.
build_tests() {
    swift build --build-tests "${build_flags[@]}" --explicit-target-dependency-import-check error
}

no_warnings() { ! grep -E 'warning:' "$logs/build.log"; }

# test_count LOG: how many tests the runner ran; a filter that matches nothing succeeds.
test_count() {
    sed -n 's/^.*Test run with \([0-9]*\) tests\{0,1\} .*\(passed\|failed\).*$/\1/p' "$1" | tail -n 1
}

closing_line() { grep -a 'Test run with' "$1" | tail -n 1; }

need_tests() { # need_tests LOG LEAST
    local count
    count=$(test_count "$1")
    [ "${count:-0}" -ge "$2" ] || die "only ${count:-0} tests ran, at least $2 were expected: see $1"
}

# Tests of traps run by themselves. The runner waits for any child of its process, sees the same
# one again and again while somebody else's child has ended and is not waited for yet, and misses
# its own: beside tests that start servers it may hang.
run_trap_tests() {
    timeout -s INT -k 20 "$test_seconds_max" \
        swift test --skip-build --disable-xctest "${build_flags[@]}" --filter '/traps[A-Z]'
}

run_tests() {
    timeout -s INT -k 20 "$test_seconds_max" \
        swift test --skip-build --disable-xctest "${build_flags[@]}" \
        --event-stream-output-path "$test_events" --event-stream-version 0 \
        --skip TidyTests --skip '/traps[A-Z]'
}

# failed_tests EVENTS: of a run that came to its end the tests that failed, as the runner names them;
# nothing of one that did not (a crash, the time limit).
failed_tests() {
    grep -q '"kind":"runEnded"' "$1" || return 0
    grep '"kind":"testEnded"' "$1" | grep '"symbol":"fail"' | sed 's#\\/#/#g' |
        sed -n 's#.*"testID":"\(.*\)/[^/"]*\.swift:[0-9]*:[0-9]*".*#\1#p' | sort -u
}

# run_again TEST...: these tests, one behind the other. A name that begins one of others runs them, too.
run_again() {
    local name filters=()
    for name in "$@"; do
        filters+=(--filter "^$(printf '%s' "$name" | sed 's#[][().*+?^${}|\\]#\\&#g')")
    done
    # Without a profile: the coverage is that of the first run.
    LLVM_PROFILE_FILE=/dev/null timeout -s INT -k 20 "$again_seconds_max" \
        swift test --skip-build --disable-xctest --no-parallel --scratch-path "$scratch" \
        "${filters[@]}"
}

# The tests beside one another. One that fails there runs again by itself: when it passes then, it is
# named as unsteady, with all that it said, and the run goes on. What fails twice, or more tests than
# a busy machine explains, fail the run.
check_tests() {
    local failed=()
    ! try_step 'Tests' tests run_tests || return 0
    mapfile -t failed < <(failed_tests "$test_events")
    if [ "${#failed[@]}" = 0 ] || [ "${#failed[@]}" -gt "$unsteady_max" ]; then return 1; fi
    try_step "Again, alone: ${failed[*]}" tests-again run_again "${failed[@]}" || return 1
    need_tests "$logs/tests-again.log" "${#failed[@]}"
    printf '⚠ unsteady, look at what it said above: %s\n' "${failed[@]}"
    closing_line "$logs/tests-again.log"
}

# The folder of the toolchain's own programs: another llvm-cov does not read its profiles.
toolchain() { dirname "$(readlink -f "$(command -v swift)")"; }

# The package manager puts profiles together behind a run that passed alone, and exports what the test
# bundle holds: both is done here. Services that tests start as processes write profiles, too (they
# inherit LLVM_PROFILE_FILE, one file per process), and count here.
export_coverage() {
    local tools bin profile program objects=()
    tools=$(toolchain)
    bin=$(swift build "${build_flags[@]}" --show-bin-path)
    profile=$bin/codecov/default.profdata
    # A program that was killed while it wrote its profile does not spoil the others'.
    "$tools/llvm-profdata" merge -sparse --failure-mode=all "$bin"/codecov/*.profraw -o "$profile"
    for program in $(executables); do
        [ ! -x "$bin/$program" ] || objects+=(-object "$bin/$program")
    done
    "$tools/llvm-cov" export -summary-only -instr-profile="$profile" \
        "$bin"/*PackageTests.xctest "${objects[@]}" >"$coverage_json"
    "$tools/llvm-cov" export -format=lcov -summary-only -instr-profile="$profile" \
        "$bin"/*PackageTests.xctest "${objects[@]}" >"$coverage_lcov"
}

# Names of the executable products, as Package.swift declares them.
executables() {
    swift package --scratch-path "$scratch" describe |
        awk '/^Products:/ { on = 1 } /^Targets:/ { on = 0 }
            on && /Name:/ { name = $2 } on && /Executable/ { print name }'
}
