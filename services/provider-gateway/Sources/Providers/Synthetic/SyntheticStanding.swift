import MarketModel
import Primitives
import ProviderKit
import TapeCodec

/// How far a synthetic market is on the tape of its source, and which of its ticks are missing
/// there.
struct SyntheticStanding {
    /// The tape's state of one partition.
    private struct PartitionEnd {
        /// `nil` when the last tick comes from other settings, or there is none.
        var mark: SyntheticTicks.Mark?
        /// No later tick is earlier than this; undefined when there is no watermark.
        var watermark: Timestamp
        /// Whether more ordinals were used than the tape has.
        var isLost: Bool
    }

    /// The point after which the ticks continue.
    private(set) var ticks = SyntheticTicks.Standing()
    private let partitions: [Partition: PartitionEnd]
    private let count: Int
    /// The state of each symbol's partition, by symbol.
    private var ends: [PartitionEnd?] = []

    init(_ order: ProviderOrder, _ market: SyntheticMarket) {
        var partitions: [Partition: PartitionEnd] = [:]
        for standing in order.standing {
            ticks.reached(standing.watermark)
            let found =
                standing.packet.isEmpty
                ? nil : standing.packet.withRawSpan { Self.mark(of: $0, market: market) }
            partitions[standing.partition] = PartitionEnd(
                mark: found?.mark, watermark: standing.watermark,
                isLost: standing.lastOrdinal >= Self.nextOrdinal(of: standing.packet))
            guard let found else { continue }
            ticks.reached(found.time)
            if let mark = found.mark { ticks.reached(mark) }
            if found.mark == nil { ticks.foreign = max(ticks.foreign, found.time) }
        }
        self.partitions = partitions
        count = order.partitions
        follow(market.settings.symbols)
    }

    /// Takes the state of these symbols' partitions, for a market of them.
    mutating func follow(_ symbols: [Symbol]) {
        ends = symbols.map { partitions[Partition(of: $0, count: count)] }
        ticks.marks = ends.map { $0?.mark }
        ticks.isLost = ends.map { $0?.isLost ?? false }
        ticks.watermarks = ends.map { $0?.watermark ?? .undefined }
    }

    /// Returns the gaps that neither a predecessor nor this provider fills: per partition, the time
    /// from the tape's state until it is subscribed. A provider that makes everything again leaves
    /// only ticks that the predecessor left out without a gap record. In that case the
    /// predecessor's watermark is before its own last tick.
    func missing(until since: Timestamp) -> [OpenGap] {
        ends.enumerated().compactMap { number, end in
            guard let end, end.watermark.isDefined,
                let to = since.isDefined ? since : end.mark?.time, end.watermark < to
            else { return nil }
            return OpenGap(
                instrument: UInt32(number), kind: .any, from: end.watermark, to: to,
                reason: .gatewayLost)
        }
    }

    /// Returns the ordinal after a packet, or 1 when it cannot be read.
    private static func nextOrdinal(of packet: [UInt8]) -> UInt64 {
        packet.withRawSpan { bytes in
            do throws(PacketError) {
                return try PacketReader.header(of: bytes).nextOrdinal
            } catch {
                return 1
            }
        }
    }

    /// Returns the provider's last tick in a packet, and its time. The tick is `nil` when it comes
    /// from other settings.
    static func mark(
        of packet: borrowing RawSpan, market: SyntheticMarket
    ) -> (mark: SyntheticTicks.Mark?, time: Timestamp)? {
        var found: TickHeader?
        var walk = PacketWalk()
        while let item = walk.next(in: packet) {
            switch item {
            case .trade(let trade): found = trade.header
            case .quote(let quote): found = quote.header
            case .other(let message):
                // These records come after all ticks that were handed out or left out before.
                let header =
                    message.gapRecord(in: packet)?.header
                    ?? message.subscriptionRecord(in: packet)?.header
                if let header, header.providerID != 0 { found = header }
            case .bar, .control: continue
            }
        }
        guard let found else { return nil }
        let isOurs = found.providerID >> 48 == market.fingerprint
        let index = found.providerID & SyntheticMarket.indexMax
        return (
            isOurs ? SyntheticTicks.Mark(index: index, time: found.eventTime) : nil, found.eventTime
        )
    }
}
