#!/bin/sh
# not-root [-o DIR]... COMMAND [ARGUMENT]...
#
# PostgreSQL refuses to run as root. This script runs COMMAND in a user namespace in which root has
# the number of the user nobody. Files stay root's, and the process keeps its number, so that its
# caller can signal it. Where the kernel forbids namespaces (inside most containers), COMMAND runs
# as the user nobody, and every DIR is given to that user first. Where folders above are of root
# alone, as /root is, a capability opens all files to COMMAND. For any user but root the script only
# runs COMMAND.
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
nobody="--reuid=$user --regid=$group --clear-groups"
printf '%s\n' "$folders" | while read -r folder; do
    [ -z "$folder" ] || chown -R "$user:$group" "$folder"
done
# shellcheck disable=SC2086
reaches() { setpriv $nobody test -x "$1"; }
if reaches "$(command -v "$1")" && printf '%s\n' "$folders" | while read -r folder; do
    [ -z "$folder" ] || reaches "$folder" || exit 1
done; then
    # shellcheck disable=SC2086
    exec setpriv $nobody -- "$@"
fi
# The bit has access(2) count the capability, by which PostgreSQL looks for its programs.
passing="--securebits=+no_setuid_fixup --inh-caps=+dac_override --ambient-caps=+dac_override"
# A container may lack the capability. COMMAND then says which folder is not open.
# shellcheck disable=SC2086
if setpriv $passing true 2>/dev/null; then exec setpriv $passing $nobody -- "$@"; fi
# shellcheck disable=SC2086
exec setpriv $nobody -- "$@"
