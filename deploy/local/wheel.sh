#!/usr/bin/env bash
# wheel.sh [FOLDER]: makes the wheel of the Python package (Sources/Desk/python) in FOLDER, which is
# .build/wheel if not given. The decoder of packets and the transport of the tape are inside, with the
# licences of what they contain.
set -euo pipefail
# shellcheck disable=SC2034
program=wheel
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source-path=SCRIPTDIR
. "$here/messages.sh"
cd "$here/../.."
folder=${1:-.build/wheel}

library=.build/python/libtapeline_decoder.so
transport=.build/python/transport
"$here/decoder.sh" "$library"
"$here/transport.sh" "$transport"

# What they contain of others: the Swift runtime and xxHash; libnats and protobuf-c.
licences=.build/python/licences
swift=$(dirname "$(dirname "$(readlink -f "$(command -v swiftc)")")")/share/swift/LICENSE.txt
rm -rf "$licences"
mkdir -p "$licences"
for pair in "swift.txt=$swift" "xxhash.txt=/usr/share/doc/libxxhash-dev/copyright" \
    "libnats.txt=/usr/share/doc/libnats-dev/copyright" \
    "protobuf-c.txt=/usr/share/doc/libprotobuf-c1/copyright"; do
    [ -f "${pair#*=}" ] || die "the licence ${pair#*=} is missing"
    cp "${pair#*=}" "$licences/${pair%%=*}"
done

rm -rf "$folder"
TAPELINE_DECODER_LIBRARY=$library TAPELINE_TRANSPORT_FOLDER=$transport TAPELINE_LICENCES=$licences \
    PYTHONDONTWRITEBYTECODE=1 python3 Sources/Desk/python/wheel_builder.py "$folder"
