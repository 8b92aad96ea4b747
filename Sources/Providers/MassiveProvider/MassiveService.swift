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

    func step(_ wish: MassiveWish) -> StreamStep {
        switch wish {
        case .open(let number): .open(number, address)
        case .authenticate(let number): .send(number, key.request)
        case .send(let number, let text): .send(number, text)
        case .close(let number): .close(number)
        case .fetch(let fetch): .ask(fetch.number, request(fetch))
        }
    }

    /// `nil`: the address is too long.
    private func request(_ fetch: MassiveFetch) -> HTTPRequest? {
        rest.flatMap { HTTPURL($0 + fetch.target) }.map { HTTPRequest($0, headers: [key.header]) }
    }

    var meaning: HTTPMeaning {
        HTTPMeaning(
            "Massive",
            advice: "check whether the plan has trades of the past, or switch the reading off by "
                + "MASSIVE_REREAD_FIRST=0s and MASSIVE_REREAD_LAST=0s", hidden: key.hidden)
    }

    static func report(_ note: MassiveNote, to report: StreamReport<Self>) {
        switch note {
        case .state(let state): report.telemetry.emit(MassiveStateChanged(state: state))
        case .lost(let failures, let reason):
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
        case .misfit(let instrument, let text):
            report.trouble("\(report.symbol(instrument)): \(text)")
        case .said(let text): report.trouble("Massive says: \(text)")
        case .notReread(let reason):
            report.trouble(
                "trades cannot be read again, so nothing is known of cancels; tried again by "
                    + "itself: \(reason)")
        case .leftOut(let instrument, let from, let to, let reason):
            report.trouble(
                "\(report.symbol(instrument)): trades reported from \(from) to \(to) were not "
                    + "read again, so nothing is known of their cancels: \(reason)")
        case .skipped(let reason): report.telemetry.emit(MassiveSkipped(reason: reason))
        }
    }

    func write(_ status: MassiveStatus, into json: inout JSONWriter) {
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
