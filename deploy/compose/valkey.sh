#!/bin/sh
# Starts Valkey with the shipped configuration and users, whose passwords stand in a file in memory: so
# they are in no environment and no argument.
set -eu
umask 077
configuration=/tmp/valkey.conf
# Compose puts them there. Kubernetes keeps files of its own below /run/secrets.
password() { cat "${SECRETS_FOLDER:-/run/secrets}/$1"; }
{
    cat /etc/valkey/tapeline.conf
    # Other containers are other machines to it; the passwords guard it.
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
