#!/bin/sh
# not-root [-o DIR]... COMMAND [ARGUMENT]...
#
# PostgreSQL refuses to run as root. This runs COMMAND so that it does not: in a user namespace of
# its own where root bears the number of the user nobody. Files stay root's, and the process keeps
# its number, so that whoever started it can signal it. Where the kernel forbids namespaces (inside
# most containers) COMMAND runs as the user nobody, and every DIR is handed over to that user first;
# the folders above DIR must then be open to everybody.
# For anybody but root this is just COMMAND.
set -eu
folders=
while [ "${1:-}" = -o ]; do
    mkdir -p "$2"
    folders="$folders
$2"
    shift 2
done
[ "$#" -gt 0 ] || { echo "usage: not-root [-o DIR]... COMMAND [ARGUMENT]..." >&2; exit 64; }
[ "$(id -u)" = 0 ] || exec "$@"

# A user that the system knows: initdb asks for the name of its number.
user=$(id -u nobody) group=$(id -g nobody)
if unshare --user --map-user="$user" --map-group="$group" true 2>/dev/null; then
    exec unshare --user --map-user="$user" --map-group="$group" -- "$@"
fi
printf '%s\n' "$folders" | while read -r folder; do
    [ -z "$folder" ] || chown -R "$user:$group" "$folder"
done
exec setpriv --reuid="$user" --regid="$group" --clear-groups -- "$@"
