internal import EngineKit
internal import AlpacaEngine
internal import HTTPClient
internal import HistoryKit
internal import Primitives
internal import ServiceRuntime
internal import StreamKit
internal import WebSocketClient

extension AlpacaSetup: ProviderService {
    typealias Wait = WebSocketWait<AlpacaEngine>
    typealias Requests = HTTPRequests<StreamFetch, StreamAnswer>
    typealias Trouble = AlpacaTrouble

    static let providerName = "alpaca"

    var name: String { Self.providerName }

    func makeEngine() -> AlpacaEngine { AlpacaEngine(engine) }

    func makeWait() throws -> sending Wait { try WebSocketWait(client) }

    func makeRequests(
        _ wake: @escaping @Sendable () -> Void
    ) throws -> sending Requests? { nil }

    func step(_ wish: StreamWish) -> ProviderStep<WebSocketStep, StreamFetch> {
        switch wish {
        case .open(let number, let link):
            .link(.open(number, address(AlpacaEndpoint.allCases[link])))
        case .authenticate(let number): .link(.send(number, keys.request))
        case .send(let number, let text): .link(.send(number, text))
        case .close(let number): .link(.close(number))
        case .fetch(let fetch): .ask(fetch.number, fetch)
        }
    }

    func report(_ note: StreamNote, to report: ProviderReport<Self>) {
        switch note {
        case .state(let state): report.telemetry.emit(AlpacaStateChanged(state: state))
        case .lost(let link, let failures, let reason):
            let what = link == AlpacaEndpoint.market.rawValue ? "no records" : "no news"
            report.trouble("\(what), tried again by itself: \(reason)", failures: failures)
        case .refusedAccount(let reason):
            report.showSoon()
            report.trouble(
                "the key or the subscription is not taken, tried again each minute: \(reason); "
                    + "check ALPACA_API_KEY_FILE, ALPACA_API_SECRET_FILE and ALPACA_FEED")
        case .refusedRequest(let reason): report.trouble("a request is refused: \(reason)")
        case .refused(let instrument, let reason):
            report.showSoon()
            report.trouble("\(report.symbol(instrument)): \(reason)")
        case .trouble(let instrument, let text):
            report.trouble(instrument.map { "\(report.symbol($0)): \(text)" } ?? text)
        case .skipped(let reason): report.telemetry.emit(AlpacaSkipped(reason: reason))
        }
    }

    func write(_ status: StreamShown, into json: inout JSONWriter) {
        let counters = status.counters
        json.member("feed", engine.feed.rawValue)
        json.member("trades", Int(clamping: counters.trades))
        json.member("quotes", Int(clamping: counters.quotes))
        json.member("bars", Int(clamping: counters.bars))
        json.member("articles", Int(clamping: counters.articles))
        json.member("corrections", Int(clamping: counters.changes.corrections))
        json.member("cancels", Int(clamping: counters.changes.cancels))
        json.member("unknown_trades", Int(clamping: counters.changes.unknown))
    }
}
