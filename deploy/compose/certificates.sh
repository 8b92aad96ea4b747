#!/bin/sh
# certificates.sh: makes the files for deploy/compose/tls.yml in deploy/compose/secrets/: an
# authority of this cluster, and a certificate for each server that the authority signs. Needs
# openssl.
#
# Existing files are kept, except what has less than 30 days to go. That is changed in place, so that
# the running servers see it, and counts on the next connections. Of a new authority the one of before
# is kept beside it while it lasts. To begin from nothing, remove the files tls-*, and start the
# containers again. Only this script uses the key of the authority. It is stored in
# deploy/compose/authority/, apart from the secrets, which containers and clusters receive. Keep it
# there or elsewhere: it is needed whenever a certificate is due.
#
# For the rights of the files see secrets.sh.
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

# New files are made here, so that no unfinished file is among the others.
work=$(mktemp -d "$here/authority/new.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

# openssl also writes messages on success, so they are shown only after a failure.
quietly() { "$@" 2>"$work/said" || { cat "$work/said" >&2; exit 1; }; }
new_key() { quietly openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1"; }
# Puts a new file in the place of one that a container may see.
put() {
    [ ! -e "$2" ] || chmod u+w "$2"
    cat "$1" >"$2"
}
lasts() { [ -s "$1" ] && openssl x509 -in "$1" -noout -checkend 2592000 >/dev/null; }
# Returns whether the authority and its key exist.
signs() {
    [ -s "$authority" ] \
        && [ "$(openssl pkey -in "$authority" -pubout 2>/dev/null)" \
            = "$(openssl x509 -in tls-authority -noout -pubkey)" ]
}

if ! lasts tls-authority; then
    new_key "$work/key"
    # Its name differs from that of the one before, so that programs with both know the issuer.
    quietly openssl req -x509 -new -key "$work/key" -days 3650 \
        -subj "/CN=tapeline authority $(openssl rand -hex 4)" \
        -addext basicConstraints=critical,CA:TRUE,pathlen:0 \
        -addext keyUsage=critical,keyCertSign,cRLSign -out "$work/authority"
    if [ -s tls-authority ] && openssl x509 -in tls-authority -noout -checkend 0 >/dev/null; then
        openssl x509 -in tls-authority >>"$work/authority"
    fi
    mv "$work/key" "$authority"
    put "$work/authority" tls-authority
    echo "made deploy/compose/secrets/tls-authority"
fi
# The first of the file. A certificate of another authority is due.
openssl x509 -in tls-authority -out "$work/present"

# certificate NAME HOST: makes a certificate for the server that the cluster calls HOST.
certificate() {
    if lasts "tls-$1-certificate" \
        && openssl verify -CAfile "$work/present" "tls-$1-certificate" >/dev/null 2>&1; then
        return
    fi
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
        -CA "$work/present" -CAkey "$authority" -set_serial "0x$(openssl rand -hex 16)" \
        -out "$work/$1-certificate"
    put "$work/$1-key" "tls-$1-key"
    put "$work/$1-certificate" "tls-$1-certificate"
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
