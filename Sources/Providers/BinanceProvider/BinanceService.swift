internal import BinanceEngine
internal import EngineKit
internal import HistoryKit
internal import MarketModel
internal import Primitives
internal import ProviderKit
internal import ServiceRuntime
internal import StreamKit
internal import WebSocketClient

extension BinanceSetup: ProviderService {
    typealias Wait = WebSocketWait<BinanceEngine>
    typealias Requests = BinancePast

    static let providerName = "binance"

    var name: String { Self.providerName }

    func makeEngine() -> BinanceEngine { BinanceEngine(engine) }

    func makeWait() throws -> sending Wait { try WebSocketWait(client) }

    func makeRequests(
        _ wake: @escaping @Sendable () -> Void
    ) throws -> sending BinancePast? {
        guard let rest else { return nil }
        return try BinancePast(rest, http, wake: wake)
    }

    func begun(
        _ instruments: [BegunInstrument], _ order: ProviderOrder?
    ) -> [BinanceEngine.Begun] {
        let lasts = Dictionary(
            (order?.lastTrades ?? []).map { ($0.instrument, ($0.id, $0.time)) }
        ) { $1 }
        return instruments.map {
            BinanceEngine.Begun(
                number: $0.number, instrument: $0.instrument, reached: $0.reached,
                last: lasts[$0.number])
        }
    }

    func canRestart(_ kind: DataKind) -> Bool { kind == .depth }

    func step(_ wish: BinanceWish) -> ProviderStep<WebSocketStep, BinancePast.Request> {
        switch wish {
        case .open(let leg): .link(.open(leg, url))
        case .send(let leg, let text): .link(.send(leg, text))
        case .close(let leg): .link(.close(leg))
        case .fetch(let fetch): .ask(fetch.number, .past(.fetch(fetch)))
        case .lookUp(let question): .ask(question.number, .symbols(question))
        }
    }

    func report(_ note: BinanceNote, to report: ProviderReport<Self>) {
        switch note {
        case .state(let state): report.telemetry.emit(.binanceState(state))
        case .lost(let failures, let reason):
            report.trouble("no trades, tried again by itself: \(reason)", failures: failures)
        case .oneLost(let failures, let reason):
            report.trouble(
                "one of two connections is lost, the other goes on: \(reason)", failures: failures)
        case .differing(let instrument, let id):
            report.trouble(
                "\(report.symbol(instrument)): trade \(id) came twice with other content")
        case .successorLost(let reason):
            report.trouble("the next connection failed, the present one goes on: \(reason)")
        case .renewing(let reason):
            report.telemetry.emit(.binanceState(.renewing, reason))
        case .refusedRequest(let reason):
            report.trouble("the exchange refuses a request: \(reason)")
        case .refused(let instrument, let reason):
            report.showSoon()
            report.trouble("\(report.symbol(instrument)): \(reason)")
        case .missing(let instrument, let first, let last):
            report.trouble(
                "\(report.symbol(instrument)): trade ids \(first) to \(last) did not come")
        case .filled(let instrument, let added, let lost):
            report.telemetry.emit(
                .binanceGapEnded(report.symbol(instrument), added: added, lost: lost))
        case .fetchesWait(let reason):
            report.trouble("past trades are asked for later: \(reason)")
        case .mayNotFit(let instrument, let text):
            report.trouble(
                "\(report.symbol(instrument)): the exchange's limits allow \(text), which does not "
                    + "fit the tape: a trade with it is put on record as a gap")
        case .misfit(let instrument, let id, let text):
            report.trouble(
                "\(report.symbol(instrument)): "
                    + (id > 0 ? "trade \(id) does not fit the tape: \(text)" : text))
        case .restarted(let instrument, let id):
            report.trouble("\(report.symbol(instrument)): trade ids began again, now at \(id)")
        case .skipped(let reason):
            report.skipped("binance.skipped", by: "the exchange", reason.rawValue)
        }
    }

    func trouble(_ message: String, failures: Int) -> ServiceEvent {
        .providerTrouble("binance.trouble", message, failures: failures)
    }

    func write(_ status: BinanceStatus, into json: inout JSONWriter) {
        let counters = status.counters
        json.member("trades", Int(clamping: counters.trades))
        json.member("quotes", Int(clamping: counters.sides.quotes))
        json.member("bars", Int(clamping: counters.sides.bars))
        json.member("book_rows", Int(clamping: counters.sides.rows))
        json.member("missing_ids", Int(clamping: counters.missing))
        json.member("filled_ids", Int(clamping: counters.fills.filled))
        json.member("lost_ids", Int(clamping: counters.fills.lost))
        json.member("waiting_gaps", status.holes)
    }

    func write(_ feed: ShownFeed, into json: inout JSONWriter) {
        feed.write(as: "symbol", into: &json)
        json.member("last_id", "\(feed.lastID)")
    }
}
