#!/usr/bin/env bash
# previous.sh: builds the programs of the release before this one (previous.release), once, for the
# tests of an upgrade. They stay in .local/previous/<commit>, or in TAPELINE_PREVIOUS/<commit>, with
# the files of that release that they read: in the layout of a checkout, so that its tool works there.
# Takes some five minutes on two cores. An interrupted run leaves nothing that counts.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck disable=SC2034
program=previous
# shellcheck source=messages.sh
. deploy/local/messages.sh

programs=(provider-gateway operator-worker store-writer tapeline ibkr-simulator)
commit=$(grep -v '^#' deploy/local/previous.release)
kept=$(realpath -m "${TAPELINE_PREVIOUS:-.local/previous}")/$commit
if [ -x "$kept/.build/release/tapeline" ]; then
    say "$kept is there"
    exit 0
fi

git cat-file -e "$commit^{commit}" 2>/dev/null ||
    die "this checkout does not have commit $commit: run 'git fetch --unshallow'"
work=$kept.new
log=$kept.log
mkdir -p "$(dirname "$kept")"
exec 9>"$kept.lock"
flock 9
rm -rf "$work"
mkdir -p "$work/source" "$work/kept/.build/release"
git archive "$commit" | tar -x -C "$work/source"

say "building ${programs[*]} of ${commit:0:8}; the compiler writes to $log"
: >"$log"
for name in "${programs[@]}"; do
    (cd "$work/source" && swift build -c release --static-swift-stdlib --product "$name") \
        >>"$log" 2>&1 </dev/null || die "cannot build $name of ${commit:0:8}: $(last_line "$log")"
    install "$work/source/.build/release/$name" "$work/kept/.build/release/$name"
done
cp -a "$work/source/deploy" "$work/source/services" "$work/kept/"
rm -rf "$kept"
mv "$work/kept" "$kept"
rm -rf "$work"
say "the programs are in $kept/.build/release"
