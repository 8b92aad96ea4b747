#!/bin/sh
# Makes roles, database and extension, or gives the roles the passwords of the secrets: whoever
# changes a secret has only to run this again. Passwords reach psql by files and its input alone.
set -eu
umask 077
# Compose puts them there. Kubernetes keeps files of its own below /run/secrets.
password() { cat "${SECRETS_FOLDER:-/run/secrets}/$1"; }

# host:port:database:user:password
printf 'timescaledb:5432:*:postgres:%s\n' "$(password postgres-owner)" >/tmp/passfile
export PGPASSFILE=/tmp/passfile
{
    # database.sql takes them from its environment only where that has them.
    printf "\\\\set migrator_password '%s'\n" "$(password postgres-migrator)"
    printf "\\\\set writer_password '%s'\n" "$(password postgres-writer)"
    cat /etc/tapeline/database.sql
} | psql --no-psqlrc --quiet --no-password --host timescaledb --username postgres \
    --set ON_ERROR_STOP=1 --file - postgres
