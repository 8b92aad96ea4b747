#!/bin/sh
# prometheus-rules.sh NAMESPACE [LABEL=VALUE]...
#
# Prints the rules beside it for the Prometheus operator: a PrometheusRule for each file. LABEL=VALUE
# is what the `ruleSelector` of your Prometheus asks for, such as release=kube-prometheus-stack.
#
#   deploy/prometheus/prometheus-rules.sh monitoring release=mine | kubectl apply --filename -
set -eu
here=$(cd "$(dirname "$0")" && pwd)

fail() {
    printf 'prometheus-rules: %s\n' "$1" >&2
    exit 64
}

case ${1:-} in
    '') fail 'which namespace? prometheus-rules.sh NAMESPACE [LABEL=VALUE]...' ;;
    *[!a-z0-9-]*) fail "'$1' is no name of a namespace" ;;
esac
namespace=$1
shift
for label; do
    case $label in
        *[!A-Za-z0-9._/=-]* | =* | *=*=*) fail "'$label' is no label: write it as LABEL=VALUE" ;;
        *=*) ;;
        *) fail "'$label' is no label: write it as LABEL=VALUE" ;;
    esac
done

for file in "$here"/*.rules.yml; do
    name=$(basename "$file" .rules.yml)
    printf -- '---\napiVersion: monitoring.coreos.com/v1\nkind: PrometheusRule\nmetadata:\n'
    printf '  name: tapeline-%s\n  namespace: %s\n  labels:\n' "$name" "$namespace"
    printf '    app.kubernetes.io/part-of: tapeline\n'
    for label; do printf '    %s: "%s"\n' "${label%%=*}" "${label#*=}"; done
    printf 'spec:\n'
    sed 's/^\(.\)/  \1/' "$file"
done
