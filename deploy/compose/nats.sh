#!/bin/sh
# Starts nats-server with the shipped configuration. The passwords come before it as the
# configuration's own variables, in a file in memory. So they appear in no environment and no
# argument.
#
# A changed password or certificate counts within seconds: nats-server reads the configuration again,
# and closes the connections of that user, or the routes. They come back with the new password. With
# SECRETS_WHEN_ASKED (Kubernetes) it looks once for each /tmp/reload, which is /tmp/reload.taken until
# nats-server was told: see deploy/kubernetes/secrets.sh.
set -eu
umask 077
configuration=${NATS_CONFIGURATION:-/tmp/server.conf}
asked=${NATS_ASKED:-/tmp/reload}
shipped=${NATS_FOLDER:-/etc/nats}
# Compose mounts the secrets there. Kubernetes uses /run/secrets for its own files.
secrets=${SECRETS_FOLDER:-/run/secrets}

# An empty password would open the server to everybody.
secret() {
    text=$(cat "$secrets/$1") && [ -n "$text" ] && printf '%s' "$text" && return
    echo "nats.sh: $secrets/$1 is missing or empty" >&2
    return 1
}

# The names of users of one kind: nats-writer-b is the password of store-b's writers, and
# nats-consumer-features that of the programs of the group features.
further() {
    for file in "$secrets/nats-$1-"*; do
        [ ! -e "$file" ] || printf '%s ' "${file##*/nats-"$1"-}"
    done
}

# The shipped configuration with a user for each of them, as 'tapeline groups rights' makes it. One
# that the file has already stays as it is: the server refuses a user that is there twice.
rights() {
    awk -v stores="$(further writer)" '
        BEGIN { count = split(stores, store, " ") }
        {
            line[NR] = $0
            if ($0 ~ /^ +user: writer-/) has[substr($0, index($0, "writer-") + 7)] = 1
            if ($0 == "            {") start = NR
            if (!first && $0 ~ / user: writer$/) first = start
            if (!first && $0 ~ /"\*\.hb\.store\.\*"$/) denial = NR
            if (first && !last && $0 == "            }") last = NR
        }
        END {
            for (s = 1; s <= count; s++) if (!(store[s] in has)) missing[++left] = store[s]
            for (i = 1; i <= NR; i++) {
                print line[i]
                if (i == denial) for (s = 1; s <= left; s++) {
                    indent = line[i]
                    sub(/[^ ].*/, "", indent)
                    name = "store-" missing[s]
                    print indent "\"$KV.*." name ".>\", \"*.hb." name ".*\""
                }
                if (i == last) for (s = 1; s <= left; s++) for (j = first; j <= last; j++) {
                    text = line[j]
                    variable = toupper(missing[s])
                    gsub(/-/, "_", variable)
                    gsub(/NATS_WRITER_PASSWORD/, "NATS_WRITER_" variable "_PASSWORD", text)
                    gsub(/user: writer/, "user: writer-" missing[s], text)
                    gsub(/_INBOX_writer\./, "_INBOX_writer-" missing[s] ".", text)
                    gsub(/\.store\./, ".store-" missing[s] ".", text)
                    gsub(/\.store"/, ".store-" missing[s] "\"", text)
                    print text
                }
            }
        }' "$shipped/tapeline.conf"
}

