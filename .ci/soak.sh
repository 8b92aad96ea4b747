#!/usr/bin/env bash
# What `make soak NAME=... SEEDS=...` does: runs one of the storms with so many fresh seeds. `make test` runs
# each of them with one, except those that are scripts of .ci/soak. A failure names its seed; docs/TESTING.md tells
# how to run that one again.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source-path=SCRIPTDIR
. .ci/steps.sh

name=${1:-} seeds=${2:-}
scripts='versions live binance alpaca massive polled load cluster failover restore pages questions'
is_script() { [[ " $scripts " == *" $name "* ]]; }
[ -n "$seeds" ] || if is_script; then seeds=1; else seeds=20; fi
[[ $seeds =~ ^[1-9][0-9]*$ ]] || die "SEEDS is '$seeds', which is no number of seeds"
case $name in
kills) storm='KillTests/(killServices|storm|schedule)\(' key=TAPELINE_SEEDS ;;
churn) storm='ChurnTests/schedule\(' key=TAPELINE_SEEDS ;;
network) storm='NetworkTests/schedule\(' key=TAPELINE_SEEDS ;;
tape) storm='TapeProxyTests/schedule\(' key=TAPELINE_SEEDS ;;
# One seed has as many faults as there is time for; a fault every 10 s.
broker) storm='BrokerRunTests/' key=BROKER_SECONDS seeds=$((60 + 10 * seeds)) ;;
*)
    is_script || die "NAME is '$name'; there are kills, churn, network, tape, broker, ${scripts// /, }"
    storm='' key=''
    ;;
esac

step 'Debian packages' prerequisites deploy/local/prerequisites.sh --tests
step 'Servers' servers deploy/local/servers.sh
step 'Build' build build_tests
if [ -z "$storm" ]; then
    step 'Packages of Python' desk deploy/local/engines.sh --of desk
    step 'Client of NATS' nats-clients deploy/local/engines.sh --of nats-clients
    if [ "$name" = versions ] || [ "$name" = live ]; then
        libraries=$PWD/.local/soak
        step 'Decoder' decoder deploy/local/decoder.sh --debug "$(binaries)" "$libraries/libtapeline_decoder.so"
        step 'Transport' transport deploy/local/transport.sh "$libraries/transport"
        export TAPELINE_DECODER=$libraries/libtapeline_decoder.so
        export TAPELINE_TRANSPORT=$libraries/transport/libtapeline_transport.so
        export TAPELINE_ARROW=$libraries/transport/libtapeline_arrow.so
    fi
    export PYTHONPATH=$PWD/.local/desk:$PWD/.local/nats-clients PYTHONDONTWRITEBYTECODE=1 LLVM_PROFILE_FILE=/dev/null
    if [ "$name" = pages ] || [ "$name" = questions ]; then
        step 'Browser' browser deploy/local/engines.sh --of browser
        export PYTHONPATH=$PYTHONPATH:$PWD/.local/browser
    fi
    options=(${SOAK_SECONDS:+--seconds "$SOAK_SECONDS"} ${SOAK_SEED:+--seed "$SOAK_SEED"})
    case $name in
    versions)
        options+=(
            ${SOAK_QUESTIONS:+--questions "$SOAK_QUESTIONS"} ${SOAK_EVERY:+--every "$SOAK_EVERY"})
        ;;
    binance)
        options+=(
            ${SOAK_RATE:+--rate "$SOAK_RATE"} ${SOAK_SYMBOLS:+--symbols "$SOAK_SYMBOLS"}
            ${SOAK_NO_FILL:+--no-fill} ${SOAK_HOT_HOT:+--hot-hot})
        ;;
    alpaca | massive)
        options+=(${SOAK_RATE:+--rate "$SOAK_RATE"} ${SOAK_SYMBOLS:+--symbols "$SOAK_SYMBOLS"})
        ;;
    restore) options+=(${SOAK_RATE:+--rate "$SOAK_RATE"} ${SOAK_AFTER:+--after "$SOAK_AFTER"}) ;;
    pages) options+=(${SOAK_SYMBOLS:+--symbols "$SOAK_SYMBOLS"} ${SOAK_CLIENTS:+--clients "$SOAK_CLIENTS"}) ;;
    failover) options+=(${SOAK_RATE:+--rate "$SOAK_RATE"}) ;;
    cluster) options+=(${SOAK_RATE:+--rate "$SOAK_RATE"} ${SOAK_EVERY:+--every "$SOAK_EVERY"}
        ${SOAK_OUTAGE:+--outage "$SOAK_OUTAGE"}) ;;
    questions) options=(${SOAK_SEED:+--seed "$SOAK_SEED"}) ;;
    load)
        options=(
            ${SOAK_SEED:+--seed "$SOAK_SEED"} ${SOAK_HOURS:+--hours "$SOAK_HOURS"} ${SOAK_RATE:+--rate "$SOAK_RATE"}
            ${SOAK_SYMBOLS:+--symbols "$SOAK_SYMBOLS"})
        ;;
    esac
    for ((run = 0; run < seeds; run++)); do
        python3 ".ci/soak/$name.py" "$(binaries)" "${options[@]}"
    done
    exit
fi
env LLVM_PROFILE_FILE=/dev/null TAPELINE_TIER=night "$key=$seeds" "$(binaries)/tapelinePackageTests.xctest" \
    --testing-library swift-testing --no-parallel --filter "$storm"
