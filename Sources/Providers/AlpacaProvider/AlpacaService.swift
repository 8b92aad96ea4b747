internal import EngineKit
internal import AlpacaEngine
internal import HTTPClient
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

    var authentication: String { keys.request }

    func address(of link: Int) -> WebSocketURL { address(AlpacaEndpoint.allCases[link]) }

    func write(_ status: StreamShown, into json: inout JSONWriter) {
        let counters = status.counters
        json.member("feed", engine.feed.rawValue)
        json.member("trades", Int(clamping: counters.trades))
        json.member("quotes", Int(clamping: counters.quotes))
        json.member("bars", Int(clamping: counters.bars))
        json.member("articles", Int(clamping: counters.beside.articles))
        json.member("corrections", Int(clamping: counters.changes.corrections))
        json.member("cancels", Int(clamping: counters.changes.cancels))
        json.member("filled_trades", Int(clamping: counters.fills.trades))
        json.member("unknown_trades", Int(clamping: counters.changes.unknown))
    }
}
