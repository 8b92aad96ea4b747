internal import EngineKit
internal import AlpacaEngine
internal import Primitives
internal import ServiceRuntime
internal import StreamKit
internal import WebSocketClient

extension AlpacaSetup: StreamService {
    typealias Trouble = AlpacaTrouble

    static let name = "alpaca"

    func makeEngine() -> AlpacaEngine { AlpacaEngine(engine) }

    func step(_ wish: AlpacaWish) -> StreamStep {
        switch wish {
        case .open(let number, let endpoint): .open(number, address(endpoint))
        case .authenticate(let number): .send(number, keys.request)
        case .send(let number, let text): .send(number, text)
        case .close(let number): .close(number)
        }
    }

    static func report(_ note: AlpacaNote, to report: StreamReport<Self>) {
        switch note {
        case .state(let state): report.telemetry.emit(AlpacaStateChanged(state: state))
        case .lost(let endpoint, let failures, let reason):
            let what = endpoint == .market ? "no records" : "no news"
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
        case .misfit(let instrument, let text):
            report.trouble("\(report.symbol(instrument)): \(text)")
        case .unknownTrade(let instrument, let id):
            report.trouble(
                "\(report.symbol(instrument)): trade \(id) was changed, whose time is not known: "
                    + "the bars of its session are computed again")
        case .skipped(let reason): report.telemetry.emit(AlpacaSkipped(reason: reason))
        }
    }

    func write(_ status: AlpacaStatus, into json: inout JSONWriter) {
        let counters = status.counters
        json.member("feed", engine.feed.rawValue)
        json.member("trades", Int(clamping: counters.trades))
        json.member("quotes", Int(clamping: counters.quotes))
        json.member("bars", Int(clamping: counters.bars.all))
        json.member("articles", Int(clamping: counters.articles))
        json.member("corrections", Int(clamping: counters.corrections))
        json.member("cancels", Int(clamping: counters.cancels))
        json.member("unknown_trades", Int(clamping: counters.unknownTrades))
    }
}
