#!/bin/sh
# Starts nats-server with the shipped configuration. Its passwords stand in front of it, as the
# configuration's own variables, in a file in memory: so they are in no environment and no argument.
set -eu
umask 077
configuration=/tmp/server.conf
# Compose puts them there. Kubernetes keeps files of its own below /run/secrets.
secrets=${SECRETS_FOLDER:-/run/secrets}
{
    for user in gateway operator writer tool; do
        name=NATS_$(echo "$user" | tr a-z A-Z)_PASSWORD
        printf '%s: "%s"\n' "$name" "$(cat "$secrets/nats-$user")"
    done
    cat /etc/nats/tapeline.conf
    # Of several networks the monitor may listen on one: it shows clients, consumers and inboxes.
    [ -z "${NATS_MONITOR_HOST:-}" ] || printf 'http: "%s:%s"\n' "$NATS_MONITOR_HOST" "$NATS_MONITOR_PORT"
    # There with deploy/compose/tls.yml alone.
    [ ! -e /etc/nats/tls.conf ] || cat /etc/nats/tls.conf
} >"$configuration"
exec nats-server --config "$configuration"
