public import NatsTransport
public import ServiceRuntime
internal import TapeProtocol
internal import TapeTransport

/// How the tick streams of a namespace were made, and what they hold.
public struct TapeRoom: Sendable {
    public let partitions: Int
    /// Of each stream.
    public let bytesMax: Int64
    /// Of all of them together.
    public let bytes: UInt64

    /// Nil: there is no such namespace.
    public static func find(
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

    /// What each stream of a new namespace has to hold so that so many bytes of packets go in:
    /// nobody reads there yet, so nothing is purged. Twice what an even share would be, because
    /// symbols are not shared out evenly, and packets become smaller.
    public static func needed(for bytes: UInt64, partitions: Int) -> Int64 {
        let streams = UInt64(max(1, min(partitions, TapeNames.tickStreams)))
        let share = min(bytes, UInt64(Int64.max) / 4) / streams * 2
        return (Int64(clamping: share) + floor + mebibyte - 1) / mebibyte * mebibyte
    }

    private static let mebibyte: Int64 = 1 << 20
    private static let floor: Int64 = 64 << 20
}
