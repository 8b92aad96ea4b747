#!/bin/sh
# Starts PostgreSQL with TLS and accepts connections from the network only with TLS. The server
# accepts only a key file that it owns, whatever the owner of the secret is, so the key is copied.
set -eu
umask 077
cat /run/secrets/tls-database-key >/tmp/server.key
cat >/tmp/pg_hba.conf <<RULES
local all all trust
hostssl all all all scram-sha-256
hostssl replication postgres all scram-sha-256
RULES
exec docker-entrypoint.sh "$@" -c ssl=on -c ssl_min_protocol_version=TLSv1.2 \
    -c ssl_cert_file=/run/secrets/tls-database-certificate -c ssl_key_file=/tmp/server.key \
    -c hba_file=/tmp/pg_hba.conf
