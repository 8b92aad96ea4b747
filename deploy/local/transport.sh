#!/usr/bin/env bash
# transport.sh [FOLDER]: makes what the Python package has of C, in FOLDER, which is .build/python/transport
# if not given: libtapeline_transport.so, which fetches packets of the tape (Sources/Desk/transport), and
# libtapeline_arrow.so, which makes columns of rows of a database, owns what is handed to other packages
# (Sources/Desk/arrow), and needs only the C library.
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

work=$(mktemp -d "${TMPDIR:-/tmp}/tapeline-transport.XXXXXX")
trap 'rm -rf "$work"' EXIT
echo '{ global: tapeline_*; local: *; };' >"$work/exports.map"

library() { # library NAME LIBRARY-TO-LINK...: makes libtapeline_NAME.so of the folder of that name
    local name=$1 source=Sources/Desk/$1 file=$work/libtapeline_$1.so visible declared
    shift
    clang -std=gnu17 -O2 -fPIC -shared -Wall -Wextra -Werror -o "$file" \
        "$source"/*.c "$@" -Wl,--as-needed -Wl,-soname,"libtapeline_$name.so" \
        -Wl,--version-script="$work/exports.map" -Wl,--disable-new-dtags -Wl,-rpath,'$ORIGIN' -s

    # What programs see of it is what its headers declare.
    visible=$(nm --dynamic --defined-only "$file" | awk '$2 == "T" { print $3 }' | sort)
    declared=$(grep -ohP '\btapeline_[a-z_]+(?=\()' "$source"/*.h | sort -u)
    [ "$visible" = "$declared" ] ||
        die "libtapeline_$name.so does not show what its headers declare: $(
            diff <(printf '%s\n' "$visible") <(printf '%s\n' "$declared") | head -5
        )"
}
library transport -lnats -lpthread
library arrow

for name in libnats libprotobuf-c; do
    place=$(ldd "$work/libtapeline_transport.so" | awk -v name="$name.so" 'index($1, name) == 1 { print $3 }')
    [ -f "$place" ] || die "$name is missing: run deploy/local/prerequisites.sh"
    cp -L "$place" "$work/"
done
mkdir -p "$folder"
rm -f "$work/exports.map" "$folder"/*.so*
mv "$work"/*.so* "$folder/"
say "$folder: $(cd "$folder" && ls | paste -sd' ')"
