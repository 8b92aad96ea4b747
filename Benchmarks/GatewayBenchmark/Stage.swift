import MarketModel
import NatsTransport
import Primitives
import ServiceRuntime
import TapeProtocol
import TapeTransport
import TestSupport

/// A nats-server that syncs every write, as shipped, and a client of it.
final class Stage {
    static let partitions = TapeNames.defaultPartitions
    static let streamBytesMax: Int64 = 1 << 30

    let server: NatsServer
    let client: TapeClient
    let source: SourceName

    init() throws {
        guard let names = TapeNames(namespace: "md", partitions: Self.partitions),
            let source = SourceName("market")
        else { throw Unusable("no names") }
        server = try NatsServer(syncInterval: "always")
        self.source = source
        let logger = Logger(service: "benchmark", level: .error, format: .text(color: false))
        client = try TapeClient(
            NatsConfiguration(urls: [server.url], clientName: "benchmark"), names: names,
            telemetry: TelemetryHub(logger: logger, metrics: MetricRegistry()),
            readiness: Readiness())
    }
}
