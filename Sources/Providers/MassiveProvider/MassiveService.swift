internal import EngineKit
internal import HTTPClient
internal import MarketModel
internal import MassiveEngine
internal import Primitives
internal import ServiceRuntime
internal import StreamKit
internal import WebSocketClient

extension MassiveSetup: FilledService {
    typealias Wait = WebSocketWait<MassiveEngine>
    typealias Requests = HTTPRequests<StreamFetch, StreamAnswer>

    static let providerName = "massive"
    static let words = StreamWords(
        "Massive", events: ("massive.state", "massive.trouble", "massive.skipped"),
        links: ["records"], account: ("plan", "MASSIVE_API_KEY_FILE and MASSIVE_FEED"))

    var name: String { Self.providerName }

    func makeEngine() -> MassiveEngine { MassiveEngine(engine) }

    func makeWait() throws -> sending Wait { try WebSocketWait(client) }

    var authentication: String { key.request() }

    func address(of link: Int) -> WebSocketURL { address }

    func write(_ status: StreamShown, into json: inout JSONWriter) {
        let counters = status.counters
        json.member("feed", engine.feed.rawValue)
        counters.writeRecords(into: &json)
        json.member("revised_bars", Int(clamping: counters.revisions))
        json.member("cancels", Int(clamping: counters.past.cancels))
        json.member("corrections", Int(clamping: counters.past.corrections))
        json.member("filled_trades", Int(clamping: counters.fills.trades))
        let reached = status.reread.reached
        json.member("reread_to", reached.isDefined ? "\(reached)" : "")
    }
}

extension MassiveSetup {
    private typealias Names = ProviderMetrics<StreamShown>.Names

    static let metrics = ProviderMetrics<StreamShown>.Names(
        received: (
            ("mds_massive_received_bytes_total", "a byte of a frame, after TLS", "", by: ""),
            (
                "mds_massive_channel_full_total",
                "a turn in which the gateway had no room and nothing was read",
                "rises: the tape is too slow, see `mds_gateway_blocked_total`", by: ""
            )
        ),
        state: (
            "mds_massive_state", "1 at the state of the connection, else 0",
            "closed: the event `massive.trouble` has the reason; refused: check the file of "
                + "`MASSIVE_API_KEY_FILE` and `MASSIVE_FEED`; occupied: see "
                + "`mds_massive_occupied_total`",
            by: "state: closed, connecting, ready, refused, occupied"
        ), counters, levels,
        Names.skipped(
            (
                "mds_massive_skipped_messages_total", "a message that was left out",
                "unknown: Massive sends something new; double: it repeats trades",
                by: "reason: stray, unknown, status, double"
            ), StreamSkip.self
        ) { $0.skipped($1) })

