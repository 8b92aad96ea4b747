internal import EngineKit
internal import HTTPClient
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

    var authentication: String { key.request }

    func address(of link: Int) -> WebSocketURL { address }

    func write(_ status: StreamShown, into json: inout JSONWriter) {
        let counters = status.counters
        json.member("feed", engine.feed.rawValue)
        json.member("trades", Int(clamping: counters.trades))
        json.member("quotes", Int(clamping: counters.quotes))
        json.member("bars", Int(clamping: counters.bars))
        json.member("revised_bars", Int(clamping: counters.revisions))
        json.member("cancels", Int(clamping: counters.past.cancels))
        json.member("corrections", Int(clamping: counters.past.corrections))
        json.member("filled_trades", Int(clamping: counters.fills.trades))
        let reached = status.reread.reached
        json.member("reread_to", reached.isDefined ? "\(reached)" : "")
    }
}
