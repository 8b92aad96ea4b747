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

# Returns whether a certificate is for all these hosts.
names() {
    held=$(openssl x509 -in "$1" -noout -ext subjectAltName | tr -d ' \n'),
    shift
    for host; do
        case $held in *"DNS:$host,"*) ;; *) return 1 ;; esac
    done
}

# certificate NAME USE HOST...: makes a certificate for the server that the cluster calls HOST, and by
# the others, too.
certificate() {
    name=$1
    use=$2
    shift 2
    if lasts "tls-$name-certificate" && names "tls-$name-certificate" "$@" \
        && openssl verify -CAfile "$work/present" "tls-$name-certificate" >/dev/null 2>&1; then
        return
    fi
    if ! signs; then
        echo "certificates.sh: tls-$name-certificate is due, and deploy/compose/authority/key is not there," \
            "or not the key of deploy/compose/secrets/tls-authority: put that key back for this run, or" \
            "remove the files tls-* there for a new authority" >&2
        exit 1
    fi
    new_key "$work/$name-key"
    quietly openssl req -new -key "$work/$name-key" -subj "/CN=$1" \
        -addext "subjectAltName=$(printf 'DNS:%s,' "$@")DNS:localhost,IP:127.0.0.1" \
        -addext "extendedKeyUsage=$use" -out "$work/request"
    quietly openssl x509 -req -in "$work/request" -days "$days" -copy_extensions copy \
        -CA "$work/present" -CAkey "$authority" -set_serial "0x$(openssl rand -hex 16)" \
        -out "$work/$name-certificate"
    put "$work/$name-key" "tls-$name-key"
    put "$work/$name-certificate" "tls-$name-certificate"
    echo "made deploy/compose/secrets/tls-$name-certificate, for the name $1"
}
# The servers of a cluster are clients of one another: nats-cluster-tls.yml.
certificate nats serverAuth,clientAuth nats nats-1 nats-2 nats-route-0 nats-route-1 nats-route-2
certificate database serverAuth timescaledb

for file in tls-authority tls-nats-certificate tls-nats-key tls-database-certificate tls-database-key
do
    if [ "$(id -u)" = 0 ]; then
        chgrp "$group" "$file"
        chmod 640 "$file"
    else
        chmod 444 "$file"
    fi
done
