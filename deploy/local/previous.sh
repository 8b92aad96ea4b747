#!/usr/bin/env bash
# previous.sh: builds the programs of the other release, once, for the tests of an upgrade: of the release before this
# one, whose commit is in previous.release, or, where none is there, of a made-up second release of this commit
# (second-release.py). They stay in .local/previous/<name>, or in TAPELINE_PREVIOUS/<name>, with the files of that
# release that they read: in the layout of a checkout, so that its tool works there. Takes some five minutes on two
# cores. An interrupted run leaves nothing that counts.
#
# previous.sh --name: prints the name, <commit> or second-<commit>.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck disable=SC2034
program=previous
# shellcheck source=messages.sh
. deploy/local/messages.sh

programs=(provider-gateway operator-worker store-writer tapeline ibkr-simulator)
commit=$(sed '/^#/d' deploy/local/previous.release)
name=$commit
if [ -z "$commit" ]; then
    commit=$(git rev-parse HEAD)
    name=second-$commit
fi
if [ "${1:-}" = --name ]; then
    echo "$name"
    exit 0
fi
kept=$(realpath -m "${TAPELINE_PREVIOUS:-.local/previous}")/$name
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
[ "$name" = "$commit" ] || deploy/local/second-release.py "$work/source"

say "building ${programs[*]} of ${name:0:15}; the compiler writes to $log"
: >"$log"
for each in "${programs[@]}"; do
    (cd "$work/source" && swift build -c release --static-swift-stdlib -debug-info-format none --product "$each") \
        >>"$log" 2>&1 </dev/null || die "cannot build $each of ${name:0:15}: $(last_line "$log")"
    install "$work/source/.build/release/$each" "$work/kept/.build/release/$each"
done
cp -a "$work/source/deploy" "$work/source/services" "$work/kept/"
rm -rf "$kept"
mv "$work/kept" "$kept"
rm -rf "$work"
say "the programs are in $kept/.build/release"
