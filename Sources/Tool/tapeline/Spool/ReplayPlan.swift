import MarketModel
import Primitives
import TapeCodec

/// Decides what to do with each tick of a spool, from what the tape holds. Pure.
struct ReplayPlan {
    /// The most replayed ticks that are remembered; a spool with more is refused.
    static let replayedMax = 20_000_000

    let source: SourceName
    private(set) var gaps = GapMap()
    /// Per partition and epoch, the ordinal after the last one on the tape.
    private var standing: [PartitionEpoch: UInt64] = [:]
    /// The fingerprints of this source's ticks already on the tape under the source `manual`, with
    /// their counts.
    private var replayed: [Int: Int] = [:]

    private struct PartitionEpoch: Hashable {
        let partition: Partition
        let epoch: UInt64
    }

    /// Why a tick of the spool is replayed or left out.
    enum Outcome: String, CaseIterable {
        case publish = "lie inside a gap"
        case standing = "stand on the tape already"
        case replayed = "were replayed before"
        case filled = "lie inside a gap that was filled since"
        case outside = "lie outside of the gaps of their symbol"
        case noGap = "are of a symbol without a gap"
        case other = "are records about the source, or unknown"
    }

    init(source: SourceName) { self.source = source }

    var remembersTooMany: Bool { replayed.count > Self.replayedMax }

    // MARK: the tape

    /// Takes packets of the tape, in their order there.
    mutating func take(_ header: PacketHeader, _ bytes: RawSpan) {
        if header.source == .manual {
            ReplayPacket.walk(bytes, from: header.firstOrdinal) { item in
                if case .tick(let tick) = item, tick.isBackfilled,
                    (tick.symbol?.source ?? source) == source
                {
                    replayed[tick.fingerprint, default: 0] += 1
                }
            }
            return
        }
        guard header.source == source else { return }
        let key = PartitionEpoch(partition: header.partition, epoch: header.epoch)
        standing[key] = max(standing[key] ?? 0, header.nextOrdinal)
        ReplayPacket.walk(bytes, from: header.firstOrdinal) { item in
            if case .gap(let gap, let symbol) = item { gaps.add(gap, symbol: symbol?.symbol) }
        }
    }

    // MARK: the spool

    /// Goes over a packet of the spool. Each tick is decided once per pass over the spool.
    mutating func decide(
        _ spooled: SealedPacket, _ visit: (Outcome, ReplayTick?) throws -> Void
    ) rethrows {
        let header = spooled.header
        let key = PartitionEpoch(partition: header.partition, epoch: header.epoch)
        let stands = standing[key] ?? 0
        try spooled.withBytes { bytes in
            try ReplayPacket.walk(bytes, from: header.firstOrdinal) { item in
                guard case .tick(let tick) = item else {
                    try visit(.other, nil)
                    return
                }
                try visit(outcome(tick, isStanding: tick.ordinal < stands), tick)
            }
        }
    }

    private mutating func outcome(_ tick: ReplayTick, isStanding: Bool) -> Outcome {
        if isStanding { return .standing }
        switch gaps.verdict(tick.symbol?.symbol, tick.kind, at: tick.eventTime) {
        case .filled: return .filled
        case .outside: return .outside
        case .noGapOfSymbol: return .noGap
        case .inside: break
        }
        let mark = tick.fingerprint
        guard let count = replayed[mark], count > 0 else { return .publish }
        replayed[mark] = count > 1 ? count - 1 : nil
        return .replayed
    }
}

/// The number of ticks of a spool per outcome.
struct ReplayCounts: Equatable {
    private(set) var counts: [ReplayPlan.Outcome: UInt64] = [:]
    var damagedFrames: UInt64 = 0
    var published: UInt64 = 0

    mutating func count(_ outcome: ReplayPlan.Outcome) { counts[outcome, default: 0] += 1 }

    subscript(outcome: ReplayPlan.Outcome) -> UInt64 { counts[outcome] ?? 0 }

    /// Returns lines for a person, in the order of the cases.
    func lines(_ name: String) -> [String] {
        let total = counts.values.reduce(0, +)
        var lines = ["\(name): \(total) tick\(total == 1 ? "" : "s")"]
        for outcome in ReplayPlan.Outcome.allCases {
            guard let count = counts[outcome], count > 0 || outcome == .publish else { continue }
            lines.append("  \("\(count)".leftPadded(to: 12))  \(outcome.rawValue)")
        }
        if damagedFrames > 0 {
            lines.append(
                "  \("\(damagedFrames)".leftPadded(to: 12))  frames cannot be read: what was in "
                    + "them is lost")
        }
        return lines
    }

    func json(_ name: String) -> String {
        JSONWriter.made { writer in
            writer.member("name", name)
            writer.member("published", published)
            writer.member("inside_gaps", self[.publish])
            writer.member("standing", self[.standing])
            writer.member("replayed_before", self[.replayed])
            writer.member("gap_filled", self[.filled])
            writer.member("outside_gaps", self[.outside])
            writer.member("without_gap", self[.noGap])
            writer.member("other_records", self[.other])
            writer.member("damaged_frames", damagedFrames)
        }.text
    }
}
