internal import BinanceEngine
internal import EngineKit
internal import HTTPClient
internal import MarketModel
internal import Primitives
internal import ProviderKit
internal import ServiceRuntime
internal import StreamKit
internal import WebSocketClient

extension BinanceSetup: StreamService {
    typealias Wait = WebSocketWait<BinanceEngine>
    typealias Requests = BinancePast

    static let providerName = "binance"
    static let words = StreamWords(
        "the exchange", events: ("binance.state", "binance.trouble", "binance.skipped"),
        gapEnded: "binance.gap_ended",
        links: [String](repeating: "trades", count: 2 * BinanceLimits.legs.count))

    var name: String { Self.providerName }

    func makeEngine() -> BinanceEngine { BinanceEngine(engine) }

    func makeWait() throws -> sending Wait { try WebSocketWait(client) }

    func makeRequests(
        _ wake: @escaping @Sendable () -> Void
    ) throws -> sending BinancePast? {
        guard let rest else { return nil }
        return try BinancePast(rest, http, wake: wake)
    }

    /// The exchange wants no key.
    var authentication: String { "" }

    func address(of link: Int) -> WebSocketURL { url }

    func begun(
        _ instruments: [BegunInstrument], _ order: ProviderOrder?
    ) -> [BegunInstrument] {
        let lasts = Dictionary(
            (order?.lastTrades ?? []).map { ($0.instrument, ($0.id, $0.time)) }
        ) { $1 }
        return instruments.map {
            BegunInstrument(
                number: $0.number, instrument: $0.instrument, reached: $0.reached,
                last: lasts[$0.number])
        }
    }

    func canRestart(_ kind: DataKind) -> Bool { kind == .depth }

    func write(_ status: StreamShown, into json: inout JSONWriter) {
        let counters = status.counters
        counters.writeRecords(into: &json)
        json.member("book_rows", Int(clamping: counters.beside.rows))
        json.member("missing_ids", Int(clamping: counters.ids.missing))
        json.member("filled_ids", Int(clamping: counters.ids.filled))
        json.member("lost_ids", Int(clamping: counters.ids.lost))
        json.member("waiting_gaps", status.holes)
    }

    func write(_ feed: ShownFeed, into json: inout JSONWriter) {
        feed.write(as: "symbol", into: &json)
        json.member("last_id", "\(feed.lastID)")
    }
}

extension BinanceSetup {
    private typealias Names = ProviderMetrics<StreamShown>.Names

    static let metrics = ProviderMetrics<StreamShown>.Names(
        received: (
            ("mds_binance_received_bytes_total", "a byte of a message, after TLS", "", by: ""),
            (
                "mds_binance_channel_full_total",
                "a turn in which the gateway had no room and nothing was read",
                "rises: the tape is too slow, see `mds_gateway_blocked_total`", by: ""
            )
        ),
        state: (
            "mds_binance_state", "1 at the state of the connection, else 0",
            "closed: the event `binance.trouble` has the reason",
            by: "state: closed, connecting, ready, renewing"
        ), counters, levels,
        legs
            + Names.skipped(
                (
                    "mds_binance_skipped_messages_total", "a message that was left out",
                    "malformed, fields: the exchange changed something",
                    by: "reason: malformed, fields, stray, block, unknown, binary"
                ), StreamSkip.self
            ) { $0.skipped($1) })

