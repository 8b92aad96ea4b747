#!/bin/sh
# Starts Valkey with the shipped configuration and users. The passwords of the users are in a file
# in memory, so they appear in no environment and no argument.
set -eu
umask 077
configuration=/tmp/valkey.conf
# Compose mounts the secrets there. Kubernetes uses /run/secrets for its own files.
password() { cat "${SECRETS_FOLDER:-/run/secrets}/$1"; }
{
    cat /etc/valkey/tapeline.conf
    # Valkey sees other containers as other machines. The passwords protect it.
    echo 'protected-mode no'
    while IFS= read -r line; do
        case $line in
            *'>$VALKEY_WRITER_PASSWORD '*) secret=$(password valkey) ;;
            *'>$VALKEY_READER_PASSWORD '*) secret=$(password valkey-reader) ;;
            *) secret= ;;
        esac
        if [ -n "$secret" ]; then
            line="${line%%>*}>$secret ${line#*_PASSWORD }"
        fi
        printf '%s\n' "$line"
    done </etc/valkey/users.conf
} >"$configuration"
exec valkey-server "$configuration"
