# shellcheck shell=bash disable=SC2154
# How the scripts in this folder talk to people. Sourced, not run; the caller sets `program`.

say() { printf '%s: %s\n' "$program" "$*"; }

# One clear line, then the end.
die() {
    printf '%s: error: %s\n' "$program" "$*" >&2
    exit 1
}

# seconds_since START: with one decimal; START is a value of EPOCHREALTIME.
seconds_since() {
    local microseconds=$((${EPOCHREALTIME/[.,]/} - ${1/[.,]/}))
    printf '%d.%d' $((microseconds / 1000000)) $((microseconds / 100000 % 10))
}

# last_line FILE: the last line with text in it, for a message that has to fit on one line.
last_line() { grep -v '^[[:space:]]*$' "$1" 2>/dev/null | tail -n 1 || true; }
