package import EngineKit
package import ServiceRuntime

/// Something that a person may have to look at.
package protocol ProviderTrouble: TelemetryEvent {
    /// Failures in a row; 0: it is no failure.
    var failures: Int { get }
}

extension ProviderTrouble {
    package var level: LogLevel { .warning }
    package var fields: [(String, LogValue)] {
        failures > 0 ? [("failures", LogValue(failures))] : []
    }
}

/// The same, of a provider whose events all have one name.
package protocol PlainTrouble: ProviderTrouble {
    init(message: String, failures: Int)
}

/// A message that was left out.
package protocol ProviderSkipped: TelemetryEvent {
    associatedtype Reason: RawRepresentable<String>

    /// Who sent it.
    static var sender: String { get }
    var reason: Reason { get }
}

extension ProviderSkipped {
    package var level: LogLevel { .debug }
    package var message: String { "a message of \(Self.sender) was left out: \(reason.rawValue)" }
    package var fields: [(String, LogValue)] { [("reason", .text(reason.rawValue))] }
}

/// The connection of an account has another state.
package protocol ProviderStateChanged: TelemetryEvent {
    /// The service.
    static var title: String { get }
    var state: StreamState { get }
}

extension ProviderStateChanged {
    package var level: LogLevel { .info }
    package var message: String {
        let title = Self.title
        return switch state {
        case .closed: "not connected to \(title)"
        case .connecting: "connecting to \(title)"
        case .ready: "connected to \(title)"
        case .refused: "\(title) refuses the account"
        case .occupied: "another session of the account is connected to \(title), or was cut off"
        }
    }
    package var fields: [(String, LogValue)] { [("state", .text(state.rawValue))] }
}
