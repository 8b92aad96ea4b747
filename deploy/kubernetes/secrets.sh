#!/bin/sh
# secrets.sh NAME: gives a password of the Secret tapeline-passwords a successor while everything runs
# (NAMESPACE, if it is not tapeline).
#
# A changed Secret reaches each pod at another time, up to two minutes later. So the order is: the
# Secret, then a wait for all pods that have the file, then the server. What the server refuses from
# then on reads its file again, and finds the new password. What starts before that has the new one
# already: it is refused, and waits until the server has it, too. So a run that was cut short has to
# be repeated. It goes on with the password of the Secret, as an annotation says that it is not done.
set -eu
name=${1:-}
kubectl="${KUBECTL:-kubectl} --namespace ${NAMESPACE:-tapeline}"
file=/etc/tapeline/passwords/$name
pause=${SECRETS_PAUSE:-2}
triesMax=300

case $name in
    nats-cluster) name= ;;
    nats-*[!a-z-]* | postgres-*[!a-z-]*) name= ;;
    nats-?* | postgres-?* | valkey | valkey-reader | cockpit-token | actions-key) ;;
    clickhouse | questdb) ;;
    *) name= ;;
esac
[ -n "$name" ] && [ $# = 1 ] || {
    echo "secrets.sh: write secrets.sh NAME, one of nats-*, postgres-*, valkey, valkey-reader," \
        "cockpit-token, actions-key, clickhouse, questdb" >&2
    exit 64
}

mark=tapeline-new-$name
secret="secret tapeline-passwords"
umask 077
present=$($kubectl get $secret --output "jsonpath={.data.$name}")
# A new key would be a password that nobody reads.
[ -n "$present" ] || { echo "secrets.sh: the Secret tapeline-passwords has no key $name" >&2; exit 64; }
begun=$($kubectl get $secret --output "jsonpath={.metadata.annotations.$mark}")
if [ -n "$begun" ]; then
    new=$(printf '%s' "$present" | base64 -d)
else
    # 192 bits. A leading letter keeps NATS from reading a number.
    new=p$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')
    patch=$(mktemp)
    trap 'rm -f "$patch"' EXIT
    trap 'exit 1' HUP INT TERM
    # In a file, because every user can read a command line.
    printf '{"metadata":{"annotations":{"%s":"begun"}},"stringData":{"%s":"%s"}}' \
        "$mark" "$name" "$new" >"$patch"
    $kubectl patch $secret --type merge --patch-file "$patch" >/dev/null
fi
digest=$(printf '%s' "$new" | sha256sum | cut -d ' ' -f 1)
echo "the Secret has the new $name: now the pods, which takes up to two minutes"

late() {
    echo "secrets.sh: $1 the new $name within ten minutes: see its log, then run this again" >&2
    exit 75
}
# Waits for a server of which a function says that it has taken the new password.
await() {
    tries=0
    until "$1" "$2"; do
        tries=$((tries + 1))
        [ "$tries" -lt "$triesMax" ] || late "$2 has not taken"
        sleep "$pause"
    done
    echo "$2 has taken it"
}

# The running pods that have files of this Secret, and since when the container of one runs.
mounts='{range .items[*]}{.metadata.name}{" "}{range .spec.volumes[*]}{.secret.secretName}{","}{end}{"\n"}{end}'
since='{.status.containerStatuses[*].state.running.startedAt}'
pods=$($kubectl get pods --field-selector status.phase=Running --output "jsonpath=$mounts" \
    | sed -n 's/^\([^ ]*\) .*tapeline-passwords,.*$/\1/p')
for pod in $pods; do
    tries=0
    while :; do
        # A pod reads a part of the Secret. One that is gone, or does not run, has nothing to wait for.
        seen=$($kubectl exec "$pod" -- sh -c "[ ! -e $file ] || sha256sum <$file" 2>/dev/null </dev/null) || {
            seen=$($kubectl get pod "$pod" --ignore-not-found --output "jsonpath=$since" 2>/dev/null) \
                || seen=unknown
        }
        case $seen in "" | "$digest"*) break ;; esac
        tries=$((tries + 1))
        [ "$tries" -lt "$triesMax" ] || late "$pod has not seen"
        sleep "$pause"
    done
done

servers() { $kubectl get pods --selector "app.kubernetes.io/name=$1" --output name; }
# Says whether a server has the file; a server that cannot be asked ends the script.
reads() { $kubectl exec "$1" -- sh -c "[ -e $file ] && echo yes || echo no" </dev/null; }
# Has the script of a server read its secrets again.
ask() { $kubectl exec "$1" -- touch /tmp/reload; }
# It has read the configuration that its script has made of the present files.
has_loaded() {
    made=$($kubectl exec "$1" -- sh -c '[ ! -e /tmp/reload ] && [ ! -e /tmp/reload.taken ] \
        && date -u -r /tmp/server.conf +%Y-%m-%dT%H:%M:%S' </dev/null) || return 1
    loaded=$($kubectl exec "$1" -- wget -q -O - http://127.0.0.1:8222/varz </dev/null \
        | sed -n 's/.*"config_load_time": *"\([^"]*\)".*/\1/p')
    expr "x$loaded" \> "x$made" >/dev/null
}
lets_in() {
    user=writer
    [ "$name" = valkey ] || user=reader
    [ "$(printf 'AUTH %s %s\n' "$user" "$new" | $kubectl exec --stdin "$1" -- valkey-cli)" = OK ]
}
own() { echo "all pods have it: now give it to $1 of your own"; }

case $name in
    nats-*)
        found=$(servers nats)
        [ -n "$found" ] || own "the user ${name#nats-} of the NATS"
        for server in $found; do
            # Such as that of another store's writers where that store is not used.
            if [ "$(reads "$server")" = no ]; then
                echo "$server has no user with it: none is let in by it, the former one neither"
                continue
            fi
            ask "$server"
            await has_loaded "$server"
        done ;;
    valkey*)
        found=$(servers valkey)
        [ -n "$found" ] || own "the user of the Valkey"
        for server in $found; do
            ask "$server"
            await lets_in "$server"
        done ;;
    postgres-*)
        role=tapeline_${name#postgres-}
        [ "$name" != postgres-owner ] || role=postgres
        found=$(servers timescaledb)
        # Also where CloudNativePG has it, by the Secret database-ROLE.
        [ -n "$found" ] || own "the role $role of the database"
        for server in $found; do
            printf "ALTER ROLE %s PASSWORD '%s';\n" "$role" "$new" \
                | $kubectl exec --stdin "$server" -- psql --no-psqlrc --quiet --username postgres \
                    --set ON_ERROR_STOP=1 --file - postgres
        done ;;
    clickhouse | questdb) own "the user tapeline of the server" ;;
esac
$kubectl annotate $secret "$mark-" >/dev/null
echo "$name is new"
