#!/bin/sh
# database.sh run | base | list | recover DATA [TIME]: backs PostgreSQL up into a folder, with the programs of PostgreSQL
# alone. It is for one machine with one disk for backups, such as the compose cluster; hosts have
# pgBackRest, and Kubernetes has CloudNativePG's backups (docs/backup.md).
#
#   run    streams the WAL all the time, and makes a base backup now and then. For ever
#   base   makes one base backup, and ends
#   list   the base backups that are there, the oldest first
#   recover DATA [TIME]
#          puts the newest base backup (the newest from before TIME) into the empty folder DATA,
#          with the WAL since then. The server that starts there replays it, up to TIME or to the
#          end, and then goes on. It needs room for both
#
#   FOLDER/base/20261120T143005Z   verified copies of the database's folder
#   FOLDER/wal                     the WAL since the oldest of them, and its end as *.partial
#
#   BACKUP_FOLDER      /backup
#   BACKUP_EVERY       seconds from one base backup to the next, 86400
#   BACKUP_KEEP        how many base backups are kept, 7: the older ones go, with their WAL
#   BACKUP_SLOT        the replication slot, tapeline_backup
#   BACKUP_DATABASE    where the success is noted (note_backup), tapeline; empty: nowhere
#   BACKUP_SCHEMA      its schema, md
#   PGHOST, PGPORT, PGUSER, PGPASSFILE or PGPASSWORD: the server, and a user with REPLICATION
#
# The slot keeps WAL on the server while this is away. Limit that there, by max_slot_wal_keep_size:
# beyond it the slot is lost, this says so, makes it again, and makes a base backup at once.
set -eu
umask 077
folder=${BACKUP_FOLDER:-/backup}
every=${BACKUP_EVERY:-86400}
keep=${BACKUP_KEEP:-7}
slot=${BACKUP_SLOT:-tapeline_backup}
database=${BACKUP_DATABASE-tapeline}
schema=${BACKUP_SCHEMA:-md}
look=${BACKUP_LOOK:-10}
retry=600
receiver=

say() { echo "backup: $*"; }
die() { echo "backup: $*" >&2; exit 1; }

number() {
    case $2 in '' | *[!0-9]*) die "$1 is '$2', which is no number" ;; esac
    [ "$2" -ge 1 ] || die "$1 is $2: it has to be at least 1"
}

sql() { psql --no-psqlrc --quiet --no-align --tuples-only --set ON_ERROR_STOP=1 --dbname "$@"; }

# note KIND SECONDS BYTES: the age of the last backup becomes a metric of the writers.
note() {
    [ -n "$database" ] || return 0
    printf "SELECT note_backup(:'kind', to_timestamp(:seconds), :bytes, :'place')" |
        PGOPTIONS="-c search_path=$schema" sql "$database" --output /dev/null --set "kind=$1" \
            --set "seconds=$2" --set "bytes=$3" --set "place=$folder" ||
        say "the backup is there, and could not be noted in the database $database"
}

bases() { find "$folder/base" -mindepth 1 -maxdepth 1 -type d -name '2*Z' | sort; }

# start_wal BASE: the WAL file with which the recovery of a base backup begins.
start_wal() { sed -n 's/^START WAL LOCATION: .* (file \([0-9A-F]*\))$/\1/p' "$1/backup_label"; }

# A base backup of a standby does not end with a new piece of WAL: its last one is half of one, and looks whole.
is_primary() { [ "$(echo 'SELECT pg_is_in_recovery()' | sql postgres)" = f ]; }

make_base() {
    is_primary || {
        say "${PGHOST:-the server} is a standby, or does not answer: back the primary up"
        return 1
    }
    # Half a backup, or a damaged one, is never taken for one, because it has another name. `run`
    # calls this in a condition, where no failure ends the script by itself.
    rm -rf "$folder/base/new" || return 1
    begun=$(date +%s)
    name=$(date -u +%Y%m%dT%H%M%SZ)
    pg_basebackup --pgdata "$folder/base/new" --format plain --wal-method fetch \
        --checkpoint fast --manifest-checksums SHA256 --no-password || return 1
    pg_verifybackup --quiet "$folder/base/new" || return 1
    mv "$folder/base/new" "$folder/base/$name" || return 1
    bytes=$(($(du -sk "$folder/base/$name" | cut -f 1) * 1024))
    say "made $folder/base/$name: $bytes bytes, verified"
    remove_old
    note base "$begun" "$bytes"
}

# The newest ones stay. WAL goes only as far as the oldest that stays does not need it.
remove_old() {
    all=$(bases)
    surplus=$(($(printf '%s\n' "$all" | wc -l) - keep))
    if [ "$surplus" -gt 0 ]; then
        printf '%s\n' "$all" | head -n "$surplus" | while read -r old; do
            rm -rf "$old"
            say "removed $old: BACKUP_KEEP is $keep"
        done
    fi
    first=$(start_wal "$(bases | head -n 1)")
    [ -n "$first" ] && [ -d "$folder/wal" ] || return 0
    find "$folder/wal" -type d | while read -r each; do
        pg_archivecleanup "$each" "$first"
        rmdir "$each" 2>/dev/null || true
    done
    mkdir -p "$folder/wal"
}

