internal import EngineKit
internal import AlpacaEngine
internal import ServiceRuntime
internal import StreamKit

struct AlpacaStateChanged: TelemetryEvent {
    static let name = "alpaca.state"
    let state: StreamState

    var level: LogLevel { .info }
    var message: String {
        switch state {
        case .closed: "not connected to Alpaca"
        case .connecting: "connecting to Alpaca"
        case .ready: "connected to Alpaca"
        case .refused: "Alpaca refuses the account"
        case .occupied: "another session of the account is connected to Alpaca, or was cut off"
        }
    }
    var fields: [(String, LogValue)] { [("state", .text(state.rawValue))] }

    func count(in metrics: MetricRegistry) {}
}

struct AlpacaTrouble: StreamTrouble {
    static let name = "alpaca.trouble"
    let message: String
    let failures: Int

    var level: LogLevel { .warning }
    var fields: [(String, LogValue)] { failures > 0 ? [("failures", LogValue(failures))] : [] }

    func count(in metrics: MetricRegistry) {}
}

struct AlpacaSkipped: TelemetryEvent {
    static let name = "alpaca.skipped"
    let reason: StreamSkip

    var level: LogLevel { .debug }
    var message: String { "a message of Alpaca was left out: \(reason.rawValue)" }
    var fields: [(String, LogValue)] { [("reason", .text(reason.rawValue))] }

    func count(in metrics: MetricRegistry) {}
}
