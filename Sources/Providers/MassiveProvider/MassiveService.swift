internal import EngineKit
internal import HTTPClient
internal import HistoryKit
internal import MassiveEngine
internal import Primitives
internal import ServiceRuntime
internal import StreamKit
internal import WebSocketClient

extension MassiveSetup: ProviderService {
    typealias Wait = WebSocketWait<MassiveEngine>
    typealias Requests = HTTPRequests<StreamFetch, StreamAnswer>
    typealias Trouble = MassiveTrouble

    static let providerName = "massive"

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

    func step(_ wish: StreamWish) -> ProviderStep<WebSocketStep, StreamFetch> {
        switch wish {
        case .open(let number, _): .link(.open(number, address))
        case .authenticate(let number): .link(.send(number, key.request))
        case .send(let number, let text): .link(.send(number, text))
        case .close(let number): .link(.close(number))
        case .fetch(let fetch): .ask(fetch.number, fetch)
        }
    }

    private var meaning: HTTPMeaning {
        HTTPMeaning(
            "Massive",
            advice: "check whether the plan has trades of the past, or switch the reading off by "
                + "MASSIVE_REREAD_FIRST=0s and MASSIVE_REREAD_LAST=0s", hidden: key.hidden)
    }

    func report(_ note: StreamNote, to report: ProviderReport<Self>) {
        switch note {
        case .state(let state): report.telemetry.emit(MassiveStateChanged(state: state))
        case .lost(_, let failures, let reason):
            report.trouble("no records, tried again by itself: \(reason)", failures: failures)
        case .refusedAccount(let reason):
            report.showSoon()
            report.trouble(
                "the key or the plan is not taken, tried again each minute: \(reason); check "
                    + "MASSIVE_API_KEY_FILE and MASSIVE_FEED")
        case .refusedRequest(let reason): report.trouble("a request is refused: \(reason)")
        case .refused(let instrument, let reason):
            report.showSoon()
            report.trouble("\(report.symbol(instrument)): \(reason)")
        case .trouble(let instrument, let text):
            report.trouble(instrument.map { "\(report.symbol($0)): \(text)" } ?? text)
        case .skipped(let reason): report.telemetry.emit(MassiveSkipped(reason: reason))
        }
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
