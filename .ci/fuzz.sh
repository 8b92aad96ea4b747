#!/usr/bin/env bash
# fuzz.sh [PACKETS]: reads mutated packets, 10 million by default, with a fresh seed. Release, because only
# that makes so many in minutes.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export FUZZ_PACKETS=${1:-10000000} FUZZ_SEED=${FUZZ_SEED:-$RANDOM$RANDOM} TAPELINE_TESTS=pure
echo "FUZZ_SEED=$FUZZ_SEED FUZZ_PACKETS=$FUZZ_PACKETS"
swift test -c release -Xswiftc -enable-testing --scratch-path .build/fuzz --disable-xctest \
    --filter MalformedPacketTests
