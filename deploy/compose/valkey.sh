#!/bin/sh
# Starts Valkey with the shipped configuration and users. The passwords of the users are in a file
# in memory, so they appear in no environment and no argument.
#
# A changed password counts within seconds: Valkey reads the users again. Its data stay, and what is
# refused reads its own file again. SECRETS_WHEN_ASKED is that of nats.sh.
set -eu
umask 077
configuration=${VALKEY_CONFIGURATION:-/tmp/valkey.conf}
users=${VALKEY_USERS:-/tmp/users.acl}
shipped=${VALKEY_FOLDER:-/etc/valkey}
# Compose mounts the secrets there. Kubernetes uses /run/secrets for its own files.
secrets=${SECRETS_FOLDER:-/run/secrets}
# Known to this process alone.
keys=p$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')

# An empty password would let everybody in.
secret() {
    text=$(cat "$secrets/$1") && [ -n "$text" ] && printf '%s' "$text" && return
    echo "valkey.sh: $secrets/$1 is missing or empty" >&2
    return 1
}

# In a condition the shell does not end by itself after a failure.
configure() {
    writer=$(secret valkey) && reader=$(secret valkey-reader) || return 1
    while IFS= read -r line; do
        case $line in
            *'>$VALKEY_KEYS_PASSWORD '*) password=$keys ;;
            *'>$VALKEY_WRITER_PASSWORD '*) password=$writer ;;
            *'>$VALKEY_READER_PASSWORD '*) password=$reader ;;
            # A file of users has no comments.
            'user '*) password= ;;
            *) continue ;;
        esac
        [ -z "$password" ] || line="${line%%>*}>$password ${line#*_PASSWORD }"
        printf '%s\n' "$line"
    done <"$shipped/users.conf"
}

load() { REDISCLI_AUTH=$keys valkey-cli -p "${VALKEY_PORT:-6379}" --user keys --no-auth-warning acl load; }

configure >"$users" || exit 1
{
    cat "$shipped/tapeline.conf"
    # Valkey sees other containers as other machines. The passwords protect it.
    echo 'protected-mode no'
    printf 'aclfile "%s"\n' "$users"
} >"$configuration"
(
    isNew=
    isAsked=
    # After the exec below, the number of this shell is that of valkey-server.
    while sleep "${VALKEY_RELOAD_EVERY:-2}" && kill -0 $$ 2>/dev/null; do
        [ ! -e /tmp/reload ] || { rm -f /tmp/reload && isAsked=1; }
        [ -z "${SECRETS_WHEN_ASKED:-}" ] || [ -n "$isAsked$isNew" ] || continue
        configure >"$users.new" || continue
        isAsked=
        cmp -s "$users" "$users.new" || { mv "$users.new" "$users"; isNew=1; }
        [ -n "$isNew" ] || continue
        said=$(load 2>&1) || true
        echo "valkey.sh: a password has changed, Valkey reads its users again: $said" >&2
        [ "$said" != OK ] || isNew=
    done
) &
exec valkey-server "$configuration"
