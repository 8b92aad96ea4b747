#!/bin/sh
# Starts nats-server with the shipped configuration. The passwords come before it as the
# configuration's own variables, in a file in memory. So they appear in no environment and no
# argument.
set -eu
umask 077
configuration=/tmp/server.conf
# Compose mounts the secrets there. Kubernetes uses /run/secrets for its own files.
secrets=${SECRETS_FOLDER:-/run/secrets}
{
    for user in gateway operator writer cockpit actions consumer tool; do
        name=NATS_$(echo "$user" | tr a-z A-Z)_PASSWORD
        printf '%s: "%s"\n' "$name" "$(cat "$secrets/nats-$user")"
    done
    # Exists only with deploy/compose/nats-cluster.yml: servers of one cluster know one another by a
    # password.
    if [ -e /etc/nats/cluster.conf ]; then
        password=$(cat "$secrets/nats-cluster")
        printf 'NATS_CLUSTER_USER: "tapeline"\nNATS_CLUSTER_PASSWORD: "%s"\n' "$password"
        number=0
        for server in $NATS_CLUSTER_SERVERS; do
            printf 'NATS_ROUTE_%s: "nats://tapeline:%s@%s:%s"\n' "$number" "$password" "$server" "$NATS_CLUSTER_PORT"
            number=$((number + 1))
        done
        cat /etc/nats/cluster.conf
    fi
    cat /etc/nats/tapeline.conf
    # The monitor shows clients, consumers and inboxes, so it can be limited to one of several
    # networks.
    [ -z "${NATS_MONITOR_HOST:-}" ] || printf 'http: "%s:%s"\n' "$NATS_MONITOR_HOST" "$NATS_MONITOR_PORT"
    # Exists only with deploy/compose/tls.yml.
    [ ! -e /etc/nats/tls.conf ] || cat /etc/nats/tls.conf
} >"$configuration"
exec nats-server --config "$configuration"
