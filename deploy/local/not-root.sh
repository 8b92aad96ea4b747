#!/bin/sh
# not-root [-o DIR]... COMMAND [ARGUMENT]...
#
# PostgreSQL refuses to run as root. This script runs COMMAND in a user namespace in which root has
# the number of the user nobody. Files stay root's, and the process keeps its number, so that its
# caller can signal it. Where the kernel forbids namespaces (inside most containers), COMMAND runs
# as the user nobody, every DIR is given to that user first, and folders of root alone, as /root is,
# are open to COMMAND by a capability. For any user but root the script only runs COMMAND.
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

# A user that the system knows, because initdb looks up the user's name.
user=$(id -u nobody) group=$(id -g nobody)
if unshare --user --map-user="$user" --map-group="$group" true 2>/dev/null; then
    exec unshare --user --map-user="$user" --map-group="$group" -- "$@"
fi
printf '%s\n' "$folders" | while read -r folder; do
    [ -z "$folder" ] || chown -R "$user:$group" "$folder"
done
set -- --reuid="$user" --regid="$group" --clear-groups -- "$@"
# The bit has access(2) count the capability, by which PostgreSQL looks for its programs.
passing="--securebits=+no_setuid_fixup --inh-caps=+dac_override --ambient-caps=+dac_override"
# A container may lack the capability. The folders above must then be open to all.
# shellcheck disable=SC2086
if setpriv $passing true 2>/dev/null; then exec setpriv $passing "$@"; fi
exec setpriv "$@"