    private static let counters: [Names.Count] = [
        (
            "mds_binance_messages_total",
            "a message of the exchange", "does not rise: nothing arrives", \.messages
        ),
        (
            "mds_binance_trades_total", "a trade handed over to the gateway",
            "does not rise: nothing trades, or nothing comes", \.trades
        ),
        (
            "mds_binance_quotes_total",
            "a best bid and offer handed over to the gateway", "", \.quotes
        ),
        (
            "mds_binance_bars_total",
            "a bar of the exchange handed over to the gateway", "", \.bars
        ),
        (
            "mds_binance_book_rows_total",
            "a change of a row of a book handed over to the gateway", "", \.beside.rows
        ),
        (
            "mds_binance_double_updates_total",
            "a quote, bar or book that had come already", "", \.ids.doubleUpdates
        ),
        (
            "mds_binance_double_trades_total",
            "a trade that had come from another connection", "", \.ids.doubles
        ),
        (
            "mds_binance_lower_ids_total",
            "a trade whose id is not above the one before on its connection; it is left out",
            "above 0: the exchange sends trades again", \.ids.lower
        ),
        (
            "mds_binance_differing_trades_total",
            "a trade with the id of one of the last 256 of its symbol and another price, size "
                + "or time; it is left out", "above 0: the exchange changed something",
            \.ids.differing
        ),
        (
            "mds_binance_missing_trades_total",
            "a trade that did not come when its turn was, as the ids show",
            "rises: check the network, and `mds_binance_failures_total`", \.ids.missing
        ),
        (
            "mds_binance_filled_trades_total",
            "a trade that did not come, and came on request", "", \.ids.filled
        ),
        (
            "mds_binance_lost_trades_total",
            "a trade that did not come and stays missing; a gap record has its id",
            "rises: the exchange does not give it, or `BINANCE_FILL` is off", \.ids.lost
        ),
        ("mds_binance_fetches_total", "a request for past trades", "", \.past.requests),
        (
            "mds_binance_failed_fetches_total",
            "a request for past trades that was limited, refused, not answered, or useless",
            "rises: the event `binance.trouble` has the reason", \.past.failures
        ),
        (
            "mds_binance_misfit_trades_total",
            "a trade, quote, bar or book with a number that does not fit the tape; a gap "
                + "record has its text",
            "above 0: the event `binance.trouble` names the instrument", \.misfits
        ),
        (
            "mds_binance_late_trades_total",
            "a trade below the promise of the watermark; it is on the tape nevertheless",
            "rises: raise `BINANCE_DELAY_MAX`", \.late
        ),
        (
            "mds_binance_connections_total", "a connection that opened",
            "often: the event `binance.trouble` has the reasons", \.links.opened
        ),
        (
            "mds_binance_failures_total",
            "an attempt that failed, or a connection that ended by itself",
            "the event `binance.trouble` has the reason", \.links.failures
        ),
        (
            "mds_binance_renewals_total", "a connection that took over from its predecessor",
            "about once a day, and at each `serverShutdown`", \.links.renewals
        ),
        (
            "mds_binance_waits_ended_total",
            "a trade that waited for an earlier one in vain, although another connection might "
                + "have brought it",
            "rises: one connection is slow; see `BINANCE_HOT_HOT_WAIT`", \.links.waitsEnded
        ),
    ]

    private static let levels: [Names.Level] = [
        (
            "mds_binance_live_feeds", "instruments whose trades come",
            "below the instruments of the list: `/status` has the reasons",
            { Double($0.feeds.count { $0.state == .live }) }
        ),
        (
            "mds_binance_open_connections", "connections that are open",
            "below `mds_binance_wanted_connections`: the event `binance.trouble` has the reason",
            { Double($0.connections) }
        ),
        (
            "mds_binance_wanted_connections",
            "connections that are to be open: 1, with `BINANCE_HOT_HOT` 2", "", { Double($0.links) }
        ),
        (
            "mds_binance_open_gaps", "instruments whose gap no later trade has ended yet",
            "above 0 for long: the instrument does not trade, or nothing comes",
            { Double($0.feeds.count { $0.hasOpenGap }) }
        ),
        (
            "mds_binance_waiting_gaps", "gaps whose trades are being asked for",
            "above 0 for long: `mds_binance_failed_fetches_total`", { Double($0.holes) }
        ),
    ]

    /// What each of two connections brought.
    private static var legs: [Names.Labelled] {
        BinanceLimits.legs.enumerated().flatMap { link, name -> [Names.Labelled] in
            [
                (
                    (
                        "mds_binance_leg_trades_total", "a trade that a connection brought",
                        "differ for long: one of both misses trades", { $0.links.seen[link] }
                    ),
                    ("leg", name)
                ),
                (
                    (
                        "mds_binance_leg_won_trades_total",
                        "a trade that a connection brought first",
                        "", { $0.links.won[link] }
                    ), ("leg", name)
                ),
            ]
        }
    }
}
