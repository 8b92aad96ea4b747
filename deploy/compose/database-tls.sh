#!/bin/sh
# Starts PostgreSQL with TLS and accepts connections from the network only with TLS. The server
# accepts only a key file that it owns, whatever the owner of the secret is, so the key is copied.
#
# A changed certificate counts within seconds, on the connections that come after it.
set -eu
umask 077
cat /run/secrets/tls-database-key >/tmp/server.key
cat >/tmp/pg_hba.conf <<RULES
local all all trust
hostssl all all all scram-sha-256
hostssl replication postgres all scram-sha-256
RULES
files() { cat /run/secrets/tls-database-certificate /run/secrets/tls-database-key | cksum; }
seen=$(files)
(
    # After the exec below, the number of this shell is that of the server, which the image's own
    # script begins only when the database is there.
    while sleep 2 && kill -0 $$ 2>/dev/null; do
        now=$(files) || continue
        [ "$now" != "$seen" ] && [ "$(cat /proc/$$/comm)" = postgres ] || continue
        cat /run/secrets/tls-database-key >/tmp/server.key.new
        mv /tmp/server.key.new /tmp/server.key
        echo "database-tls.sh: a certificate has changed, PostgreSQL reads it" >&2
        kill -HUP $$ && seen=$now
    done
) &
exec docker-entrypoint.sh "$@" -c ssl=on -c ssl_min_protocol_version=TLSv1.2 \
    -c ssl_cert_file=/run/secrets/tls-database-certificate -c ssl_key_file=/tmp/server.key \
    -c hba_file=/tmp/pg_hba.conf
