#!/bin/sh
# secrets.sh [--rotate NAME]: makes the passwords of the compose cluster and the tokens of its cockpit, one file each,
# in deploy/compose/secrets/: cockpit-token is for all who read, person/cockpit-token for you, who may
# act there under your name. cockpit-people has its SHA-256; lines of other people are kept, and
# '--rotate cockpit-people' makes that token new.
# Existing files are kept, so it is safe to run it again.
#
# --rotate NAME makes another password while the cluster runs, at the server and in the file. The
# services read their file again when a server refuses the old one, so none is restarted but the
# servers of ClickHouse and QuestDB. A file is changed in place, because a container sees the file that
# was there when it started. Run it again after it was cut short: the new password is in secrets/person/
# until all have it.
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
    # Puts it, or the content of another file, into the file, which at no time is empty.
    file() {
        chmod u+w "$file"
        dd if="${1:-$next}" of="$file" conv=notrunc 2>/dev/null
        truncate -s "$(wc -c <"${1:-$next}")" "$file"
        [ "$(id -u)" = 0 ] || chmod 444 "$file"
    }

    # The running containers of servers.
    servers() { $compose ps --services --status running </dev/null | grep -E "^$1\$" || true; }
    # Waits for a server of which a function says that it has taken what the file has.
    await() {
        tries=0
        until "$1" "$2"; do
            tries=$((tries + 1))
            [ "$tries" -lt 30 ] || {
                echo "secrets.sh: $name is new in its file, and $2 has not taken it within 30 s:" \
                    "see '$compose logs $2', then run this again" >&2
                exit 75
            }
            sleep "${SECRETS_PAUSE:-1}"
        done
        echo "$2 has taken it"
    }

    # Every server has the file of every user, but the password of a cluster and those of further
    # stores' writers only where these are used.
    is_meant() {
        [ "$($compose exec -T "$1" sh -c "[ -e /run/secrets/$name ] && echo yes || echo no" </dev/null)" != no ]
    }
    # As its monitor says, it has read its configuration after the file was changed.
    has_loaded() {
        loaded=$($compose exec -T "$1" wget -q -O - "http://nats-monitor${1#nats}:8222/varz" </dev/null \
            | sed -n 's/.*"config_load_time": *"\([^"]*\)".*/\1/p')
        expr "x$loaded" \> "x$(date -u -r "$file" +%Y-%m-%dT%H:%M:%S)" >/dev/null
    }
    lets_in() {
        user=writer
        [ "$name" = valkey ] || user=reader
        [ "$(printf 'AUTH %s %s\n' "$user" "$(cat "$next")" | $compose exec -T "$1" valkey-cli)" = OK ]
    }

    case $name in
        tls-*)
            echo "secrets.sh: certificates are renewed by deploy/compose/certificates.sh" >&2
            exit 64 ;;
    esac
    mkdir -p "$folder/person"
    [ -s "$next" ] || { token >"$next.new" && mv "$next.new" "$next"; }
    case $name in
        postgres-owner) role postgres; file ;;
        postgres-*) role "tapeline_${name#postgres-}"; file ;;
        # nats.sh and valkey.sh see it and have the server read it. After a run that was cut short
        # the file may have it already.
        nats-*)
            cmp -s "$next" "$file" || file
            for server in $(servers 'nats(-[0-9])?'); do
                if is_meant "$server"; then await has_loaded "$server"; fi
            done ;;
        valkey | valkey-reader)
            cmp -s "$next" "$file" || file
            for server in $(servers valkey); do await lets_in "$server"; done ;;
        # The server reads it at the start alone.
        clickhouse | questdb)
            file
            # COMPOSE_FILE or .env may name the store's file already.
            $compose config --services </dev/null | grep -qx "$name" \
                || compose="$compose -f docker-compose.yml -f deploy/compose/$name.yml"
            running=$(servers "$name")
            [ -z "$running" ] || $compose restart "$running" ;;
        grafana-admin)
            $compose exec -T grafana grafana cli admin reset-admin-password --password-from-stdin <"$next" >/dev/null
            file ;;
        # The cockpit, and who carries its actions out, look at these files.
        actions-key | cockpit-token) file ;;
        cockpit-people)
            own=$folder/person/cockpit-token
            old=$(sha256sum <"$own" | cut -d ' ' -f 1)
            new=$(sha256sum <"$next" | cut -d ' ' -f 1)
            if grep -q ":$old\$" "$file"; then
                sed "s/:$old\$/:$new/" "$file" >"$next.people"
                file "$next.people"
                rm "$next.people"
            elif ! grep -q ":$new\$" "$file"; then
                echo "secrets.sh: no line of cockpit-people has the token of person/cockpit-token" >&2
                exit 64
            fi
            mv "$next" "$own" ;;
    esac
    rm -f "$next"
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
