# shellcheck shell=bash
# The steps that `make check`, `make test`, `make night` and the storms share. Sourced; the caller's
# working folder is the checkout.

# shellcheck disable=SC2034
program=test
logs=.build/logs
# shellcheck source=../deploy/local/messages.sh
. deploy/local/messages.sh
# shellcheck source=../deploy/local/steps.sh
. deploy/local/steps.sh

# Tests have a build folder of their own, because other flags would build everything again. Nobody looks
# at debug information or the index of these builds, and without them the build takes a third less.
scratch=.build/checked
build_flags=(
    --scratch-path "$scratch" --disable-index-store -debug-info-format none
    --explicit-target-dependency-import-check error)
# Package.swift reads it.
export TAPELINE_QUICK_TESTS=1

check_format() {
    git ls-files -z --cached --others --exclude-standard '*.swift' |
        xargs -0 swift format lint --strict --parallel
}

# Warnings of the compiler are already errors. This also turns those of the package manager into
# errors.
build_tests() { swift build --build-tests "${build_flags[@]}"; }

no_warnings() { ! grep -E 'warning:' "$logs/build.log"; }

binaries() { swift build "${build_flags[@]}" --show-bin-path; }

run_tests() { # run_tests FOLDER-OF-LOGS ARGUMENT...
    local folder=$logs/$1
    shift
    .ci/run-tests.py "$(binaries)/tapelinePackageTests.xctest" --logs "$folder" "$@"
}

# Shows how the tree and the steps of this run differ from .ci/budget.json. It fails for no figure: the
# house rule judges, and of no time.
budget_difference() { .ci/budget.py --compare; }
