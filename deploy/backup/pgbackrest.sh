#!/bin/sh
# pgbackrest.sh setup | full | diff | incr | check | list | recover DATA [TIME]: backs the database of a
# host up by pgBackRest, as the user of the server. The folder pgbackrest beside it has the
# configuration, and timers for systemd (docs/backup.md). What this adds to pgBackRest: success is
# noted in the database, so that writers show its age, and WAL that was dropped is noticed.
#
#   setup  has the server send its WAL, makes the repository, and proves that WAL arrives in it. Run it again
#          after the restart of the server that it may ask for
#   full, diff, incr
#          a backup: all; what changed since the last full one; since the last one of any kind
#   check  proves that WAL arrives in the repository, by sending a piece and waiting for it
#   list   what is there
#   recover DATA [TIME]
#          puts the newest backup (the newest from before TIME) into the empty folder DATA. The server that
#          starts there fetches the WAL since, up to TIME or to the end, and then continues
#
#   BACKUP_STANZA      the section of the configuration, tapeline
#   BACKUP_DATABASE    where the success is noted (note_backup), tapeline; empty: nowhere
#   BACKUP_SCHEMA      its schema, md
#   PGHOST, PGPORT, PGUSER, PGPASSFILE: the server, and a superuser of it. pgBackRest has that in its configuration
#   PGBACKREST_CONFIG, PGBACKREST_LOG_PATH: where these are elsewhere than in /etc/pgbackrest and /var/log/pgbackrest
set -eu
umask 027
stanza=${BACKUP_STANZA:-tapeline}
database=${BACKUP_DATABASE-tapeline}
schema=${BACKUP_SCHEMA:-md}
logs=${PGBACKREST_LOG_PATH:-/var/log/pgbackrest}
program=$(command -v pgbackrest) || {
    echo "backup: pgbackrest is missing: install the package pgbackrest" >&2
    exit 1
}

say() { echo "backup: $*"; }
die() { echo "backup: $*" >&2; exit 1; }

sql() { psql --no-psqlrc --quiet --no-align --tuples-only --set ON_ERROR_STOP=1 --dbname "$@"; }

rest() {
    "$program" --cmd="$program" --stanza="$stanza" ${PGBACKREST_CONFIG:+--config="$PGBACKREST_CONFIG"} "$@"
}

# note KIND SECONDS BYTES PLACE: the age of the last backup becomes a metric of the writers.
note() {
    [ -n "$database" ] || return 0
    printf "SELECT note_backup(:'kind', to_timestamp(:seconds), :bytes, :'place')" |
        PGOPTIONS="-c search_path=$schema" sql "$database" --output /dev/null --set "kind=$1" \
            --set "seconds=$2" --set "bytes=$3" --set "place=$4" ||
        say "the backup is there, and could not be noted in the database $database"
}

