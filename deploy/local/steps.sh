# shellcheck shell=bash disable=SC2154
# Steps of a long piece of work, one line for each. Sourced; the caller stands in the checkout, sources
# messages.sh and sets `logs`, a folder.
#
# Each step writes into a log of its own and shows one line: that it runs, how far it is, how long
# it took. Of a failing step its errors are shown, else the log's end.

seconds() { printf '%d' $((SECONDS - $1)); }

# What the last line of a growing log says, cut to a terminal's width.
latest() { tail -c 2000 "$1" | tr '\r' '\n' | grep -av '^[[:space:]]*$' | tail -n 1 | cut -c 1-90; }

# On a terminal all the time, elsewhere every 30 seconds.
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

# step TITLE LOG COMMAND...: runs COMMAND; where it fails, all ends with its status.
step() {
    local title=$1 log=$logs/$2.log start=$SECONDS status=0 process
    shift 2
    mkdir -p "$logs"
    [ -t 1 ] || printf '%s …\n' "$title"
    "$@" >"$log" 2>&1 </dev/null &
    process=$!
    # A job in the background does not hear Ctrl-C by itself.
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

# What a person needs of a failed step's log: its errors once each, else its end.
show_failure() {
    local errors
    errors=$(awk '/error:|Fatal error/ && !seen[$0]++' "$1" | head -n 400) || true
    if [ -n "$errors" ]; then printf '%s\n' "$errors"; else tail -n 40 "$1"; fi
    printf 'The whole log: %s\n' "$1"
}
