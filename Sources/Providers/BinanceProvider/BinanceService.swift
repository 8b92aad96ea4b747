internal import BinanceEngine
internal import EngineKit
internal import HTTPClient
internal import MarketModel
internal import ProviderKit
internal import Primitives
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
        json.member("trades", Int(clamping: counters.trades))
        json.member("quotes", Int(clamping: counters.quotes))
        json.member("bars", Int(clamping: counters.bars))
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
