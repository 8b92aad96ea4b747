#!/bin/sh
# Backs the cluster's database up: deploy/backup/database.sh, with the password of the secrets.
set -eu
umask 077
# The format is host:port:database:user:password.
passfile() {
    password=$(cat "${SECRETS_FOLDER:-/run/secrets}/postgres-owner") || return 1
    printf 'timescaledb:5432:*:postgres:%s\n' "$password" >/tmp/passfile.new
    mv /tmp/passfile.new /tmp/passfile
}
passfile
# The password may be changed while backups run.
while sleep 5 && kill -0 $$ 2>/dev/null; do passfile; done >/dev/null 2>&1 &
export PGPASSFILE=/tmp/passfile PGHOST=timescaledb PGUSER=postgres
exec /bin/sh /etc/tapeline/database.sh "$@"
