package import NatsTransport
package import ServiceRuntime
internal import TapeProtocol
internal import TapeTransport

/// The configuration of a namespace's tick streams, and their content.
package struct TapeRoom: Sendable {
    package let partitions: Int
    /// The limit of each stream, in bytes.
    package let bytesMax: Int64
    /// The bytes of all streams together.
    package let bytes: UInt64

    /// Returns `nil` when there is no such namespace.
    package static func find(
        _ nats: NatsConfiguration, namespace: String, telemetry: TelemetryHub
    ) throws -> TapeRoom? {
        guard let names = TapeNames(namespace: namespace, partitions: 1) else {
            throw TapeRangeError("\(namespace) is no namespace")
        }
        let client = try TapeClient(
            nats, names: names, telemetry: telemetry, readiness: Readiness())
        defer { client.close() }
        var bytes: UInt64 = 0
        var first: StreamInfo?
        for index in 0..<TapeNames.tickStreams {
            guard let info = try client.jetStream.streamInfo(names.tickStream(index)) else {
                continue
            }
            first = first ?? info
            bytes &+= info.bytes
        }
        guard let configuration = first?.configuration,
            let partitions = configuration.metadata["tapeline.partitions"].flatMap({ Int($0) })
        else { return nil }
        return TapeRoom(partitions: partitions, bytesMax: configuration.maxBytes, bytes: bytes)
    }

    /// Returns the size that each stream of a new namespace needs for this many bytes of packets.
    /// The namespace has no readers yet, so nothing is purged. It is twice an even share, because
    /// symbols are not distributed evenly and packets become smaller.
    package static func needed(for bytes: UInt64, partitions: Int) -> Int64 {
        let streams = UInt64(max(1, min(partitions, TapeNames.tickStreams)))
        let share = min(bytes, UInt64(Int64.max) / 4) / streams * 2
        return (Int64(clamping: share) + floor + mebibyte - 1) / mebibyte * mebibyte
    }

    private static let mebibyte: Int64 = 1 << 20
    private static let floor: Int64 = 64 << 20
}
