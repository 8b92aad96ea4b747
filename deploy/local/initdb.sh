#!/bin/sh
# initdb.sh INITDB DATA PASSWORD_FILE: makes the files of a PostgreSQL cluster, with passwords
# from the first moment on. An existing cluster is kept; an interrupted run leaves none.
set -eu
initdb=$1 data=$2 password_file=$3
[ ! -e "$data/PG_VERSION" ] || exit 0
new=$data.new
rm -rf "$new" "$data"
mkdir -p "$new"
trap 'rm -rf "$new"' EXIT
install -m 600 "$password_file" "$new/password"
# Text is sorted by its bytes on every machine, whatever locales it has. The files need no fsync
# yet: after a power failure they would be made again.
"$(dirname "$0")/not-root.sh" -o "$new" "$initdb" --pgdata "$new/data" --username postgres \
    --auth scram-sha-256 --pwfile "$new/password" --encoding UTF8 --locale-provider builtin \
    --locale C.UTF-8 --no-instructions --no-sync
mv "$new/data" "$data"
