#!/usr/bin/env bash
# demo-recording.sh [FILE]: makes the recording that is inside the Python package, tapeline.demo(). FILE is
# Sources/Desk/python/tapeline/demo.tape if not given, and is replaced. It needs what 'make up' has built and
# fetched, and takes three minutes.
#
# A local stack of its own has a synthetic market, whose seed is fixed; its prices also depend on the time.
# Its gateway begins with a past of five minutes, is away for a quarter of a minute, and loses the ticks of
# that time, so that the recording has gap records. Then it goes on for nearly two minutes, in which bars are
# known soon after their windows.
set -euo pipefail
# shellcheck disable=SC2034
program=demo-recording
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source-path=SCRIPTDIR
. "$here/messages.sh"
cd "$here/../.."
file=$(realpath -m "${1:-Sources/Desk/python/tapeline/demo.tape}")
bytes_max=400000

name=demo-recording
tool=.build/release/tapeline
# Of the gateway that comes back, too: a stack keeps only what is given to each start.
settings=(
    SYNTHETIC_SEED=7 SYNTHETIC_SYMBOLS=AAPL,MSFT,SPY SYNTHETIC_RATE=6 SYNTHETIC_BACKLOG=5m
    SYNTHETIC_MISSED=lost GATEWAY_LATENCY=1s OPERATOR_SERIES=10s,1m MDS_STREAM_BYTES=64MiB
)
[ -x "$tool" ] || die "$tool is missing: run 'make build'"
folder=.local/stack/$name
[ ! -e "$folder" ] || die "$folder is there: end that stack with 'tapeline down --name $name', and remove it"
work=$(mktemp -d "${TMPDIR:-/tmp}/tapeline-demo.XXXXXX")
clean() {
    "$tool" down --name "$name" >/dev/null 2>&1 || true
    rm -rf "$work" "$folder"
}
trap clean EXIT
trap 'exit 130' INT TERM HUP

start() { "$tool" up --name "$name" $(printf -- '--set %s ' "${settings[@]}"); }

say "the first part"
start
sleep 20
"$tool" down --name "$name"
sleep 15
say "the second part"
start
sleep 100
"$tool" record --name "$name" --source synthetic -o "$work/demo.tape"
size=$(stat -c %s "$work/demo.tape")
[ "$size" -le "$bytes_max" ] || die "the recording has $size bytes, and at most $bytes_max are to be in the wheel"
mv "$work/demo.tape" "$file"
say "$file, $size bytes"
