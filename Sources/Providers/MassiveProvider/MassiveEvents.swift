internal import EngineKit
internal import MassiveEngine
internal import ServiceRuntime
internal import StreamKit

struct MassiveStateChanged: TelemetryEvent {
    static let name = "massive.state"
    let state: StreamState

    var level: LogLevel { .info }
    var message: String {
        switch state {
        case .closed: "not connected to Massive"
        case .connecting: "connecting to Massive"
        case .ready: "connected to Massive"
        case .refused: "Massive refuses the account"
        case .occupied: "another session of the account is connected to Massive, or was cut off"
        }
    }
    var fields: [(String, LogValue)] { [("state", .text(state.rawValue))] }

    func count(in metrics: MetricRegistry) {}
}

struct MassiveTrouble: StreamTrouble {
    static let name = "massive.trouble"
    let message: String
    let failures: Int

    var level: LogLevel { .warning }
    var fields: [(String, LogValue)] { failures > 0 ? [("failures", LogValue(failures))] : [] }

    func count(in metrics: MetricRegistry) {}
}

struct MassiveSkipped: TelemetryEvent {
    static let name = "massive.skipped"
    let reason: StreamSkip

    var level: LogLevel { .debug }
    var message: String { "a message of Massive was left out: \(reason.rawValue)" }
    var fields: [(String, LogValue)] { [("reason", .text(reason.rawValue))] }

    func count(in metrics: MetricRegistry) {}
}
