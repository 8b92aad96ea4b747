internal import EngineKit
internal import HTTPClient
internal import MassiveEngine
internal import Primitives
internal import ServiceRuntime
internal import StreamKit
internal import WebSocketClient

extension MassiveSetup: StreamService {
    typealias Wait = WebSocketWait<MassiveEngine>
    typealias Requests = HTTPRequests<StreamFetch, StreamAnswer>

    static let providerName = "massive"
    static let words = StreamWords(
        "Massive", events: ("massive.state", "massive.trouble", "massive.skipped"),
        links: ["records"], account: ("plan", "MASSIVE_API_KEY_FILE and MASSIVE_FEED"))

    var name: String { Self.providerName }

    func makeEngine() -> MassiveEngine { MassiveEngine(engine) }

    func makeWait() throws -> sending Wait { try WebSocketWait(client) }

    func makeRequests(
        _ wake: @escaping @Sendable () -> Void
    ) throws -> sending Requests? {
        guard let requests, let rest else { return nil }
        let meaning = self.meaning
        return try Requests(
            requests, wake, unwritten: .refused("the address of the request is too long")
        ) { [key] fetch in
            HTTPURL(rest + fetch.target).map { HTTPRequest($0, headers: [key.header]) }
        } read: {
            meaning.outcome(of: $0)
        }
    }

    var authentication: String { key.request }

    func address(of link: Int) -> WebSocketURL { address }

    private var meaning: HTTPMeaning {
        HTTPMeaning(
            "Massive",
            advice: "check whether the plan has trades of the past, or switch the reading off by "
                + "MASSIVE_REREAD_FIRST=0s and MASSIVE_REREAD_LAST=0s", hidden: key.hidden)
    }

    func write(_ status: StreamShown, into json: inout JSONWriter) {
        let counters = status.counters
        json.member("feed", engine.feed.rawValue)
        json.member("trades", Int(clamping: counters.trades))
        json.member("quotes", Int(clamping: counters.quotes))
        json.member("bars", Int(clamping: counters.bars))
        json.member("revised_bars", Int(clamping: counters.revisions))
        json.member("cancels", Int(clamping: counters.past.cancels))
        json.member("corrections", Int(clamping: counters.past.corrections))
        let reached = status.reread.reached
        json.member("reread_to", reached.isDefined ? "\(reached)" : "")
    }
}
