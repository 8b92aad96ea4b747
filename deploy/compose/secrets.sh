#!/bin/sh
# secrets.sh: makes the passwords of the compose cluster, one file each, in deploy/compose/secrets/.
# What is there stays, so it is harmless to run again; to change a password remove its file, run this,
# and start the cluster anew.
#
# A container reads them as the user and with the rights that the files have here. Their folder is
# closed to everybody else on this machine. Run by root, they belong to the group of the services
# in their images (10001); otherwise the files themselves are readable, and the services remark on it.
set -eu
folder=$(cd "$(dirname "$0")" && pwd)/secrets
group=10001

umask 077
mkdir -p "$folder"
chmod 700 "$folder"
for name in nats-gateway nats-operator nats-writer nats-tool \
    postgres-owner postgres-migrator postgres-writer valkey valkey-reader grafana-admin; do
    file=$folder/$name
    if [ ! -s "$file" ]; then
        # 192 bits. The letter in front keeps NATS from reading a number.
        printf 'p%s' "$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')" >"$file.new"
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
