#!/usr/bin/env bash
# What `make soak NAME=... SEEDS=...` does: runs one of the storms with so many fresh seeds. `make test` runs
# each of them with one. A failure names its seed; docs/TESTING.md tells how to run that one again.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source-path=SCRIPTDIR
. .ci/steps.sh

name=${1:-} seeds=${2:-20}
[[ $seeds =~ ^[1-9][0-9]*$ ]] || die "SEEDS is '$seeds', which is no number of seeds"
case $name in
kills) storm='KillTests/(killServices|storm|schedule)\(' key=KILL_TEST_SEEDS ;;
churn) storm='ChurnTests/schedule\(' key=KILL_TEST_SEEDS ;;
network) storm='NetworkTests/schedule\(' key=KILL_TEST_SEEDS ;;
tape) storm='TapeProxyTests/schedule\(' key=FAULT_SEEDS ;;
# One seed has as many faults as there is time for; a fault every 10 s.
broker) storm='BrokerRunTests/' key=BROKER_SECONDS seeds=$((60 + 10 * seeds)) ;;
*) die "NAME is '$name'; there are kills, churn, network, tape and broker" ;;
esac

step 'Debian packages' prerequisites deploy/local/prerequisites.sh --tests
step 'Servers' servers deploy/local/servers.sh
step 'Build' build build_tests
env LLVM_PROFILE_FILE=/dev/null "$key=$seeds" "$(binaries)/tapelinePackageTests.xctest" \
    --testing-library swift-testing --no-parallel --filter "$storm"