# The age of the newest base backup in seconds; nothing when there is none.
base_age() {
    newest=$(bases | tail -n 1)
    [ -z "$newest" ] || echo $(($(date +%s) - $(stat -c %Y "$newest/backup_manifest")))
}

# Whether the slot is there, and holds what was not received. A lost one is dropped, with a word.
# A server that does not answer says nothing of it.
slot_holds() {
    state=$(printf "SELECT wal_status FROM pg_replication_slots WHERE slot_name = :'slot'" |
        sql postgres --set "slot=$slot") || return 0
    # A new server, or one that was recovered.
    [ -n "$state" ] || return 1
    [ "$state" = lost ] || return 0
    say "the server dropped WAL that was not received (max_slot_wal_keep_size): it is missing" \
        "from $folder/wal, and no recovery passes it. A base backup follows"
    printf "SELECT pg_drop_replication_slot(:'slot')" |
        sql postgres --output /dev/null --set "slot=$slot"
    return 1
}

# pg_receivewal goes on behind the last file that it finds. The server does not have what follows
# it any more, or had another history: then the files are set aside, and recoveries find them there.
set_aside() {
    [ -d "$folder/wal" ] || return 0
    aside=$folder/wal/.until-$(date -u +%Y%m%dT%H%M%SZ)
    mkdir -p "$aside"
    find "$folder/wal" -maxdepth 1 -type f ! -name '*.history' -exec mv {} "$aside/" \;
    rmdir "$aside" 2>/dev/null || true
}

# The name of a piece of WAL does not say of which server it is: those of another one would spoil recoveries.
set_apart() {
    base=$(bases | tail -n 1)
    [ -n "$base" ] || return 0
    made_of=$(sed -n 's/.*"System-Identifier": \([0-9]*\).*/\1/p' "$base/backup_manifest")
    server=$(echo 'SELECT system_identifier FROM pg_control_system()' | sql postgres) || return 0
    if [ -n "$made_of" ] && [ "$made_of" != "$server" ]; then
        apart=$folder/of-$made_of-$(date -u +%Y%m%dT%H%M%SZ)
        mkdir -p "$apart" "$folder/wal"
        mv "$folder/base" "$folder/wal" "$apart/"
        mkdir -p "$folder/base" "$folder/wal"
        say "the backups are of another server: they are in $apart, and stay until you remove them"
    fi
}

stop_receiving() {
    [ -n "$receiver" ] || return 0
    kill "$receiver" 2>/dev/null || true
    wait "$receiver" 2>/dev/null || true
    receiver=
}

receive() {
    mkdir -p "$folder/wal"
    # The slot keeps the WAL from here on, also before anything is received. One that pg_receivewal makes keeps
    # nothing: what a base backup writes meanwhile would be missing. Without a server the next look makes it.
    printf "SELECT pg_create_physical_replication_slot(:'slot', true) WHERE NOT EXISTS (
        SELECT FROM pg_replication_slots WHERE slot_name = :'slot')" |
        sql postgres --output /dev/null --set "slot=$slot" || true
    pg_receivewal --directory "$folder/wal" --slot "$slot" --synchronous --no-password &
    receiver=$!
}

is_received() {
    [ "$(printf "SELECT active FROM pg_replication_slots WHERE slot_name = :'slot'" |
        sql postgres --set "slot=$slot" 2>/dev/null)" = t ]
}

end() {
    [ -z "$receiver" ] || kill "$receiver" 2>/dev/null || true
    wait
    exit 0
}

run() {
    trap end TERM INT
    noted=0
    again=0
    while true; do
        if ! slot_holds; then
            # A hole in the WAL makes the older base backups useless beyond it.
            rm -f "$folder/base/.last"
            stop_receiving
            set_apart
            set_aside
        fi
        if [ -z "$receiver" ] || ! kill -0 "$receiver" 2>/dev/null; then receive; fi
        age=$(base_age)
        now=$(date +%s)
        if [ "$now" -ge "$again" ] &&
            { [ -z "$age" ] || [ "$age" -ge "$every" ] || [ ! -e "$folder/base/.last" ]; }; then
            if make_base; then
                touch "$folder/base/.last"
            else
                say "no base backup was made; the next try comes in $retry s"
                again=$((now + retry))
            fi
        fi
        now=$(date +%s)
        if is_received && [ $((now - noted)) -ge 60 ]; then
            note log "$now" NULL
            noted=$now
        fi
        # A signal ends the wait at once.
        sleep "$look" &
        wait $! || true
    done
}

# A piece of WAL is named by its timeline and its number, each in hexadecimal digits, and the number in two parts.
name_of() { printf '%s%08X%08X' "$1" $(($2 / pieces)) $(($2 % pieces)); }
number_of() { echo $((0x$(echo "$1" | cut -c 9-16) * pieces + 0x$(echo "$1" | cut -c 17-24))); }

