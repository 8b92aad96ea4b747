import MarketModel
import NatsTransport
import Primitives
import ReplayProvider
import ServiceRuntime

/// Which source is meant when none was named: the only one of its tape.
enum RecordedSource {
    static func find(
        _ given: SourceName?, _ nats: NatsConfiguration, namespace: String
    ) throws(ToolError) -> SourceName {
        if let given { return given }
        let found: [SourceName]
        do {
            found = try TapeSources.found(nats, namespace: namespace, telemetry: telemetry)
        } catch {
            throw failure(error)
        }
        guard let first = found.first else {
            throw .refused("no source has anything on the tape of \(namespace)")
        }
        guard found.count == 1 else {
            let names = found.map(\.text).joined(separator: ", ")
            throw .usage("the tape of \(namespace) has several sources (\(names)): --source NAME")
        }
        return first
    }

    /// What goes wrong is said once, by the command.
    static let telemetry = TelemetryHub(
        logger: Logger(
            service: "tapeline", level: .error, format: .text(color: false),
            sink: LogSink { _ in true }),
        metrics: MetricRegistry())

    /// A tape that is not there is not mended by waiting; one that does not answer may be.
    static func failure(_ error: any Error) -> ToolError {
        if let error = error as? TapeRangeError, !error.isRetryable { return .refused("\(error)") }
        return .unreachable("the tape cannot be read: \(error)")
    }
}
