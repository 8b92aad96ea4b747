#!/usr/bin/env bash
# What `make sample` does: builds the sample package by itself, as its reader does, and runs the test of it
# with those programs. `make test` runs the same test with programs that this package builds of the same
# sources: a second build of all modules takes two minutes.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source-path=SCRIPTDIR
. .ci/steps.sh

package=(--package-path Samples/tapeline-sample --scratch-path .build/sample)

build_sample() { swift build "${package[@]}"; }
test_sample() { swift test --disable-xctest "${package[@]}"; }

step 'Sample package' build-sample build_sample
step "The sample's own test" test-sample test_sample
step 'Build' build build_tests
TAPELINE_SAMPLE_PROGRAMS=$(swift build "${package[@]}" --show-bin-path) \
    run_tests sample --only SampleTests
