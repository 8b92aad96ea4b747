#!/bin/sh
# secrets.sh: makes the passwords of the compose cluster and the tokens of its cockpit, one file each,
# in deploy/compose/secrets/: cockpit-token is for all who read, cockpit-person-token for you, who
# may act there under your name (cockpit-people has its SHA-256).
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

umask 077
mkdir -p "$folder"
chmod 700 "$folder"
for name in nats-gateway nats-operator nats-writer nats-cockpit nats-actions nats-consumer nats-tool \
    postgres-owner postgres-migrator postgres-writer postgres-cockpit cockpit-token \
    cockpit-person-token cockpit-people \
    valkey valkey-reader grafana-admin; do
    file=$folder/$name
    if [ ! -s "$file" ]; then
        case $name in
            cockpit-people) echo "$(id -un):$(sha256sum <"$folder/cockpit-person-token" | cut -d ' ' -f 1)" ;;
            # 192 bits. A leading letter keeps NATS from reading a number.
            *) printf 'p%s' "$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')" ;;
        esac >"$file.new"
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
