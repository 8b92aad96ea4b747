#!/usr/bin/env bash
# transport.sh [FOLDER]: makes libtapeline_transport.so, with which the Python package fetches packets of the
# tape (Sources/Desk/transport), in FOLDER, which is .build/python/transport if not given.
#
# libnats and what Debian has beside it are copied there, too, and found there first. OpenSSL is not:
# it is the system's, so that its security updates count.
set -euo pipefail
# shellcheck disable=SC2034
program=transport
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source-path=SCRIPTDIR
. "$here/messages.sh"
cd "$here/../.."
folder=${1:-.build/python/transport}
source=Sources/Desk/transport

work=$(mktemp -d "${TMPDIR:-/tmp}/tapeline-transport.XXXXXX")
trap 'rm -rf "$work"' EXIT
echo '{ global: tapeline_*; local: *; };' >"$work/exports.map"
clang -std=gnu17 -O2 -fPIC -shared -Wall -Wextra -Werror -o "$work/libtapeline_transport.so" \
    "$source"/*.c -lnats -lpthread -Wl,--as-needed -Wl,-soname,libtapeline_transport.so \
    -Wl,--version-script="$work/exports.map" -Wl,--disable-new-dtags -Wl,-rpath,'$ORIGIN' -s

# What programs see of it is what the header declares.
visible=$(nm --dynamic --defined-only "$work/libtapeline_transport.so" | awk '$2 == "T" { print $3 }' | sort)
declared=$(grep -ohP '\btapeline_[a-z_]+(?=\()' "$source/tapeline_transport.h" | sort -u)
[ "$visible" = "$declared" ] ||
    die "the library does not show what its header declares: $(
        diff <(printf '%s\n' "$visible") <(printf '%s\n' "$declared") | head -5
    )"

for name in libnats libprotobuf-c; do
    place=$(ldd "$work/libtapeline_transport.so" | awk -v name="$name.so" 'index($1, name) == 1 { print $3 }')
    [ -f "$place" ] || die "$name is missing: run deploy/local/prerequisites.sh"
    cp -L "$place" "$work/"
done
mkdir -p "$folder"
rm -f "$work/exports.map" "$folder"/*.so*
mv "$work"/*.so* "$folder/"
say "$folder/libtapeline_transport.so, with $(cd "$folder" && ls | grep -v tapeline | paste -sd' ')"
