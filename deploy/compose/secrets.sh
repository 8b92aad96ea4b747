#!/bin/sh
# secrets.sh [--rotate NAME]: makes the passwords of the compose cluster and the tokens of its cockpit, one file each,
# in deploy/compose/secrets/: cockpit-token is for all who read, person/cockpit-token for you, who may
# act there under your name. cockpit-people has its SHA-256, and is made again when that token is new;
# lines of other people are kept.
# Existing files are kept, so it is safe to run it again.
#
# --rotate NAME makes another password while the cluster runs, at the server and in the file. The
# services read their file again when a server refuses the old one, so none is restarted. A file is
# changed in place, because a container sees the file that was there when it started. Run it again
# after it was cut short: the new password is in secrets/person/ until all have it.
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

if [ "${1:-}" = --rotate ]; then
    name=${2:-}
    file=$folder/$name
    next=$folder/person/$name.next
    compose=${COMPOSE:-docker compose}
    cd "$folder/../../.."
    case $name in *[!a-z-]*) file= ;; esac
    [ -n "$name" ] && [ -f "$file" ] || {
        echo "secrets.sh: there is no secret '$name' in deploy/compose/secrets" >&2
        exit 64
    }

    # Gives a role of the database the new password, over the socket in its container.
    role() {
        printf "ALTER ROLE %s PASSWORD '%s';\n" "$1" "$(cat "$next")" \
            | $compose exec -T timescaledb psql --no-psqlrc --quiet --username postgres \
                --set ON_ERROR_STOP=1 --file - postgres
    }
    # Puts it into the file, which at no time is empty.
    file() {
        chmod u+w "$file"
        dd if="$next" of="$file" conv=notrunc 2>/dev/null
        truncate -s "$(wc -c <"$next")" "$file"
        [ "$(id -u)" = 0 ] || chmod 444 "$file"
    }

    case $name in
        cockpit-people | nats-cluster | tls-*)
            echo "secrets.sh: $name is not changed by this script: see docs/security.md, 'New keys'" >&2
            exit 64 ;;
    esac
    mkdir -p "$folder/person"
    [ -s "$next" ] || { token >"$next.new" && mv "$next.new" "$next"; }
    case $name in
        postgres-owner) role postgres; file ;;
        postgres-*) role "tapeline_${name#postgres-}"; file ;;
        # nats.sh sees it and has the server read it.
        nats-*) file ;;
        # It keeps nothing on a disk, and the writer fills it again.
        valkey | valkey-reader) file; $compose restart valkey ;;
        # Read at the start alone.
        clickhouse | questdb)
            file
            $compose -f docker-compose.yml -f "deploy/compose/$name.yml" restart "$name" "store-writer-$name" ;;
        grafana-admin)
            $compose exec -T grafana grafana cli admin reset-admin-password --password-from-stdin <"$next" >/dev/null
            file ;;
        # Read at the start alone.
        actions-key) file; $compose --profile actions restart cockpit actions ;;
        cockpit-token) file; $compose restart cockpit ;;
    esac
    rm "$next"
    echo "deploy/compose/secrets/$name is new"
    exit
fi
[ $# = 0 ] || { echo "secrets.sh: write secrets.sh, or secrets.sh --rotate NAME" >&2; exit 64; }

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
    actions-key valkey valkey-reader grafana-admin nats-writer-clickhouse clickhouse \
    nats-writer-questdb questdb; do
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