# The same for the groups of people that follow the tape, of the text that is read.
followers() {
    awk -v groups="$(further consumer)" '
        # Texts that are no patterns.
        function swap(text, from, to, at, done) {
            while ((at = index(text, from))) {
                done = done substr(text, 1, at - 1) to
                text = substr(text, at + length(from))
            }
            return done text
        }
        function put(text) { if (!(text in present)) print text }
        BEGIN {
            count = split(groups, group, " ")
            live = "\"*.live.>\""
            question = "\"*.ask.positions\""
        }
        {
            line[NR] = $0
            present[$0] = 1
            if ($0 ~ /^ +user: consumer-/) has[substr($0, index($0, "consumer-") + 9)] = 1
            if ($0 == "            {") start = NR
            if (!first && $0 ~ / user: consumer$/) first = start
            if (first && !last && $0 == "            }") last = NR
        }
        END {
            for (g = 1; g <= count; g++) if (!(group[g] in has)) missing[++left] = group[g]
            for (i = 1; i <= NR; i++) {
                text = line[i]
                print text
                if (!left) continue
                if (index(text, "{stream: " live "}")) {
                    put(swap(text, live, question))
                    for (g = 1; g <= left; g++)
                        put(swap(text, "stream: " live, "service: \"*.pos." missing[g] "\""))
                } else if (index(text, "{stream: {account: TAPELINE, subject: " live "}}")) {
                    put(swap(text, live, question))
                    for (g = 1; g <= left; g++)
                        put(swap(swap(text, "stream:", "service:"), live, "\"*.pos." missing[g] "\""))
                } else if (index(text, "{service: ") && index(text, ".STREAM.MSG.GET."))
                    put(swap(text, ".STREAM.MSG.GET.", ".STREAM.INFO."))
                if (i == last) for (g = 1; g <= left; g++) for (j = first; j <= last; j++) {
                    if (line[j] ~ /^ *#/) continue
                    user = "consumer-" missing[g]
                    variable = toupper(user)
                    gsub(/-/, "_", variable)
                    own = swap(line[j], "NATS_CONSUMER_PASSWORD", "NATS_" variable "_PASSWORD")
                    own = swap(own, "user: consumer", "user: " user)
                    own = swap(own, "_INBOX_consumer.", "_INBOX_" user ".")
                    print swap(own, live, question)
                    if (own ~ / publish: \[$/) {
                        indent = own
                        sub(/[^ ].*/, "", indent)
                        print indent "    \"*.pos." missing[g] "\""
                    } else if (index(own, ".STREAM.MSG.GET."))
                        print swap(own, ".STREAM.MSG.GET.", ".STREAM.INFO.")
                }
            }
        }'
}

# In a condition the shell does not end by itself after a failure.
configure() {
    for user in gateway operator writer cockpit actions consumer tool \
        $(further writer | sed 's/[^ ][^ ]*/writer-&/g') $(further consumer | sed 's/[^ ][^ ]*/consumer-&/g'); do
        name=NATS_$(echo "$user" | tr a-z- A-Z_)_PASSWORD
        password=$(secret "nats-$user") || return 1
        printf '%s: "%s"\n' "$name" "$password"
    done
    # Exists only with deploy/compose/nats-cluster.yml: servers of one cluster know one another by a
    # password.
    if [ -e "$shipped/cluster.conf" ]; then
        password=$(secret nats-cluster) || return 1
        printf 'NATS_CLUSTER_USER: "tapeline"\nNATS_CLUSTER_PASSWORD: "%s"\n' "$password"
        number=0
        for server in $NATS_CLUSTER_SERVERS; do
            printf 'NATS_ROUTE_%s: "nats://tapeline:%s@%s:%s"\n' "$number" "$password" "$server" "$NATS_CLUSTER_PORT"
            number=$((number + 1))
        done
        # The lines of the second file, which exists only with deploy/compose/nats-cluster-tls.yml, end the block.
        awk -v tls="$shipped/cluster-tls.conf" '/^}/ { while ((getline line < tls) > 0) print line } 1' \
            "$shipped/cluster.conf" || return 1
    fi
    text=$(rights) && printf '%s\n' "$text" | followers || return 1
    # The monitor shows clients, consumers and inboxes, so it can be limited to one of several
    # networks.
    [ -z "${NATS_MONITOR_HOST:-}" ] || printf 'http: "%s:%s"\n' "$NATS_MONITOR_HOST" "$NATS_MONITOR_PORT"
    # Exists only with deploy/compose/tls.yml. The line in front of it differs with the files.
    [ ! -e "$shipped/tls.conf" ] || {
        printf '# %s\n' "$(cat "$NATS_SERVER_CERTIFICATE" "$NATS_SERVER_KEY" ${NATS_CLUSTER_CA:+"$NATS_CLUSTER_CA"} | cksum)"
        cat "$shipped/tls.conf"
    }
}

# Streams of before people's programs had an account of their own: this server would not see them.
if [ -n "$(ls -A "${NATS_STORE_DIR:-/data}/jetstream/\$G/streams" 2>/dev/null)" ]; then
    echo "nats.sh: $NATS_STORE_DIR has the tape of an earlier revision, which has no accounts:" \
        "run that one, or begin with an empty volume" >&2
    exit 78
fi
configure >"$configuration" || exit 1
(
    # After the exec below, the number of this shell is that of nats-server.
    while sleep "${NATS_RELOAD_EVERY:-2}" && kill -0 $$ 2>/dev/null; do
        if [ -n "${SECRETS_WHEN_ASKED:-}" ]; then
            [ ! -e "$asked" ] || mv "$asked" "$asked.taken"
            [ -e "$asked.taken" ] || continue
        fi
        configure >"$configuration.new" || continue
        if ! cmp -s "$configuration" "$configuration.new"; then
            mv "$configuration.new" "$configuration"
            echo "nats.sh: a password or a certificate has changed, nats-server reads its configuration again" >&2
            kill -HUP $$ || break
        fi
        rm -f "$asked.taken"
    done
) &
exec nats-server --config "$configuration"