# read_wal FOLDER TIMELINE FROM TO: reads the pieces of these numbers, without TO.
read_wal() {
    [ "$3" -lt "$4" ] || return 0
    say "reading $(($4 - $3)) pieces of WAL from $(name_of "$2" "$3") on"
    pg_waldump --quiet --path "$1" "$(name_of "$2" "$3")" "$(name_of "$2" $(($4 - 1)))"
}

# check_wal FOLDER FIRST: a replay ends without a word where a piece of WAL is missing or damaged, although newer ones
# are there. This reads what a replay from the piece FIRST on reads: each timeline up to the place where the next one
# branches off, and the last one up to its newest piece. Where that one ends, nobody knows.
check_wal() {
    # So many pieces have the first part of their number in common.
    pieces=$((0x100000000 / $(stat -c %s "$1/$2")))
    base_timeline=$(echo "$2" | cut -c 1-8)
    from=$(number_of "$2")
    # As a server looks for it: one after the other.
    last=$((0x$base_timeline))
    while [ -e "$1/$(printf %08X $((last + 1))).history" ]; do last=$((last + 1)); done
    last=$(printf %08X "$last")
    branches=
    while read -r parent place reason; do
        case $parent in '' | *[!0-9]*) continue ;; esac
        [ "$parent" -ge $((0x$base_timeline)) ] || continue
        branches="$branches $parent"
        to=$((0x${place%/*} * pieces + 0x${place#*/} / (0x100000000 / pieces)))
        [ "$from" -le "$to" ] || { say "the timeline $last branches off before the base backup" >&2; return 1; }
        read_wal "$1" "$(printf %08X "$parent")" "$from" "$to" || return 1
        from=$to
    done <<END
$([ "$last" = "$base_timeline" ] || cat "$1/$last.history")
END
    case " $last$branches " in
    *" $base_timeline "* | *" $((0x$base_timeline)) "*) ;;
    *) say "the timeline $last does not come from that of the base backup, $base_timeline" >&2; return 1 ;;
    esac
    newest=$(find "$1" -name "$last????????????????" | LC_ALL=C sort | tail -n 1)
    [ -z "$newest" ] || read_wal "$1" "$last" "$from" "$(number_of "$(basename "$newest")")"
}

recover() {
    data=$1 time=${2:-}
    [ -z "$(ls -A "$data" 2>/dev/null)" ] || die "$data is not empty: move it away first"
    base=
    for each in $(bases); do
        # A base backup is of the time at which it ended.
        if [ -z "$time" ] || [ "$(stat -c %Y "$each/backup_manifest")" -le "$(date -d "$time" +%s)" ]; then
            base=$each
        fi
    done
    [ -n "$base" ] || die "$folder/base has no base backup${time:+ from before $time}"
    pg_verifybackup --quiet "$base" || die "$base is damaged: name an earlier TIME"
    mkdir -p "$data"
    cp -a "$base/." "$data/"
    chmod 700 "$data"
    first=$(start_wal "$base")
    # The end of the WAL has another name while it is being filled. The first eight digits are the
    # timeline: a later one may begin with an earlier place. Its file of history always counts.
    # What was received later replaces what was set aside, and nothing replaces what is verified.
    find "$folder/wal" -type f | LC_ALL=C sort | awk -v first="$first" '{
        name = $0
        sub(/.*\//, "", name)
        if (name ~ /history$/ || "x" substr(name, 9, 16) >= "x" substr(first, 9, 16)) print
    }' | while read -r piece; do
        [ -e "$base/pg_wal/$(basename "$piece" .partial)" ] || cp -a "$piece" "$data/pg_wal/"
    done
    # Of a piece that was set aside, more may be there than was received of it later.
    for piece in "$data"/pg_wal/*.partial; do
        if [ -e "${piece%.partial}" ]; then rm "$piece"; elif [ -e "$piece" ]; then mv "$piece" "${piece%.partial}"; fi
    done
    {
        # All of it is there already.
        printf "restore_command = 'false'\n"
        # Nobody gets in before the replay is over, not even to read.
        printf "hot_standby = off\n"
        printf "recovery_target_action = promote\n"
        # Always, because a base backup has that of an earlier recovery. Empty: to the end.
        printf "recovery_target_time = '%s'\n" "$time"
    } >>"$data/postgresql.auto.conf"
    : >"$data/recovery.signal"
    # A server does not start that does not reach its time.
    [ -n "$time" ] || check_wal "$data/pg_wal" "$first" ||
        die "$data is $base, with the WAL of $folder/wal, of which a piece is missing or damaged (see above). Find it" \
            "elsewhere, empty $data, and recover again. A server that starts there does without all that comes after it"
    say "$data is $base, with the WAL of $folder/wal: start the server, which replays it"
}

number BACKUP_EVERY "$every"
number BACKUP_KEEP "$keep"
number BACKUP_LOOK "$look"
mkdir -p "$folder/base" || die "$folder cannot be written"
case ${1:-} in
run) run ;;
base) make_base ;;
list) bases ;;
recover) [ -n "${2:-}" ] || die "recover wants a folder"; recover "$2" "${3:-}" ;;
*) die "usage: database.sh run | base | list | recover DATA [TIME]" ;;
esac