    private static let counters: [Names.Count] = [
        (
            "mds_massive_messages_total", "a message of Massive",
            "does not rise in trading hours: nothing arrives, or the stream has stopped inside "
                + "of Massive", \.messages
        ),
        (
            "mds_massive_trades_total", "a trade handed over to the gateway",
            "does not rise in trading hours: nothing comes", \.trades
        ),
        (
            "mds_massive_quotes_total",
            "a best bid and offer handed over to the gateway", "", \.quotes
        ),
        ("mds_massive_bars_total", "a bar of Massive handed over to the gateway", "", \.bars),
        (
            "mds_massive_revised_bars_total",
            "a bar that was sent again, because a trade came late", "", \.revisions
        ),
        (
            "mds_massive_unordered_total",
            "a trade or a quote whose number is below that of an earlier one of the symbol",
            "rises fast: Massive does not number as it says; the records are right nevertheless",
            \.ids.unordered
        ),
        (
            "mds_massive_misfits_total",
            "a record with a number that does not fit the tape, or without a field; a gap "
                + "record has its text",
            "above 0: the event `massive.trouble` names the instrument", \.misfits
        ),
        (
            "mds_massive_late_trades_total",
            "a trade below the promise of the watermark; it is on the tape nevertheless",
            "rises fast: raise `MASSIVE_DELAY_MAX`", \.late
        ),
        (
            "mds_massive_broken_frames_total",
            "a frame that cannot be read; its connection was ended",
            "rises: something between here and Massive changes what is sent", \.broken
        ),
        (
            "mds_massive_connections_total", "a connection that opened",
            "often: the event `massive.trouble` has the reasons", \.links.opened
        ),
        (
            "mds_massive_failures_total", "an attempt that failed, or a connection that ended",
            "the event `massive.trouble` has the reason", \.links.failures
        ),
        (
            "mds_massive_occupied_total",
            "a connection that ended because another session of the account is connected, or "
                + "was cut off just now",
            "rises for minutes: another program uses the account", \.links.occupied
        ),
        (
            "mds_massive_cancels_total",
            "a trade that was cancelled, found when trades were read again", "", \.past.cancels
        ),
        (
            "mds_massive_corrections_total",
            "a trade that was corrected, found when trades were read again", "", \.past.corrections
        ),
        (
            "mds_massive_unreadable_changes_total",
            "a cancel or a correction with a number that does not fit the tape, or without a "
                + "field",
            "above 0: bars keep such a trade: [ProviderTradesLost](runbooks/ProviderTradesLost.md)",
            \.past.unreadable
        ),
        ("mds_massive_requests_total", "a request for past trades", "", \.past.requests),
        (
            "mds_massive_request_failures_total",
            "a request for past trades without an answer that can be used",
            "the event `massive.trouble` has the reason", \.past.failures
        ),
        (
            "mds_massive_left_out_spans_total",
            "a time of a symbol whose trades were not read again, because no try was answered",
            "above 0: nobody knows whether trades of it were cancelled; the event "
                + "`massive.trouble` names it: "
                + "[ProviderTradesLost](runbooks/ProviderTradesLost.md)",
            \.past.leftOut
        ),
        (
            "mds_massive_refused_feeds_total",
            "a channel of a symbol that Massive refused, or did not answer",
            "rises: `/status` has the reasons; the plan may lack the channel", \.links.refusedFeeds
        ),
        (
            "mds_massive_refused_requests_total", "a request that Massive refused",
            "rises: the event `massive.trouble` has the reason", \.links.refusedRequests
        ),
        (
            "mds_massive_filled_trades_total",
            "a trade that did not come, and was fetched from the past", "", \.fills.trades
        ),
        (
            "mds_massive_fill_requests_total", "a request for trades that did not come", "",
            \.fills.requests
        ),
        (
            "mds_massive_fill_failures_total",
            "a request for trades that did not come, without an answer that can be used",
            "the event `massive.trouble` has the reason", \.fills.failures
        ),
        (
            "mds_massive_unfilled_gaps_total", "a gap of trades of which a part stays",
            "rises: `gaps` has the reason of each", \.fills.left
        ),
    ]

    private static let levels: [Names.Level] = [
        (
            "mds_massive_live_feeds", "instruments whose records come",
            "below the instruments of the list: `/status` has the reasons",
            { Double($0.feeds.count { $0.state == .live }) }
        ),
        (
            "mds_massive_ready_connections",
            "1 if the connection is authenticated, and no other session is there",
            "below `mds_massive_wanted_connections`: the event `massive.trouble` has the reason",
            { $0.state == .ready ? 1 : 0 }
        ),
        (
            "mds_massive_wanted_connections", "1 if the connection is to be ready",
            "", { Double($0.links) }
        ),
        (
            "mds_massive_reread_behind_seconds",
            "how much later than planned the second reading of trades is; 0: it is not late",
            "an hour and more: cancels are not seen, see the alert `ProviderTradesLost`",
            { Double($0.reread.behind) / 1e9 }
        ),
        (
            "mds_massive_open_gaps", "instruments whose outage lasts",
            "above 0 for long: the event `massive.trouble` has the reason",
            { Double($0.feeds.count { $0.hasOpenGap }) }
        ),
        (
            "mds_massive_waiting_gaps", "gaps of trades that wait for the past",
            "above 0 for hours: the event `massive.trouble` has the reason", { Double($0.fills) }
        ),
    ]
}
