#!/bin/sh
# secrets.sh NAME: gives a password of the Secret tapeline-passwords a successor while everything runs
# (NAMESPACE, if it is not tapeline).
#
# A changed Secret reaches each pod at another time, up to two minutes later. So the order is: the
# Secret, then a wait for all pods that have the file, then the server. What the server refuses from
# then on reads its file again, and finds the new password. Run it again after it was cut short. It
# makes another one then, which is no harm: services use the former until it is refused.
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
    *) name= ;;
esac
[ -n "$name" ] && [ $# = 1 ] || {
    echo "secrets.sh: write secrets.sh NAME, one of nats-*, postgres-*, valkey, valkey-reader," \
        "cockpit-token, actions-key" >&2
    exit 64
}

# 192 bits. A leading letter keeps NATS from reading a number.
new=p$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')
digest=$(printf '%s' "$new" | sha256sum | cut -d ' ' -f 1)
umask 077
patch=$(mktemp)
trap 'rm -f "$patch"' EXIT
trap 'exit 1' HUP INT TERM
# In a file, because every user can read a command line.
printf '{"stringData":{"%s":"%s"}}' "$name" "$new" >"$patch"
$kubectl patch secret tapeline-passwords --type merge --patch-file "$patch" >/dev/null
echo "the Secret has the new $name: now the pods, which takes up to two minutes"

late() {
    echo "secrets.sh: $1 after ten minutes; the server has the old $name still. Run this again" >&2
    exit 75
}

# The running pods that have files of this Secret.
mounts='{range .items[*]}{.metadata.name}{" "}{range .spec.volumes[*]}{.secret.secretName}{","}{end}{"\n"}{end}'
pods=$($kubectl get pods --field-selector status.phase=Running --output "jsonpath=$mounts" \
    | sed -n 's/^\([^ ]*\) .*tapeline-passwords,.*$/\1/p')
for pod in $pods; do
    tries=0
    while :; do
        # A pod reads a part of the Secret. One that is gone has nothing to wait for.
        seen=$($kubectl exec "$pod" -- sh -c "[ ! -e $file ] || sha256sum <$file" 2>/dev/null </dev/null) || {
            $kubectl get pod "$pod" >/dev/null 2>&1 || break
            seen=unknown
        }
        case $seen in "" | "$digest"*) break ;; esac
        tries=$((tries + 1))
        [ "$tries" -lt "$triesMax" ] || late "$pod has not seen it"
        sleep "$pause"
    done
done

servers() { $kubectl get pods --selector "app.kubernetes.io/name=$1" --output name; }
# Has the script of a server read its secrets again.
ask() { $kubectl exec "$1" -- touch /tmp/reload; }
loaded() {
    $kubectl exec "$1" -- wget -q -O - http://127.0.0.1:8222/varz </dev/null \
        | sed -n 's/.*"config_load_time": *"\([^"]*\)".*/\1/p'
}
own() { echo "all pods have it: now give it to $1 of your own"; }

case $name in
    nats-*)
        found=$(servers nats)
        [ -n "$found" ] || own "the user ${name#nats-} of the NATS"
        for server in $found; do
            before=$(loaded "$server")
            ask "$server"
            tries=0
            while [ "$(loaded "$server")" = "$before" ]; do
                tries=$((tries + 1))
                [ "$tries" -lt "$triesMax" ] || late "$server has not read its configuration"
                sleep "$pause"
            done
            echo "$server has read its configuration"
        done ;;
    valkey*)
        found=$(servers valkey)
        [ -n "$found" ] || own "the user of the Valkey"
        for server in $found; do ask "$server"; done ;;
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
esac
echo "$name is new"
