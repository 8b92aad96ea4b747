package import MarketModel
import NatsTransport
import Primitives
package import TapeCodec
import TapeKeeping
package import TapeProtocol
package import TapeTransport
import ServiceRuntime
package import TestSupport

/// The tape of one test, in its own namespace on a real nats-server with streams. It also reads the
/// stored packets independently of the product.
package struct TestTape: Sendable {
    package let server: NatsServer
    package let names: TapeNames
    package let client: TapeClient
    /// The maximum size of each of its streams.
    package let bytesMax: Int64

    package static let streamBytes: Int64 = 64 << 20

    package init(
        _ server: NatsServer, namespace: String, partitions: Int = 4, streams: Bool = true,
        bytesMax: Int64 = Self.streamBytes
    ) throws {
        self.server = server
        self.bytesMax = bytesMax
        guard let names = TapeNames(namespace: namespace, partitions: partitions) else {
            throw ServiceRefused(description: "\(namespace) is no namespace")
        }
        self.names = names
        client = try Self.connect(server, names)
        guard streams else { return }
        try client.ensureTickStreams(bytesMax: bytesMax)
        try client.ensureBarStream(bytesMax: bytesMax)
        // Made as the gateway does.
        _ = try GroupRegistry.make(client)
    }

    /// Returns a separate connection for a service. Closing it looks like a killed process.
    package func connect(_ service: TestService? = nil) throws -> TapeClient {
        try Self.connect(server, names, service)
    }

    private static func connect(
        _ server: NatsServer, _ names: TapeNames, _ service: TestService? = nil
    ) throws -> TapeClient {
        let hub = TelemetryHub(
            logger: Logger(
                service: "test", level: .error, format: .json, sink: CapturedLog().sink),
            metrics: MetricRegistry())
        return try TapeClient(
            NatsConfiguration(urls: [server.url], clientName: "test"), names: names,
            telemetry: service?.context.telemetry ?? hub,
            readiness: service?.context.readiness ?? Readiness())
    }

    /// The settings that every service needs for this tape.
    package var environment: [String: String] {
        [
            "NATS_URL": server.url, "MDS_NAMESPACE": names.namespace,
            "MDS_PARTITIONS": String(names.partitions),
            "MDS_STREAM_BYTES": String(bytesMax),
        ]
    }

    // MARK: stored packets

    /// A packet where it is stored.
    package struct StoredPacket: Sendable {
        package let subject: String
        package let sequence: UInt64
        package let header: PacketHeader
        package let payload: [UInt8]
    }

    /// Returns all packets of a stream whose subject begins with the prefix, in order, each proven
    /// by its checksum.
    package func packets(stream: String, subject prefix: String = "") throws -> [StoredPacket] {
        guard let info = try client.jetStream.streamInfo(stream), info.lastSequence > 0 else {
            return []
        }
        var found: [StoredPacket] = []
        for sequence in max(1, info.firstSequence)...info.lastSequence {
            guard let message = try client.jetStream.message(stream: stream, sequence: sequence),
                message.subject.hasPrefix(prefix)
            else { continue }
            let header = try message.payload.withRawSpan { span throws(PacketError) in
                try PacketReader.validate(span)
            }
            found.append(
                StoredPacket(
                    subject: message.subject, sequence: sequence, header: header,
                    payload: message.payload))
        }
        return found
    }

    package func tickPackets(_ partition: Partition) throws -> [StoredPacket] {
        try packets(
            stream: names.tickStream(of: partition),
            subject: "\(names.namespace).ticks.\(partition).")
    }

    package func barPackets(_ partition: Partition) throws -> [StoredPacket] {
        try packets(stream: names.barStream, subject: names.bars(partition))
            .filter { $0.subject == names.bars(partition) }
    }

    /// Returns the ordinal of the last record on a subject; 0: there is none.
    package func lastOrdinal(stream: String, subject: String) throws -> UInt64 {
        let last = try client.lastPacket(stream: stream, subject: subject)
        return (last?.header.nextOrdinal ?? 1) - 1
    }

    /// Returns how many records a source has on all partitions, by its last ordinals. It is cheap
    /// enough to poll.
    package func tickCount(source: SourceName) throws -> UInt64 {
        try (0..<names.partitions).map { Partition($0) }.reduce(0) {
            try $0
                + lastOrdinal(
                    stream: names.tickStream(of: $1), subject: names.ticks($1, source))
        }
    }
}
