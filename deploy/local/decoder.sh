#!/usr/bin/env bash
# decoder.sh [--debug FOLDER] [FILE]: makes libtapeline_decoder.so, with which programs of other languages
# read recordings and packets of the tape (Sources/C/CDecoder/tapeline_decoder.h). FILE is
# .build/python/libtapeline_decoder.so if not given.
#
# The Swift runtime is inside. Only the functions of the header are visible, so that it gets along
# with every other library of a process. With --debug, it is made of what a debug build has put into
# FOLDER already, and uses the Swift runtime of this machine.
set -euo pipefail
# shellcheck disable=SC2034
program=decoder
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source-path=SCRIPTDIR
. "$here/messages.sh"
cd "$here/../.."

kind=release
built=.build/release
if [ "${1:-}" = --debug ]; then
    kind=debug
    built=${2:?which folder has the debug build}
    shift 2
fi
file=${1:-.build/python/libtapeline_decoder.so}
header=Sources/C/CDecoder/tapeline_decoder.h

archive=$built/libtapeline_decoder.a
link=(-emit-library)
if [ $kind = release ]; then
    TAPELINE_REVISION=$("$here/revision.sh") \
        swift build -c release --static-swift-stdlib -debug-info-format none --product tapeline_decoder >&2
    link+=(-static-stdlib -Xlinker --gc-sections -Xlinker --strip-all)
fi
[ -f "$archive" ] || die "$archive is missing: build the package first"

# The linker takes only what is asked for out of an archive, and nothing asks for the functions. So
# it gets the objects themselves.
mkdir -p "$(dirname "$file")"
objects=$(mktemp -d "${TMPDIR:-/tmp}/tapeline-decoder.XXXXXX")
trap 'rm -rf "$objects" "$file.new"' EXIT
[ -z "$(ar t "$archive" | sort | uniq -d)" ] || die "two files of the library have the same name"
ar x --output "$objects" "$archive"
# The compiler's hashes of how it was called: with them the same sources give other bytes in another folder.
for object in "$objects"/*.o; do objcopy --remove-section .swift_modhash "$object"; done
swiftc "${link[@]}" -o "$file.new" "$objects"/*.o \
    -Xlinker "--version-script=Sources/Desk/DecoderLibrary/exports.map" \
    -Xlinker -soname=libtapeline_decoder.so

# What programs see of it is what the header declares.
visible=$(nm --dynamic --defined-only "$file.new" | awk '$2 ~ /^[B-Z]$/ { print $3 }' | sort)
declared=$(grep -oP '^[a-z].*?\btapeline_[a-z_]+(?=\()' "$header" | grep -oP 'tapeline_[a-z_]+$' | sort)
[ "$visible" = "$declared" ] ||
    die "the library does not show what $header declares: $(diff <(printf '%s\n' "$visible") <(printf '%s\n' "$declared") | head -5)"
mv "$file.new" "$file"
say "$file, $(($(stat -c %s "$file") / 1024)) kB"
