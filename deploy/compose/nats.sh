#!/bin/sh
# Starts nats-server with the shipped configuration. Its passwords stand in front of it, as the
# configuration's own variables, in a file in memory: so they are in no environment and no argument.
set -eu
umask 077
configuration=/tmp/server.conf
{
    for user in gateway operator writer tool; do
        name=NATS_$(echo "$user" | tr a-z A-Z)_PASSWORD
        printf '%s: "%s"\n' "$name" "$(cat "/run/secrets/nats-$user")"
    done
    cat /etc/nats/tapeline.conf
    # There with deploy/compose/tls.yml alone.
    [ ! -e /etc/nats/tls.conf ] || cat /etc/nats/tls.conf
} >"$configuration"
exec nats-server --config "$configuration"
