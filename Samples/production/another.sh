#!/bin/sh
# another.sh PROGRAM MEMBER [KEY=VALUE]...: one more process beside the stack 'production', in the foreground, with the
# stack's settings and the user of its service. A process manager starts it like this; on another machine with the
# addresses and the password file of that machine.
set -eu
program=$1 member=$2
shift 2
case $program in
    provider-gateway) user=gateway ;;
    operator-worker) user=operator ;;
    *) echo "another.sh: provider-gateway or operator-worker, not '$program'" >&2; exit 64 ;;
esac
cd "$(dirname "$0")"
nats=$(tapeline url nats --name production)
eval "$(tapeline env --name production)"
set -a
. ./settings.env
set +a
exec env NATS_URL="nats://${nats#*@}" NATS_USER=$user \
    NATS_PASSWORD_FILE="$(dirname "$PGPASSFILE")/nats-$user" MDS_MEMBER="$member" OPS_PORT=0 LOG_FORMAT=text \
    "$@" "$program"
