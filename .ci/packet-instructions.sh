#!/usr/bin/env bash
# Holds the instructions that the pure parts spend on a packet to their bounds. Only optimised code says
# anything, so one program is built as `make build` builds it, with the modules it needs.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
flags=(-c release --static-swift-stdlib -debug-info-format none)
swift build "${flags[@]}" --product PacketInstructions
.ci/packet-instructions.py "$(swift build "${flags[@]}" --show-bin-path)/PacketInstructions"
