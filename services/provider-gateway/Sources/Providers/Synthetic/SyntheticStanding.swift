import MarketModel
import Primitives
import ProviderKit
import TapeCodec

/// What stands of a synthetic market on the tape of its source, and what is missing there.
struct SyntheticStanding {
    /// What stands of one partition.
    private struct Left {
        var mark: SyntheticTicks.Mark?
        /// No later tick is earlier than this; undefined: nothing says so.
        var watermark: Timestamp
        /// More was given out than stands there.
        var isLost: Bool
    }

    /// What the ticks go on after.
    private(set) var ticks = SyntheticTicks.Standing()
    /// Per symbol.
    private var left: [Left?]

    init(_ order: ProviderOrder, _ market: SyntheticMarket) {
        var partitions: [Partition: Left] = [:]
        for standing in order.standing {
            ticks.reached(standing.watermark)
            let found =
                standing.packet.isEmpty
                ? nil : standing.packet.withRawSpan { Self.mark(of: $0, market: market) }
            partitions[standing.partition] = Left(
                mark: found?.mark, watermark: standing.watermark,
                isLost: standing.lastOrdinal >= Self.nextOrdinal(of: standing.packet))
            guard let found else { continue }
            ticks.reached(found.time)
            if found.mark == nil { ticks.foreign = max(ticks.foreign, found.time) }
        }
        left = market.settings.symbols.map {
            partitions[Partition(of: $0, count: order.partitions)]
        }
        ticks.marks = left.map { $0?.mark }
        ticks.isLost = left.map { $0?.isLost ?? false }
    }

    /// What a predecessor did not deliver, and this provider does not either: after what stands of
    /// a partition until it is subscribed. A provider that makes everything again leaves only what
    /// the predecessor left out and did not put on record: then its watermark stood before its own
    /// last tick.
    func missing(until since: Timestamp) -> [OpenGap] {
        left.enumerated().compactMap { number, left in
            guard let left, left.watermark.isDefined,
                let to = since.isDefined ? since : left.mark?.time, left.watermark < to
            else { return nil }
            return OpenGap(
                instrument: UInt32(number), kind: .any, from: left.watermark, to: to,
                reason: .gatewayLost)
        }
    }

    /// A packet that cannot be read gives nothing out.
    private static func nextOrdinal(of packet: [UInt8]) -> UInt64 {
        packet.withRawSpan { bytes in
            do throws(PacketError) {
                return try PacketReader.header(of: bytes).nextOrdinal
            } catch {
                return 1
            }
        }
    }

    /// What a packet says of where the provider stood: its last tick, and its latest time. The
    /// tick is nil when it is of other settings.
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
                // It stands behind all that was handed out before it, or left out.
                if let gap = message.gapRecord(in: packet), gap.header.providerID != 0 {
                    found = gap.header
                }
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
