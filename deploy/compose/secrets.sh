#!/bin/sh
# secrets.sh: makes the passwords of the compose cluster and the tokens of its cockpit, one file each,
# in deploy/compose/secrets/: cockpit-token is for all who read, person/cockpit-token for you, who may
# act there under your name. cockpit-people has its SHA-256, and is made again when that token is new;
# lines of other people are kept.
# Existing files are kept, so it is safe to run it again. To change a password, remove its file, run
# this script, and restart the cluster.
#
# A container reads the files with the owner and the rights that they have here. Their folder is
# closed to all other users of this machine. If root runs this script, the files belong to the group
# of the services in their images (10001). Otherwise the files themselves are readable by all, and
# the services log a remark about it.
set -eu
folder=$(cd "$(dirname "$0")" && pwd)/secrets
group=10001

# 192 bits. A leading letter keeps NATS from reading a number.
token() { printf 'p%s' "$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')"; }

umask 077
mkdir -p "$folder"
chmod 700 "$folder"
# It goes into no container, so it is not beside the others.
own=$folder/person/cockpit-token
people=$folder/cockpit-people
mkdir -p "$folder/person"
if [ ! -s "$own" ]; then
    token >"$own.new"
    mv "$own.new" "$own"
    echo "made deploy/compose/secrets/person/cockpit-token"
fi
person=$(printf '%s' "${SUDO_USER:-$(id -un 2>/dev/null || true)}" | tr -cd 'A-Za-z0-9._-' | cut -c 1-32)
line=${person:-operator}:$(sha256sum <"$own" | cut -d ' ' -f 1)
if ! grep -qxF "$line" "$people" 2>/dev/null; then
    { grep -v "^${line%%:*}:" "$people" 2>/dev/null || true; echo "$line"; } >"$people.new"
    rm -f "$people"
    mv "$people.new" "$people"
    echo "made deploy/compose/secrets/cockpit-people"
fi

for name in nats-gateway nats-operator nats-writer nats-cockpit nats-actions nats-consumer nats-tool nats-cluster \
    postgres-owner postgres-migrator postgres-writer postgres-cockpit cockpit-token cockpit-people \
    actions-key valkey valkey-reader grafana-admin; do
    file=$folder/$name
    if [ ! -s "$file" ]; then
        token >"$file.new"
        mv "$file.new" "$file"
        echo "made deploy/compose/secrets/$name"
    fi
    if [ "$(id -u)" = 0 ]; then
        chgrp "$group" "$file"
        chmod 640 "$file"
    else
        chmod 444 "$file"
    fi
done
