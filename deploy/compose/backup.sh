#!/bin/sh
# Backs the cluster's database up: deploy/backup/database.sh, with the password of the secrets.
set -eu
umask 077
# The format is host:port:database:user:password.
printf 'timescaledb:5432:*:postgres:%s\n' \
    "$(cat "${SECRETS_FOLDER:-/run/secrets}/postgres-owner")" >/tmp/passfile
export PGPASSFILE=/tmp/passfile PGHOST=timescaledb PGUSER=postgres
exec /bin/sh /etc/tapeline/database.sh "$@"
