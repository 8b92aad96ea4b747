#!/bin/sh
# Makes roles, database and extension, or gives the roles the passwords of the secrets. It logs in
# with the owner's, which counts from the making of the volume on: 'secrets.sh --rotate' changes that
# one at the server first. Passwords reach psql only by files and its standard input.
set -eu
umask 077
# Compose mounts the secrets there. Kubernetes uses /run/secrets for its own files.
password() { cat "${SECRETS_FOLDER:-/run/secrets}/$1"; }

# The format is host:port:database:user:password.
printf 'timescaledb:5432:*:postgres:%s\n' "$(password postgres-owner)" >/tmp/passfile
export PGPASSFILE=/tmp/passfile
{
    # database.sql takes a password from its environment only if it is set there.
    printf "\\\\set migrator_password '%s'\n" "$(password postgres-migrator)"
    printf "\\\\set writer_password '%s'\n" "$(password postgres-writer)"
    printf "\\\\set cockpit_password '%s'\n" "$(password postgres-cockpit)"
    cat /etc/tapeline/database.sql
} | psql --no-psqlrc --quiet --no-password --host timescaledb --username postgres \
    --set ON_ERROR_STOP=1 --file - postgres
