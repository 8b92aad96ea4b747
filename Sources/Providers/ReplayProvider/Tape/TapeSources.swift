package import MarketModel
package import NatsTransport
package import ServiceRuntime
internal import TapeProtocol
internal import TapeTransport

/// Finds the sources that have anything on a tape.
package enum TapeSources {
    /// Returns the sources in the order of their names. What people put on the tape is not a feed.
    package static func found(
        _ nats: NatsConfiguration, namespace: String, telemetry: TelemetryHub
    ) throws -> [SourceName] {
        guard let names = TapeNames(namespace: namespace, partitions: 1) else {
            throw TapeRangeError("\(namespace) is no namespace")
        }
        let client = try TapeClient(
            nats, names: names, telemetry: telemetry, readiness: Readiness())
        defer { client.close() }
        var found: Set<SourceName> = []
        for index in 0..<TapeNames.tickStreams {
            let stream = names.tickStream(index)
            guard try client.jetStream.streamInfo(stream) != nil else {
                throw TapeRangeError("there is no stream \(stream): no tape of \(namespace)")
            }
            let subjects = try client.jetStream.subjects(
                stream: stream, matching: "\(namespace).ticks.*.*")
            for subject in subjects.keys {
                let source = subject.split(separator: ".").last.flatMap { SourceName(String($0)) }
                if let source, source != .manual { found.insert(source) }
            }
        }
        return found.sorted { $0.text < $1.text }
    }
}
