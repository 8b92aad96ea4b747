import MarketModel
import NatsTransport
import Primitives
import ServiceRuntime
import StoredBars
import StreamCore
import TapeCodec
import TapeProtocol
import TapeTransport

/// Reads the versions of one bar from the tape of bars.
struct BarVersionReader {
    let tape: ProofTape
    let key: ProofKey

    /// The packets that are read at most. A partition sends a few in a second.
    static let packetsMax = 500_000
    private static let turn: Duration = .milliseconds(100)

    /// What was read. `holdsLast` says whether the packet was read that has the ordinal of the last
    /// version.
    typealias Reading = (versions: [BarVersion], holdsLast: Bool)

    /// Reads from the bar's end on, up to the version `last` or the end of the tape. Returns `nil`
    /// when it was interrupted.
    func versions(since close: Int64, last: UInt64?) throws(ToolError) -> Reading? {
        do {
            return try read(since: close, last: last)
        } catch {
            throw ToolError(reading: error)
        }
    }

    private func read(since close: Int64, last: UInt64?) throws -> Reading? {
        let names = tape.names
        let input = TapeReaders.Input(
            partition: tape.partition, stream: names.barStream,
            filters: [names.bars(tape.partition)])
        let start = Timestamp(nanoseconds: close).advanced(byNanoseconds: -ProofTape.margin)
        let reader = try RangeReader(tape.client, group: "explain")
        defer { reader.close() }
        try reader.open(input, from: .time(start), to: .stored)
        var found: [BarVersion] = []
        var (packets, holdsLast) = (0, false)
        while !reader.isOver {
            if tape.shutdown.isRequested { return nil }
            try reader.receive(timeout: Self.turn) { packet in
                let header = try packet.header.get()
                packets += 1
                packet.message.withPayload { bytes in
                    for version in versions(header, packet.sequence, packet.time, bytes) {
                        found.append(version)
                    }
                }
                let isLast = last.map { header.nextOrdinal > $0 } ?? false
                if isLast, let last, header.firstOrdinal <= last { holdsLast = true }
                if isLast || packets >= Self.packetsMax { reader.end(packet.range) }
            }
        }
        return (found, holdsLast)
    }

    private func versions(
        _ header: PacketHeader, _ sequence: UInt64, _ time: Timestamp, _ packet: RawSpan
    ) -> [BarVersion] {
        var found: [BarVersion] = []
        var walk = PacketWalk(header)
        while let item = walk.next(in: packet) {
            guard case .bar(let bar) = item, bar.openTime.nanoseconds == key.openTime,
                bar.number == key.number,
                let symbol = walk.symbol(bar.symbol, in: packet),
                symbol.symbol == key.symbol.symbol, symbol.source == key.symbol.source,
                walk.series(bar.series, in: packet)?.name == key.series
            else { continue }
            var version = BarVersion(
                revision: walk.ordinal,
                reason: BarReason(rawValue: bar.reason).map { "\($0)" } ?? "\(bar.reason)",
                values: BarVersion.Values(bar), isWithdrawn: bar.flags.contains(.withdrawn))
            version.epoch = header.epoch
            version.sequence = sequence
            version.sent = header.sendTime
            version.known = [time, header.sendTime, bar.closeTime].filter(\.isDefined).max()
            found.append(version)
        }
        return found
    }
}
