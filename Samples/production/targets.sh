#!/bin/sh
# targets.sh: writes for Prometheus where the processes of the stack 'production', and those of another.sh, have their
# pages, a file for each program in work/targets/.
set -eu
cd "$(dirname "$0")"
mkdir -p work/targets
pages=$(tapeline status --name production | sed -n 's,^\([a-z-]*\) .* http://\([0-9.:]*\)/status.*,\1 \2,p'
    sed -n 's/.*\(provider-gateway\|operator-worker\) .* starts, operations on \([0-9.]*:[0-9]*\).*/\1 \2/p' work/*.log)
for job in provider-gateway operator-worker store-writer; do
    list=$(echo "$pages" | awk -v job="$job" 'index($1, job) == 1 { printf "%s\"%s\"", n++ ? ", " : "", $2 }')
    echo "[{\"targets\": [$list]}]" >"work/targets/$job.json"
done
