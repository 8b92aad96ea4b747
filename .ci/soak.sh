#!/usr/bin/env bash
# What `make soak NAME=... SEEDS=...` does: runs a storm with so many fresh seeds, or a script of .ci/soak so often.
# Without a name it prints the names. `make test` runs each storm with one seed. docs/TESTING.md tells how to run a
# seed again.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source-path=SCRIPTDIR
. .ci/steps.sh

name=${1:-} seeds=${2:-}
scripts='versions clocks live binance alpaca massive polled load cluster failover restore pages questions alerts stores'
is_script() { [[ " $scripts " == *" $name "* ]]; }

list_soaks() {
    cat <<'END'
make soak NAME=... [SEEDS=...]

Storms of the tests, with 20 fresh seeds if SEEDS names no other number. TAPELINE_SEED=N runs one again:
  kills      services, NATS, PostgreSQL and Valkey are killed, paused and restarted
  churn      members of groups come and go
  network    links are cut, answers are lost, late and untrue
  tape       publishers and readers alone, with faults of the network
  broker     a gateway on the simulated broker, with a fault every 10 s
  asof       40 questions about past times in each world of moved clocks, 50 worlds if SEEDS names no other number

Scripts of .ci/soak. Each has a stack of its own, and the text at its beginning says what fails, what is compared and
which options it has. SOAK_SECONDS=60 is the option --seconds 60, SOAK_SEED=N runs a seed again. A failure leaves the
folder .local/stack/NAME:
END
    local script
    for script in $scripts; do
        printf '  %-10s %s\n' "$script" "$(sed -n '2{ s/^"""//; s/: `make soak.*//p; }' ".ci/soak/$script.py")"
    done
}
if [ -z "$name" ]; then
    list_soaks
    exit
fi

[ -n "$seeds" ] || if is_script; then seeds=1; elif [ "$name" = asof ]; then seeds=50; else seeds=20; fi
[[ $seeds =~ ^[1-9][0-9]*$ ]] || die "SEEDS is '$seeds', which is no number of seeds"
case $name in
kills) storm='KillTests/(killServices|storm|schedule)\(' key=TAPELINE_SEEDS ;;
churn) storm='ChurnTests/schedule\(' key=TAPELINE_SEEDS ;;
network) storm='NetworkTests/schedule\(' key=TAPELINE_SEEDS ;;
tape) storm='TapeProxyTests/schedule\(' key=TAPELINE_SEEDS ;;
asof) storm='AsOfWorldTests/' key=TAPELINE_SEEDS ;;
# One seed has as many faults as there is time for; a fault every 10 s.
broker) storm='BrokerRunTests/' key=BROKER_SECONDS seeds=$((60 + 10 * seeds)) ;;
*)
    is_script || die "NAME is '$name'; there are kills, churn, network, tape, broker, asof, ${scripts// /, }"
    storm='' key=''
    ;;
esac

# The build of `make test`, which holds all that the storms and scripts need. A night's is optimised for its worlds.
export TAPELINE_TESTS=pure,servers,stacks
unset TAPELINE_TIER
step 'Debian packages' prerequisites deploy/local/prerequisites.sh --tests
step 'Servers' servers deploy/local/servers.sh
step 'Build' build build_tests
if [ -z "$storm" ]; then
    step 'Packages of Python' desk deploy/local/engines.sh --of desk
    step 'Client of NATS' nats-clients deploy/local/engines.sh --of nats-clients
    if [[ $name =~ ^(versions|clocks|live)$ ]]; then
        libraries=$PWD/.local/soak
        step 'Decoder' decoder deploy/local/decoder.sh --debug "$(binaries)" "$libraries/libtapeline_decoder.so"
        step 'Transport' transport deploy/local/transport.sh "$libraries/transport"
        export TAPELINE_DECODER=$libraries/libtapeline_decoder.so
        export TAPELINE_TRANSPORT=$libraries/transport/libtapeline_transport.so
        export TAPELINE_ARROW=$libraries/transport/libtapeline_arrow.so
    fi
    export PYTHONPATH=$PWD/.local/desk:$PWD/.local/nats-clients PYTHONDONTWRITEBYTECODE=1 LLVM_PROFILE_FILE=/dev/null
    if [ "$name" = cluster ]; then
        # The manifest of the tiers of tests has no benchmark.
        bare=(--scratch-path .build/bare --disable-index-store --product CBareTape)
        step 'Bare program' bare env -u TAPELINE_TESTS swift build "${bare[@]}"
        TAPELINE_BARE=$(env -u TAPELINE_TESTS swift build "${bare[@]}" --show-bin-path)/CBareTape
        export TAPELINE_BARE
    fi
    if [ "$name" = pages ] || [ "$name" = questions ]; then
        step 'Browser' browser deploy/local/engines.sh --of browser
        export PYTHONPATH=$PYTHONPATH:$PWD/.local/browser
    fi
    options=()
    for variable in "${!SOAK_@}"; do
        [ -n "${!variable}" ] || continue
        option=${variable#SOAK_}
        option=${option,,}
        options+=("--${option//_/-}")
        # These two options have no value.
        [[ $variable =~ ^SOAK_(NO_FILL|HOT_HOT)$ ]] || options+=("${!variable}")
    done
    for ((run = 0; run < seeds; run++)); do
        python3 ".ci/soak/$name.py" "$(binaries)" "${options[@]}"
    done
    exit
fi
env LLVM_PROFILE_FILE=/dev/null TAPELINE_TIER=night "$key=$seeds" "$(binaries)/tapelinePackageTests.xctest" \
    --testing-library swift-testing --no-parallel --filter "$storm"
