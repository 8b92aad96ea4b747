#!/usr/bin/env python3
"""Prints every query of the dashboards, with their variables filled in.

    deploy/grafana/queries.py            one JSON object per line
    deploy/grafana/queries.py URL        asks a Prometheus for each: how many series it answers

`needs` of a query is "data" when a cluster that works answers it with series, and "event" when all
that it asks for comes into being with something that went wrong, or has to be switched on. With a
URL it fails when a query is refused, or one that needs data has none.
"""
import json
import pathlib
import re
import sys
import urllib.error
import urllib.parse
import urllib.request

FOLDER = pathlib.Path(__file__).parent / "dashboards"
VARIABLES = {
    "$__rate_interval": "1m",
    "$__range": "1h",
    "$job": ".+",
    "$instance": ".+",
}
# Metrics that may be absent: counters that begin with their first event, gauges of optional
# settings, and histograms of work that a quiet system does not do.
EVENTS = {
    "mds_cockpit_actions_total",
    "mds_cockpit_connections_cut_total",
    "mds_cockpit_questions_total",
    "mds_cockpit_tokens_refused_total",
    "mds_dead_letters_total",
    "mds_gateway_backpressure",
    "mds_gateway_backpressure_changes_total",
    "mds_gateway_books_voided_total",
    "mds_gateway_clock_steps_total",
    "mds_gateway_dropped_total",
    "mds_gateway_gaps_given_up_total",
    "mds_gateway_gaps_settled_total",
    "mds_gateway_instrument_reloads_total",
    "mds_gateway_pauses_total",
    "mds_gateway_provider_start_failures_total",
    "mds_gateway_provider_switches_total",
    "mds_gateway_providers_late_total",
    "mds_gateway_spool_aside_ticks_total",
    "mds_gateway_spool_damaged_frames_total",
    "mds_gateway_taken_over_total",
    "mds_hot_state_book_changes_left_out_total",
    "mds_hot_state_books_lost_total",
    "mds_hot_state_evictions_total",
    "mds_hot_state_fill_failures_total",
    "mds_hot_state_fills_total",
    "mds_hot_state_left_out_total",
    "mds_hot_state_rebuilds_total",
    "mds_hot_state_replaced_total",
    "mds_ibkr_connections_total",
    "mds_ibkr_cut_texts_total",
    "mds_ibkr_delayed_left_out_ticks_total",
    "mds_ibkr_failures_total",
    "mds_ibkr_late_records_total",
    "mds_ibkr_lost_numbers_total",
    "mds_ibkr_outages_total",
    "mds_keeper_held",
    "mds_keeper_leader_moves_total",
    "mds_keeper_let_go",
    "mds_keeper_purged_messages_total",
    "mds_live_interruptions_total",
    "mds_member_heartbeats_not_understood_total",
    "mds_member_heartbeats_unsaid_total",
    "mds_member_losses_total",
    "mds_member_pauses_total",
    "mds_member_record_failures_total",
    "mds_member_releases_total",
    "mds_nats_disconnects_total",
    "mds_nats_service_questions_total",
    "mds_operator_bars_settled_early_total",
    "mds_operator_edge_dropped_total",
    "mds_operator_handover_seconds_bucket",
    "mds_operator_left_out_total",
    "mds_operator_partition_starts_total",
    "mds_operator_partitions_left_total",
    "mds_operator_repair_left_out_total",
    "mds_operator_repair_seconds_bucket",
    "mds_operator_repairs_refused_total",
    "mds_operator_repairs_total",
    "mds_operator_ticks_excluded_total",
    "mds_operator_values_left_out_total",
    "mds_store_capacity_bytes",
    "mds_store_maintenance_failures_total",
    "mds_store_partitions_made_total",
    "mds_tape_call_failures_total",
    "mds_tape_copy_unverified_seconds",
    "mds_tape_disk_headroom_bytes",
    "mds_tape_fenced_total",
    "mds_tape_heads_not_understood_total",
    "mds_tape_heads_untold_total",
    "mds_tape_lost_ticks_total",
    "mds_tape_missing_ticks_total",
    "mds_tape_positions_not_understood_total",
    "mds_tape_positions_untold_total",
    "mds_tape_publish_unsettled_total",
    "mds_tape_reader_renewals_total",
    "mds_tape_record_failures_total",
    "mds_writer_breaker_changes_total",
    "mds_writer_database_failures_total",
    "mds_writer_fenced_total",
    "mds_writer_gap_ticks_total",
    "mds_writer_pauses_total",
    "mds_writer_promotions_total",
    "mds_writer_queue_marks_total",
    "mds_writer_server_reads_failed_total",
    "namespace:mds_store_full_seconds:deriv6h",
}
# Providers that a gateway may do without.
PROVIDERS = ("mds_alpaca_", "mds_binance_", "mds_history_", "mds_massive_", "mds_polled_")
METRIC = re.compile(r"\b(?:(?:mds|sink|process)_\w+|\w+:\w+:\w+|up|ALERTS)\b(?!\s*\()")


def filled(expression):
    for name in sorted(VARIABLES, key=len, reverse=True):
        expression = expression.replace(name, VARIABLES[name])
    return expression


def panels(dashboard):
    for panel in dashboard["panels"]:
        yield panel
        yield from panel.get("panels", [])


def needs(query):
    metrics = set(METRIC.findall(re.sub(r'"[^"]*"', '""', query)))
    may_be_absent = all(name in EVENTS or name.startswith(PROVIDERS) for name in metrics)
    return "event" if may_be_absent and "vector(" not in query else "data"


def queries():
    for path in sorted(FOLDER.glob("*.json")):
        dashboard = json.loads(path.read_text(encoding="utf-8"))
        for panel in panels(dashboard):
            for target in panel.get("targets", []):
                query = filled(target["expr"])
                yield {
                    "dashboard": dashboard["uid"],
                    "panel": panel["title"],
                    "ref": target["refId"],
                    "query": query,
                    "needs": needs(query),
                }


def answer(url, query):
    """Returns the number of series, and the error if there is one."""
    body = urllib.parse.urlencode({"query": query}).encode()
    try:
        with urllib.request.urlopen(f"{url}/api/v1/query", body, timeout=30) as response:
            return len(json.load(response)["data"]["result"]), None
    except urllib.error.HTTPError as error:
        return None, json.load(error).get("error", str(error))


def ask(url):
    missing = 0
    for query in queries():
        series, problem = answer(url.rstrip("/"), query["query"])
        if problem is not None or (series == 0 and query["needs"] == "data"):
            missing += 1
            print(f"no data: {query['dashboard']}, {query['panel']}: {query['query']}: {problem}")
        else:
            print(json.dumps({**query, "series": series}))
    return missing


def main(arguments):
    if len(arguments) == 1:
        missing = ask(arguments[0])
        if missing:
            print(f"{missing} queries have no answer", file=sys.stderr)
        return 1 if missing else 0
    for query in queries():
        print(json.dumps(query))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
