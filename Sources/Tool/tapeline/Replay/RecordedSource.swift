import MarketModel
import NatsTransport
import Primitives
import ReplayProvider
import ServiceRuntime

/// Finds the source when none was named: the only one on its tape.
enum RecordedSource {
    static func find(
        _ given: SourceName?, _ nats: NatsConfiguration, namespace: String
    ) throws(ToolError) -> SourceName {
        if let given { return given }
        let found: [SourceName]
        do {
            found = try TapeSources.found(nats, namespace: namespace, telemetry: telemetry)
        } catch {
            throw ToolError(reading: error)
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

    /// Silent, because the command itself reports what fails.
    static let telemetry = TelemetryHub(
        logger: Logger(
            service: "tapeline", level: .error, format: .text(color: false),
            sink: LogSink { _ in true }),
        metrics: MetricRegistry())
}
