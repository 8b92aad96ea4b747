import TestSupport
import Testing

/// Whether somebody sees that a counter rises, where a person should do something then.
@Suite("Counters") struct CounterTests {
    /// Counters that no rule and no panel shows, each with what shows the same.
    private static let exceptions = [
        "mds_alpaca_fill_failures_total": "mds_gateway_gaps: GapsOpen",
        "mds_alpaca_trades_total": "mds_gateway_ticks_received_total has a panel",
        "mds_alpaca_unfilled_gaps_total": "mds_gateway_gaps: GapsOpen, while they wait",
        "mds_binance_trades_total": "mds_gateway_ticks_received_total has a panel",
        "mds_coord_items_submitted_total": "sink_writes_total has a panel",
        "mds_gateway_spool_begun_total": "SpoolInUse and the panel of the spool",
        "mds_gateway_unpublished_ticks_total":
            "it rises when the process ends, and nobody reads it after that; the log has it",
        "mds_ibkr_notices_total": "mds_ibkr_feeds and mds_ibkr_state have what follows from them",
        "mds_keeper_purges_total": "mds_keeper_held has a panel and TapePurgeHeld",
        "mds_massive_fill_failures_total": "mds_gateway_gaps: GapsOpen",
        "mds_massive_trades_total": "mds_gateway_ticks_received_total has a panel",
        "mds_massive_unfilled_gaps_total": "mds_gateway_gaps: GapsOpen, while they wait",
        "mds_nats_servers_refused_total": "mds_nats_connected is 0 meanwhile: NatsAway",
        "mds_operator_checkpoints_total": "mds_operator_checkpoint_age_seconds has a panel",
        "mds_tape_readers_stopped_total": "mds_tape_stopped_readers: TapeLostData",
        "mds_tape_unavailable_total": "mds_nats_connected is 0 meanwhile: NatsAway",
        "mds_trace_spans_dropped_total": "no tick is lost with a span, and the log has the reason",
        "mds_writer_servers_refused_total": "mds_store_refused_servers: DatabaseServerRefused",
    ]

    @Test("each counter that asks for something is in a rule, a panel, or the list of exceptions")
    func seen() throws {
        let rules = try RuleFiles()
        let expressions =
            rules.alerts.map(\.expression) + rules.records.map(\.expression)
            + (try DashboardQuery.all().map(\.query))
        let shown = Set(expressions.flatMap { QueryNames($0).selectors.map(\.metric) })
        let counters = try MetricCatalogue().metrics.filter {
            $0.value.kind == "counter" && !["-", ""].contains($0.value.action)
        }
        let unseen = Set(counters.keys).subtracting(shown)
        let excepted = Set(Self.exceptions.keys)
        #expect(unseen.subtracting(excepted).sorted() == [])
        #expect(excepted.subtracting(unseen).sorted() == [], "no exception is needed for these")
        #expect(counters.count > 150)
    }
}
