internal import EngineKit
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
        }
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
    }
}
