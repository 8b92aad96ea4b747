#!/bin/sh
# Starts PostgreSQL with TLS and lets in over the network who speaks it, nobody else. The server takes a
# key only from a file that is its own, whoever the secret belongs to.
set -eu
umask 077
cat /run/secrets/tls-database-key >/tmp/server.key
cat >/tmp/pg_hba.conf <<RULES
local all all trust
hostssl all all all scram-sha-256
RULES
exec docker-entrypoint.sh "$@" -c ssl=on -c ssl_min_protocol_version=TLSv1.2 \
    -c ssl_cert_file=/run/secrets/tls-database-certificate -c ssl_key_file=/tmp/server.key \
    -c hba_file=/tmp/pg_hba.conf
