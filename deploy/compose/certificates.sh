#!/bin/sh
# certificates.sh: makes what deploy/compose/tls.yml needs in deploy/compose/secrets/: an authority of
# this cluster's own, and a certificate of each server that it signs. Needs openssl.
#
# What is there stays, but for certificates with less than 30 days to go: they are made anew, and
# count when the containers start again. To begin from nothing remove the files tls-*. The key of the
# authority is for this script alone: it lies in deploy/compose/authority/, apart from the secrets, which
# are given to containers and clusters. Keep it, or keep it elsewhere: it has to be there when a
# certificate is due.
#
# Who may read the files: as in secrets.sh.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
folder=$here/secrets
authority=$here/authority/key
group=10001
days=397

command -v openssl >/dev/null || { echo "certificates.sh: openssl is missing: install it" >&2; exit 1; }
umask 077
mkdir -p "$folder" "$here/authority"
chmod 700 "$folder" "$here/authority"
cd "$folder"
# Where it lay once.
if [ -e tls-authority-key ]; then mv tls-authority-key "$authority"; fi

# Where new files are made: nothing half done is left among the others.
work=$(mktemp -d "$here/authority/new.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

# openssl speaks of what goes well, too.
quietly() { "$@" 2>"$work/said" || { cat "$work/said" >&2; exit 1; }; }
new_key() { quietly openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1"; }
lasts() { [ -s "$1" ] && openssl x509 -in "$1" -noout -checkend 2592000 >/dev/null; }
# Whether the key is there, and that of the authority.
signs() {
    [ -s "$authority" ] \
        && [ "$(openssl pkey -in "$authority" -pubout 2>/dev/null)" \
            = "$(openssl x509 -in tls-authority -noout -pubkey)" ]
}

if ! lasts tls-authority; then
    new_key "$work/key"
    quietly openssl req -x509 -new -key "$work/key" -days 3650 -subj "/CN=tapeline authority" \
        -addext basicConstraints=critical,CA:TRUE,pathlen:0 \
        -addext keyUsage=critical,keyCertSign,cRLSign -out "$work/authority"
    # What it signed before is worth nothing any more.
    rm -f tls-nats-certificate tls-database-certificate
    mv "$work/key" "$authority"
    mv "$work/authority" tls-authority
    echo "made deploy/compose/secrets/tls-authority"
fi

# NAME HOST: a certificate for the server that the cluster calls HOST.
certificate() {
    lasts "tls-$1-certificate" && return
    if ! signs; then
        echo "certificates.sh: tls-$1-certificate is due, and deploy/compose/authority/key is not there," \
            "or not the key of deploy/compose/secrets/tls-authority: put that key back for this run, or" \
            "remove the files tls-* there for a new authority" >&2
        exit 1
    fi
    new_key "$work/$1-key"
    quietly openssl req -new -key "$work/$1-key" -subj "/CN=$2" \
        -addext "subjectAltName=DNS:$2,DNS:localhost,IP:127.0.0.1" \
        -addext extendedKeyUsage=serverAuth -out "$work/request"
    quietly openssl x509 -req -in "$work/request" -days "$days" -copy_extensions copy \
        -CA tls-authority -CAkey "$authority" -set_serial "0x$(openssl rand -hex 16)" \
        -out "$work/$1-certificate"
    mv "$work/$1-key" "tls-$1-key"
    mv "$work/$1-certificate" "tls-$1-certificate"
    echo "made deploy/compose/secrets/tls-$1-certificate, for the name $2"
}
certificate nats nats
certificate database timescaledb

for file in tls-authority tls-nats-certificate tls-nats-key tls-database-certificate tls-database-key
do
    if [ "$(id -u)" = 0 ]; then
        chgrp "$group" "$file"
        chmod 640 "$file"
    else
        chmod 444 "$file"
    fi
done
