# shellcheck shell=bash disable=SC2154
# Runs the steps of long work, with one line each. Sourced. The caller's working folder is the
# checkout; it sources messages.sh and sets `logs`, a folder.
#
# Each step writes to its own log and shows one line: that it runs, how far it is, how long it took.
# If it fails, its errors are shown, else the end of the log.

seconds() { printf '%d' $((SECONDS - $1)); }

# Prints the last line of a growing log, cut to the width of a terminal.
latest() { tail -c 2000 "$1" | tr '\r' '\n' | grep -av '^[[:space:]]*$' | tail -n 1 | cut -c 1-90; }

# Updates the line all the time on a terminal, otherwise every 30 seconds.
watch_step() { # watch_step PROCESS TITLE LOG START
    local next=30 passed
    while kill -0 "$1" 2>/dev/null; do
        sleep 0.2
        passed=$(seconds "$4")
        if [ -t 1 ]; then
            printf '\r\033[K%s … %s s  %s' "$2" "$passed" "$(latest "$3" || true)"
        elif [ "$passed" -ge "$next" ]; then
            printf '    … %s s  %s\n' "$passed" "$(latest "$3" || true)"
            next=$((next + 30))
        fi
    done
    [ ! -t 1 ] || printf '\r\033[K'
}

# step TITLE LOG COMMAND...: runs COMMAND. If it fails, the script exits with its status.
step() {
    local title=$1 log=$logs/$2.log start=$SECONDS status=0 process
    shift 2
    mkdir -p "$logs"
    [ -t 1 ] || printf '%s …\n' "$title"
    "$@" >"$log" 2>&1 </dev/null &
    process=$!
    # A background job does not receive Ctrl-C by itself.
    # shellcheck disable=SC2064
    trap "kill $process 2>/dev/null; exit 130" INT TERM
    watch_step "$process" "$title" "$log" "$start"
    wait "$process" || status=$?
    trap - INT TERM
    if [ "$status" != 0 ]; then
        printf '✘ %s failed after %s s (status %s)\n' "$title" "$(seconds "$start")" "$status"
        show_failure "$log"
        exit "$status"
    fi
    printf '✔ %s: %s s\n' "$title" "$(seconds "$start")"
}

# Prints the useful part of a failed step's log: each error once, or else the end.
show_failure() {
    local errors
    errors=$(awk '/error:|Fatal error/ && !seen[$0]++' "$1" | head -n 400) || true
    if [ -n "$errors" ]; then printf '%s\n' "$errors"; else tail -n 40 "$1"; fi
    printf 'The whole log: %s\n' "$1"
}
