# shellcheck shell=bash
# The steps that `make test` and `make coverage` share. Sourced; the caller's working folder is the
# checkout.

# shellcheck disable=SC2034
program=test
logs=.build/logs
# shellcheck source=../deploy/local/messages.sh
. deploy/local/messages.sh
# shellcheck source=../deploy/local/steps.sh
. deploy/local/steps.sh

# Instrumented code has a separate build folder. In a shared one, other flags would rebuild
# everything.
scratch=.build/checked
coverage_json=$scratch/coverage.json
coverage_lcov=$scratch/coverage.lcov
build_flags=(--scratch-path "$scratch" --enable-code-coverage)
# Package.swift reads it.
export TAPELINE_QUICK_TESTS=1

check_format() {
    git ls-files -z --cached --others --exclude-standard '*.swift' |
        xargs -0 swift format lint --strict --parallel
}

# Warnings of the compiler are already errors. This also turns those of the package manager into
# errors.
build_tests() {
    swift build --build-tests "${build_flags[@]}" --explicit-target-dependency-import-check error
}

no_warnings() { ! grep -E 'warning:' "$logs/build.log"; }

# Holds the instructions that the pure parts spend on a packet to their bounds. Only optimised code
# says anything, so one program is built as `make build` builds it, with the modules it needs.
packet_instructions() {
    local flags=(-c release --static-swift-stdlib)
    env -u TAPELINE_QUICK_TESTS swift build "${flags[@]}" --product PacketInstructions &&
        .ci/packet-instructions.py "$(swift build "${flags[@]}" --show-bin-path)/PacketInstructions"
}

binaries() { swift build "${build_flags[@]}" --show-bin-path; }

run_tests() { # run_tests FOLDER-OF-LOGS ARGUMENT...
    local folder=$logs/$1
    shift
    .ci/run-tests.py "$(binaries)/tapelinePackageTests.xctest" --logs "$folder" "$@"
}

# Runs all tests except the house rules. Profiles of earlier runs are removed, because they would be
# counted as coverage.
profiled_tests() {
    local codecov
    codecov=$(binaries)/codecov
    mkdir -p "$codecov"
    rm -f "$codecov"/*.profraw
    LLVM_PROFILE_FILE=$codecov/%m.%p.profraw run_tests tests --skip TidyTests
}

# Shows how the tree and the steps of this run differ from .ci/budget.json. It fails for no figure: the
# house rule judges, and of no time.
budget_difference() { .ci/budget.py --compare; }

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
