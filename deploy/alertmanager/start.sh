#!/bin/sh
# start.sh: makes the configuration of Alertmanager from the settings below, and starts it.
# start.sh --check-config: only makes it, and says where alerts go.
#
#   ALERTS_WEBHOOK    the URL to which alerts are posted; or ALERTS_WEBHOOK_FILE, a file that holds it
#   ALERTS_RECEIVER   instead of a webhook: a file with a receiver of your own, named `people`, such as
#                     mail.yml or chat.yml beside this script; or with a whole configuration
#   ALERTS_WATCHDOG   the URL that gets `Watchdog` each minute, so that somebody else notices when it
#                     stops; or ALERTS_WATCHDOG_FILE
#   ALERTS_FOLDER     a folder whose files `webhook`, `watchdog` and `receiver.yml` count where they exist
#   ALERTS_STATE      the folder of silences, and of what was sent
#   ALERTS_ADDRESS    where Alertmanager listens
#   ALERTMANAGER      the program, 0.26 or newer; where amtool is beside it, it checks the configuration
#
# URLs hold secrets. They are in a file that only this user may read, and in no argument and no line
# of a log. A device in place of a file (/dev/null) means that there is none.
set -eu
umask 077
here=$(cd "$(dirname "$0")" && pwd)
state=${ALERTS_STATE:-/alertmanager}
configuration=${ALERTS_CONFIGURATION:-/tmp/alertmanager.yml}
folder=${ALERTS_FOLDER:-}
program=${ALERTMANAGER:-alertmanager}

fail() {
    printf 'alerts: %s\n' "$1" >&2
    exit 64
}

# readable NAME FILE: fails unless FILE can be read, and warns when everybody can.
readable() {
    [ -f "$2" ] || fail "$1: there is no file $2"
    [ -r "$2" ] || fail "$1: user $(id -u) may not read $2: give it to a group of that user, mode 640"
    [ -z "$(find -L "$2" -perm -004)" ] ||
        printf 'alerts: warning: %s: every user may read %s, which may hold a secret: chmod 640\n' "$1" "$2" >&2
}

# address NAME FILE: prints the URL that the setting NAME, NAME_FILE or the file FILE of the folder
# holds. It prints nothing if there is none.
address() {
    eval "value=\${$1:-} file=\${$1_FILE:-}"
    [ ! -c "$file" ] || file=
    [ -n "$value$file" ] || [ -z "$folder" ] || [ ! -e "$folder/$2" ] || file=$folder/$2
    [ -z "$value" ] || [ -z "$file" ] || fail "$1 and $1_FILE are both set: set one of them"
    if [ -n "$file" ]; then
        readable "$1_FILE" "$file"
        value=$(cat "$file")
        [ -n "$value" ] || fail "$1_FILE: $file is empty: write the URL into it"
    fi
    case $value in
        '') return 0 ;;
        *[![:graph:]]* | *\'* | *\"* | *\\*) fail "$1 is no URL: it has a space or a quote in it" ;;
        http://?* | https://?*) printf '%s' "$value" ;;
        *) fail "$1 is no URL: it has to begin with https:// or http://" ;;
    esac
}

# One before 0.26 writes the URL of a receiver that refuses into its log.
version=$("$program" --version 2>&1 | sed -n 's/.*version \([0-9]*\.[0-9]*\).*/\1/p' | head -n 1) || version=
case $version in
    0.[0-9] | 0.1[0-9] | 0.2[0-5]) fail "$program is version $version: 0.26 or newer is needed, whose log has no URLs" ;;
esac

webhook=$(address ALERTS_WEBHOOK webhook)
watchdog=$(address ALERTS_WATCHDOG watchdog)
receiver=${ALERTS_RECEIVER:-}
[ ! -c "$receiver" ] || receiver=
[ -n "$receiver" ] || [ -z "$folder" ] || [ ! -e "$folder/receiver.yml" ] || receiver=$folder/receiver.yml
[ -z "$receiver" ] || readable ALERTS_RECEIVER "$receiver"
[ -z "$webhook" ] || [ -z "$receiver" ] ||
    fail 'ALERTS_WEBHOOK and ALERTS_RECEIVER are both set: set one of them'
[ -z "$watchdog" ] || [ -n "$webhook$receiver" ] ||
    fail 'ALERTS_WATCHDOG is set, but alerts reach nobody: set ALERTS_WEBHOOK or ALERTS_RECEIVER, too'

# watched INDENTATION: prints the receiver of the watchdog as an item of the list.
watched() {
    printf "%s- name: watchdog\n" "$1"
    [ -z "$watchdog" ] ||
        printf "%s  webhook_configs: [{url: '%s', send_resolved: false}]\n" "$1" "$watchdog"
}

made() {
    if [ -n "$receiver" ] && grep -q '^route:' "$receiver"; then
        [ -z "$watchdog" ] || fail "ALERTS_WATCHDOG: $receiver is a whole configuration: name it there"
        cat "$receiver"
    elif [ -n "$receiver" ]; then
        grep -q '^receivers:' "$receiver" || fail "ALERTS_RECEIVER: $receiver has no line 'receivers:'"
        grep -Eq '^ *- *name: *"?people"? *$' "$receiver" ||
            fail "ALERTS_RECEIVER: $receiver has no receiver with the line '- name: people'"
        # The watchdog is the first of the list: after it the file may have other keys, or end
        # without the end of a line.
        cat "$here/routes.yml"
        sed '/^receivers:/q' "$receiver"
        watched "$(sed -n '/^receivers:/,$s/^\( *\)- .*/\1/p' "$receiver" | head -n 1)"
        sed -n '/^receivers:/,$p' "$receiver" | sed 1d
    else
        cat "$here/routes.yml"
        printf 'receivers:\n  - name: people\n'
        [ -z "$webhook" ] || printf "    webhook_configs: [{url: '%s', send_resolved: true}]\n" "$webhook"
        watched '  '
    fi
}

made >"$configuration.new"
# What is quoted in its words may be a secret.
checker=$(dirname "$(command -v "$program" || echo none)")/amtool
if [ -x "$checker" ] && ! found=$("$checker" check-config "$configuration.new" 2>&1); then
    said=$(printf '%s\n' "$found" | sed -e 's/.*FAILED: *//' -e '/^amtool: /d' \
        -e 's/`[^`]*`/…/g' -e 's/"[^"]*"/…/g' -e 's#[^ ]*://[^ ]*#…#g' | tr -s ' \n' ' ')
    fail "${receiver:-routes.yml}: amtool does not take $configuration.new, which has it: $said"
fi
mv "$configuration.new" "$configuration"
if [ -n "$receiver" ]; then echo "alerts: they go where $receiver says"
elif [ -n "$webhook" ]; then echo 'alerts: they go to the webhook'
else echo 'alerts: they reach nobody: set ALERTS_WEBHOOK to the URL of a webhook (docs/operate.md)'
fi
[ "${1:-}" != --check-config ] || exit 0
exec "$program" --config.file="$configuration" --storage.path="$state" \
    --web.listen-address="${ALERTS_ADDRESS:-:9093}" --cluster.listen-address= --log.level=warn
