#!/bin/sh
# Starts Valkey with the shipped configuration and its password, from a file in memory.
set -eu
umask 077
configuration=/tmp/valkey.conf
{
    cat /etc/valkey/tapeline.conf
    # Other containers are other machines to it; the password guards it.
    echo 'protected-mode no'
    printf 'requirepass %s\n' "$(cat /run/secrets/valkey)"
} >"$configuration"
exec valkey-server "$configuration"
