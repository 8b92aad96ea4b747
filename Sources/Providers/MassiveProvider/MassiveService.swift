internal import EngineKit
internal import HTTPClient
internal import HistoryKit
internal import MassiveEngine
internal import Primitives
internal import ServiceRuntime
internal import StreamKit
internal import WebSocketClient

extension MassiveSetup: StreamService {
    typealias Trouble = MassiveTrouble

    static let name = "massive"

    func makeEngine() -> MassiveEngine { MassiveEngine(engine) }

    func step(_ wish: StreamWish) -> StreamStep {
        switch wish {
        case .open(let number, _): .open(number, address)
        case .authenticate(let number): .send(number, key.request)
        case .send(let number, let text): .send(number, text)
        case .close(let number): .close(number)
        case .fetch(let fetch): .ask(fetch.number, request(fetch))
        }
    }

    /// `nil`: the address is too long.
    private func request(_ fetch: StreamFetch) -> HTTPRequest? {
        rest.flatMap { HTTPURL($0 + fetch.target) }.map { HTTPRequest($0, headers: [key.header]) }
    }

    var meaning: HTTPMeaning {
        HTTPMeaning(
            "Massive",
            advice: "check whether the plan has trades of the past, or switch the reading off by "
                + "MASSIVE_REREAD_FIRST=0s and MASSIVE_REREAD_LAST=0s", hidden: key.hidden)
    }

    static func report(_ note: StreamNote, to report: StreamReport<Self>) {
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
