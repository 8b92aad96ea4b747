#!/usr/bin/env bash
# wheel.sh [FOLDER]: makes the wheel of the Python package (Sources/Desk/python) in FOLDER, which is
# .build/wheel if not given. The decoder of recordings is inside, with the licences of what it contains.
set -euo pipefail
# shellcheck disable=SC2034
program=wheel
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source-path=SCRIPTDIR
. "$here/messages.sh"
cd "$here/../.."
folder=${1:-.build/wheel}

library=.build/python/libtapeline_decoder.so
"$here/decoder.sh" "$library"

# What the library contains of others: the Swift runtime, and xxHash.
licences=.build/python/licences
swift=$(dirname "$(dirname "$(readlink -f "$(command -v swiftc)")")")/share/swift/LICENSE.txt
rm -rf "$licences"
mkdir -p "$licences"
for pair in "swift.txt=$swift" "xxhash.txt=/usr/share/doc/libxxhash-dev/copyright"; do
    [ -f "${pair#*=}" ] || die "the licence ${pair#*=} is missing"
    cp "${pair#*=}" "$licences/${pair%%=*}"
done

rm -rf "$folder"
TAPELINE_DECODER_LIBRARY=$library TAPELINE_LICENCES=$licences PYTHONDONTWRITEBYTECODE=1 \
    python3 Sources/Desk/python/wheel_builder.py "$folder"
