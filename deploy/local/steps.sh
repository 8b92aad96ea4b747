# shellcheck shell=bash disable=SC2154
# Runs the steps of long work, with one line each. Sourced. The caller's working folder is the
# checkout; it sources messages.sh and sets `logs`, a folder.
#
# Each step writes to its own log and shows one line: that it runs, how far it is, how long it took.
# If it fails, its errors are shown, else the end of the log.
#
# After `begin_steps` the cost of each step is recorded as well, a line of JSON each, in
# $logs/steps-PROGRAM.jsonl: `.ci/budget.py` reads it.
steps_of=
# A step that has less to do than from nothing, because an earlier run left something.
partial_step=

# begin_steps PROGRAM: forgets the record of the program's last run, and begins a new one.
begin_steps() {
    steps_of=$1
    mkdir -p "$logs"
    : >"$logs/steps-$1.jsonl"
}

# Sets `processor` to the milliseconds of processor time of all processes that this shell has waited for.
# `times` in a subshell would count those of the subshell.
read_processor() {
    local user system
    times >"$logs/times"
    { read -r _ && read -r user system; } <"$logs/times"
    processor=$(($(milliseconds "$user") + $(milliseconds "$system")))
}

# milliseconds 1m2.345s
milliseconds() {
    local seconds=${1#*m}
    seconds=${seconds%s}
    printf '%d' $((${1%%m*} * 60000 + 10#${seconds/[.,]/}))
}

# Records a step from the values of EPOCHREALTIME and `processor` before it.
record_step() { # record_step NAME START PROCESSOR
    [ -n "$steps_of" ] || return 0
    local wall=$(((${EPOCHREALTIME/[.,]/} - ${2/[.,]/}) / 1000)) spent whole=true
    read_processor
    spent=$((processor - $3))
    [ "$1" != "$partial_step" ] || whole=false
    printf '{"program": "%s", "name": "%s", "wall": %d.%03d, "processor": %d.%03d, "whole": %s}\n' \
        "$steps_of" "$1" $((wall / 1000)) $((wall % 1000)) $((spent / 1000)) $((spent % 1000)) "$whole" \
        >>"$logs/steps-$steps_of.jsonl"
}

# measured NAME COMMAND...: runs a command that shows its own lines, and records it as a step.
measured() {
    local name=$1 start=$EPOCHREALTIME before processor=0
    shift
    read_processor
    before=$processor
    "$@"
    record_step "$name" "$start" "$before"
}

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
    local began=$EPOCHREALTIME before processor=0
    shift 2
    mkdir -p "$logs"
    read_processor
    before=$processor
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
    record_step "$title" "$began" "$before"
}

# Prints the useful part of a failed step's log: each error once, or else the end.
show_failure() {
    local errors
    errors=$(awk '/error:|Fatal error|Precondition failed/ && !seen[$0]++' "$1" | head -n 400) || true
    if [ -n "$errors" ]; then printf '%s\n' "$errors"; else tail -n 40 "$1"; fi
    printf 'The whole log: %s\n' "$1"
}
