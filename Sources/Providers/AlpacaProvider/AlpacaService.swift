internal import AlpacaEngine
internal import EngineKit
internal import HTTPClient
internal import MarketModel
internal import Primitives
internal import ServiceRuntime
internal import StreamKit
internal import WebSocketClient

extension AlpacaSetup: FilledService {
    typealias Wait = WebSocketWait<AlpacaEngine>
    typealias Requests = HTTPRequests<StreamFetch, StreamAnswer>

    static let providerName = "alpaca"
    static let words = StreamWords(
        "Alpaca", events: ("alpaca.state", "alpaca.trouble", "alpaca.skipped"),
        links: AlpacaEndpoint.allCases.map { $0 == .market ? "records" : "news" },
        account: (
            "subscription", "ALPACA_API_KEY_FILE, ALPACA_API_SECRET_FILE and ALPACA_FEED"
        ))

    var name: String { Self.providerName }

    func makeEngine() -> AlpacaEngine { AlpacaEngine(engine) }

    func makeWait() throws -> sending Wait { try WebSocketWait(client) }

    var authentication: String { keys.request() }

    func address(of link: Int) -> WebSocketURL { address(AlpacaEndpoint.allCases[link]) }

    func write(_ status: StreamShown, into json: inout JSONWriter) {
        let counters = status.counters
        json.member("feed", engine.feed.rawValue)
        counters.writeRecords(into: &json)
        json.member("articles", Int(clamping: counters.beside.articles))
        json.member("corrections", Int(clamping: counters.changes.corrections))
        json.member("cancels", Int(clamping: counters.changes.cancels))
        json.member("filled_trades", Int(clamping: counters.fills.trades))
        json.member("unknown_trades", Int(clamping: counters.changes.unknown))
    }
}

extension AlpacaSetup {
    private typealias Names = ProviderMetrics<StreamShown>.Names

    static let metrics = ProviderMetrics<StreamShown>.Names(
        received: (
            ("mds_alpaca_received_bytes_total", "a byte of a frame, after TLS", "", by: ""),
            (
                "mds_alpaca_channel_full_total",
                "a turn in which the gateway had no room and nothing was read",
                "rises: the tape is too slow, see `mds_gateway_blocked_total`", by: ""
            )
        ),
        state: (
            "mds_alpaca_state", "1 at the state of the connection to the market, else 0",
            "closed: the event `alpaca.trouble` has the reason; refused: check the files of "
                + "the key and `ALPACA_FEED`; occupied: end the other session of the account, "
                + "if it does not end by itself in 90 s",
            by: "state: closed, connecting, ready, refused, occupied"
        ), counters, levels,
        Names.skipped(
            (
                "mds_alpaca_skipped_messages_total", "a message that was left out",
                "unknown: Alpaca sends something new", by: "reason: stray, unknown, status, double"
            ), StreamSkip.self
        ) { $0.skipped($1) })

    private static let counters: [Names.Count] = [
        (
            "mds_alpaca_messages_total",
            "a message of Alpaca", "does not rise in trading hours: nothing arrives", \.messages
        ),
        (
            "mds_alpaca_trades_total", "a trade handed over to the gateway",
            "does not rise in trading hours: nothing comes", \.trades
        ),
        (
            "mds_alpaca_quotes_total",
            "a best bid and offer handed over to the gateway", "", \.quotes
        ),
        ("mds_alpaca_bars_total", "a bar of Alpaca handed over to the gateway", "", \.bars),
        (
            "mds_alpaca_revised_bars_total",
            "a bar of Alpaca that came again, because a trade was reported late; part of "
                + "`mds_alpaca_bars_total`", "", \.revisions
        ),
        ("mds_alpaca_statuses_total", "a halt, or its end", "", \.beside.statuses),
        (
            "mds_alpaca_articles_total",
            "a headline handed over to the gateway, once for each symbol", "", \.beside.articles
        ),
        ("mds_alpaca_corrections_total", "a trade that was corrected", "", \.changes.corrections),
        ("mds_alpaca_cancels_total", "a trade that was cancelled", "", \.changes.cancels),
        (
            "mds_alpaca_unknown_trades_total", "a changed trade whose time is not known",
            "after a restart: nothing; else raise `ALPACA_TRADES_KEPT`", \.changes.unknown
        ),
        (
            "mds_alpaca_repairs_total",
            "a symbol's day that is computed again, because a trade was changed whose time is "
                + "not known", "rises: raise `ALPACA_TRADES_KEPT`", \.changes.repairs
        ),
        (
            "mds_alpaca_misfits_total",
            "a record with a number that does not fit the tape, or without a field; a gap "
                + "record has its text",
            "above 0: the event `alpaca.trouble` names the instrument", \.misfits
        ),
        (
            "mds_alpaca_late_trades_total",
            "a trade below the promise of the watermark; it is on the tape nevertheless",
            "rises fast: raise `ALPACA_DELAY_MAX`", \.late
        ),
        (
            "mds_alpaca_broken_frames_total",
            "a frame that cannot be read; its connection was ended",
            "rises: something between here and Alpaca changes what is sent", \.broken
        ),
        (
            "mds_alpaca_connections_total", "a connection that opened",
            "often: the event `alpaca.trouble` has the reasons", \.links.opened
        ),
        (
            "mds_alpaca_failures_total", "an attempt that failed, or a connection that ended",
            "the event `alpaca.trouble` has the reason", \.links.failures
        ),
        (
            "mds_alpaca_occupied_total",
            "an attempt that ended because another session of the account is connected, or was "
                + "cut off just now",
            "rises for minutes: another program uses the account", \.links.occupied
        ),
        (
            "mds_alpaca_refused_requests_total", "a request that Alpaca refused",
            "rises: the event `alpaca.trouble` has the reason; the account's plan limits "
                + "symbols", \.links.refusedRequests
        ),
        (
            "mds_alpaca_filled_trades_total",
            "a trade that did not come, and was fetched from the past", "", \.fills.trades
        ),
        (
            "mds_alpaca_fill_requests_total", "a request for trades that did not come", "",
            \.fills.requests
        ),
        (
            "mds_alpaca_fill_failures_total",
            "a request for trades that did not come, without an answer that can be used",
            "the event `alpaca.trouble` has the reason", \.fills.failures
        ),
        (
            "mds_alpaca_unfilled_gaps_total", "a gap of trades of which a part stays",
            "rises: `gaps` has the reason of each", \.fills.left
        ),
    ]

    private static let levels: [Names.Level] = [
        (
            "mds_alpaca_live_feeds", "instruments whose records come",
            "below the instruments of the list: `/status` has the reasons",
            { Double($0.feeds.count { $0.state == .live }) }
        ),
        (
            "mds_alpaca_ready_connections", "connections that are authenticated",
            "below `mds_alpaca_wanted_connections`: the event `alpaca.trouble` has the reason",
            { Double($0.connections) }
        ),
        (
            "mds_alpaca_wanted_connections", "connections that are to be ready: 1, with news 2",
            "", { Double($0.links) }
        ),
        (
            "mds_alpaca_open_gaps", "instruments whose outage lasts",
            "above 0 for long: the event `alpaca.trouble` has the reason",
            { Double($0.feeds.count { $0.hasOpenGap }) }
        ),
        (
            "mds_alpaca_waiting_gaps", "gaps of trades that wait for the past",
            "above 0 for hours: the event `alpaca.trouble` has the reason", { Double($0.fills) }
        ),
    ]
}
