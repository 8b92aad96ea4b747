#!/usr/bin/env bash
# golden.sh: makes the golden files of the formats again: packets, checkpoints, recordings, dead letters. Until the first
# release formats change in place, and this is the one command after a change. 'git diff' shows what it did: each changed
# byte has to be meant. After the first release only files are added.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck disable=SC2034
program=golden
# shellcheck source=messages.sh
. deploy/local/messages.sh

suites='GoldenPacketTests|SnapshotTests|NumberGoldenTests|RecordingFileTests|DeadLetterTests'
folders=(Tests/{TapeCodec,StreamCore,ReplayProvider}Tests/Golden Tests/TapeTransportTests/DeadLetters/Golden)
run_suites() { swift test --disable-xctest --filter "$suites" "$@"; }

swift build --build-tests
for folder in "${folders[@]}"; do rm -f "$folder"/*; done
# A test whose file is missing writes it, and fails.
run_suites --skip-build >/dev/null 2>&1 || true
run_suites --skip-build
git status --short -- "${folders[@]}"
say "the demo's recording holds packets, too: deploy/local/demo-recording.sh makes it again"
