# shellcheck shell=bash disable=SC2154
# The messages of the scripts in this folder. Sourced, not run; the caller sets `program`.

say() { printf '%s: %s\n' "$program" "$*"; }

# Prints one error line and exits.
die() {
    printf '%s: error: %s\n' "$program" "$*" >&2
    exit 1
}

# seconds_since START: prints the seconds with one decimal. START is a value of EPOCHREALTIME.
seconds_since() {
    local microseconds=$((${EPOCHREALTIME/[.,]/} - ${1/[.,]/}))
    printf '%d.%d' $((microseconds / 1000000)) $((microseconds / 100000 % 10))
}

# last_line FILE: prints the last line that contains text, for a message of one line.
last_line() { grep -v '^[[:space:]]*$' "$1" 2>/dev/null | tail -n 1 || true; }