# The newest backup: its label, the seconds at which it began, and the bytes of the database; nothing
# when there is none. The server reads the JSON, so that no further program is needed.
newest() {
    PGBACKREST_STANZA=$stanza sql postgres --set "program=$program" <<'END'
\set info `:program info --output=json`
SELECT concat_ws(' ', b ->> 'label', b #>> '{timestamp,start}', b #>> '{info,size}')
FROM (SELECT :'info'::json -> 0 -> 'backup' -> -1 AS b) AS newest WHERE b IS NOT NULL;
END
}

# Sends the WAL. Another program that gets it already stays untouched.
configure() {
    wanted="$program${PGBACKREST_CONFIG:+ --config=$PGBACKREST_CONFIG} --stanza=$stanza archive-push %p"
    mode=$(sql postgres --command 'SHOW archive_mode')
    found=$(sql postgres --command 'SHOW archive_command')
    if [ "$mode" != off ] && [ -n "$found" ] && [ "$found" != "$wanted" ]; then
        die "archive_command is '$found': the WAL goes elsewhere. Empty it first, or set it to: $wanted"
    fi
    printf "ALTER SYSTEM SET archive_command = :'wanted';\n" | sql postgres --set "wanted=$wanted"
    [ "$mode" != off ] || sql postgres --command "ALTER SYSTEM SET archive_mode = 'on'"
    # What is lost with the disk is at most the WAL of this time.
    if [ "$(sql postgres --command 'SHOW archive_timeout')" = 0 ]; then
        sql postgres --command "ALTER SYSTEM SET archive_timeout = '60s'"
    fi
    sql postgres --output /dev/null --command 'SELECT pg_reload_conf()'
    [ "$mode" != off ] || die "archive_mode takes effect at a restart: restart the server, then run setup again"
}

setup() {
    configure
    rest stanza-create
    check
    say "WAL arrives in the repository of the stanza $stanza: make a full backup now"
}

make_backup() {
    begun=$(date +%s)
    rest --type="$1" backup
    made=$(newest)
    label=${made%% *}
    say "made $label of the stanza $stanza: ${made##* } bytes of the database"
    note base "$begun" "${made##* }" "pgBackRest: $stanza $label"
}

# The seconds of the last WAL that pgBackRest dropped (archive-push-queue-max); nothing when there is
# none. Only its log has it: the server believes that this WAL was archived.
dropped() {
    last=$(find "$logs" -maxdepth 1 -name "$stanza-archive-push*.log*" -exec \
        sed -n 's/^\(....-..-.. ..:..:..\)\.[0-9]* .* WARN: dropped WAL file .*/\1/p' {} + | sort | tail -n 1)
    [ -z "$last" ] || date -d "$last" +%s
}

check() {
    [ -d "$logs" ] || die "$logs, where pgBackRest would log that it drops WAL, is missing: set PGBACKREST_LOG_PATH"
    begun=$(date +%s)
    rest check
    hole=$(dropped)
    if [ -n "$hole" ]; then
        made=$(newest)
        begin=${made#* }
        if [ -n "$made" ] && [ "${begin%% *}" -le "$hole" ]; then
            say "WAL was dropped at $(date -u -d "@$hole" +%FT%TZ), because the repository was away" \
                "(archive-push-queue-max): no recovery passes it. A backup follows"
            make_backup diff
        fi
    fi
    note log "$begun" NULL "pgBackRest: $stanza"
}

# The processes that send WAL. They write into the spool, which a restore empties.
senders() {
    for each in /proc/[0-9]*; do
        case $(tr '\0' ' ' 2>/dev/null <"$each/cmdline" || true) in
        *"${PGBACKREST_CONFIG:+--config=$PGBACKREST_CONFIG }"*"--stanza=$stanza "*archive-push*)
            echo "${each#/proc/}"
            ;;
        esac
    done
}

# Those of a server that ended need archive-timeout (120 s) at most.
await_senders() {
    until=$(($(date +%s) + 150))
    [ -z "$(senders)" ] || say "waiting until pgBackRest has sent the WAL of the stanza $stanza"
    while left=$(senders | xargs) && [ -n "$left" ]; do
        [ "$(date +%s)" -lt "$until" ] ||
            die "pgBackRest sends WAL of the stanza $stanza (process $left): does its server still run? Stop it first"
        sleep 1
    done
}

# get_wal DATA: the command by which a server in DATA gets its WAL. The server takes a failure for the end of the WAL,
# and continues without the rest, unless the status is above 125. So only WAL that is not there (1) may end a recovery.
get_wal() {
    echo "$program${PGBACKREST_CONFIG:+ --config=$PGBACKREST_CONFIG} --stanza=$stanza --pg1-path=\"$1\"" \
        'archive-get %f "%p"; status=$?; [ $status -le 1 ] || exit 255; exit $status'
}

recover() {
    data=$1 time=${2:-}
    # It becomes a part of the settings of the server.
    case $data in
    *[\'\"\\%\$\`]*) die "$data has a character that the settings of a server cannot have" ;;
    /*) ;;
    *) die "$data is no full path" ;;
    esac
    [ -z "$(ls -A "$data" 2>/dev/null)" ] || die "$data is not empty: move it away first"
    await_senders
    mkdir -p "$data"
    chmod 700 "$data"
    command=$(get_wal "$data")
    if [ -n "$time" ]; then
        # As pgBackRest reads a time, which takes the newest backup for one that it cannot read, and
        # wants one that ended in an earlier second.
        seconds=$(date -d "$time" +%s) || die "'$time' is no time"
        first=$(rest info | sed -n 's,.*timestamp start/stop: .* / ,,p' | head -n 1)
        if [ -z "$first" ] || [ "$seconds" -le "$(date -d "$first" +%s)" ]; then
            die "no backup is from before $time; the oldest ended at ${first:-no time: there is none}"
        fi
        rest --pg1-path="$data" --recovery-option="restore_command=$command" --type=time \
            --target-action=promote --target="$(date -u -d "$time" '+%F %T.%6N+00')" restore
    else
        rest --pg1-path="$data" --recovery-option="restore_command=$command" restore
    fi
    say "$data is restored: start the server, which fetches the WAL"
}

case ${1:-} in
setup) setup ;;
full | diff | incr) make_backup "$1" ;;
check) check ;;
list) rest info ;;
recover) [ -n "${2:-}" ] || die "recover wants a folder"; recover "$2" "${3:-}" ;;
*) die "usage: pgbackrest.sh setup | full | diff | incr | check | list | recover DATA [TIME]" ;;
esac
