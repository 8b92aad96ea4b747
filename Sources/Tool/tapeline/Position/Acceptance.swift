import MarketModel
import Primitives
import TapeCodec

/// Computes where a reader continues after tape data were destroyed, and what is given up.
///
/// Pure: the same position and the same tape give the same answer. The old tape and this one share
/// a run of packets from the start of the partition. A packet belongs to the run if its ordinals
/// were read and its epoch was known. The new position is the last packet of that run, so nothing
/// that came later is skipped. On one source's subject ordinals and epochs only rise, so a binary
/// search finds the end of the run.
struct Acceptance: Equatable, Sendable {
    /// A packet as the search sees it.
    struct Packet: Equatable, Sendable {
        let sequence: UInt64
        let source: SourceName
        let identity: PacketIdentity
        /// The ordinal after its last tick.
        let nextOrdinal: UInt64

        var firstOrdinal: UInt64 { identity.firstOrdinal }
    }

    /// The change for one source.
    struct SourceChange: Equatable, Sendable {
        let source: SourceName
        let storedOrdinal: UInt64
        /// Destroyed ordinals that will never be read. They are given up.
        var lost: ClosedRange<UInt64>?
        /// Ordinals that were stored before and are on the tape again. They will be skipped.
        var givenTwice: ClosedRange<UInt64>?
        /// The last ordinal that is accounted for after the acceptance.
        var lastOrdinal: UInt64
        /// The ordinal before the next one on the tape.
        var tapeOrdinal: UInt64
        /// The epoch of the source's last packet in common. 0 if there is none.
        var epoch: UInt64
    }

    let position: GroupPosition
    /// The packet of the new position. `nil` means the start of the tape.
    var packet: GroupPosition.Packet?
    var changes: [SourceChange] = []
    /// The position goes to the start of a tape that was made again. What the former tape took
    /// after the position is lost, without ordinals.
    private(set) var isRestored = false

    /// Returns this for a source that continues above its known epochs (`tapeline position raise`).
    func restored() -> Acceptance {
        guard packet == nil else { return self }
        var acceptance = self
        acceptance.isRestored = true
        for source in position.sources {
            guard let index = changes.firstIndex(where: { $0.source == source.source }) else {
                continue
            }
            acceptance.changes[index].epoch = source.epoch
        }
        return acceptance
    }

    /// True if nothing changes: reading continues at the present position.
    var isNothing: Bool {
        packet == position.packet
            && changes.allSatisfy { change in
                change.lost == nil && change.givenTwice == nil
                    && position.sources.contains {
                        $0.source == change.source && $0.tapeOrdinal == change.tapeOrdinal
                    }
            }
    }

    var lostCount: UInt64 { Self.sum(changes.map(\.lost)) }
    var givenTwiceCount: UInt64 { Self.sum(changes.map(\.givenTwice)) }

    private static func sum(_ ranges: [ClosedRange<UInt64>?]) -> UInt64 {
        ranges.reduce(0) { sum, range in
            guard let range else { return sum }
            let (count, overflow) = (range.upperBound - range.lowerBound)
                .addingReportingOverflow(1)
            let (total, carry) = sum.addingReportingOverflow(overflow ? UInt64.max : count)
            return carry ? UInt64.max : total
        }
    }

    // MARK: the search

    /// Returns the source's first packet at or after this sequence.
    typealias NextPacket = (_ source: SourceName, _ sequence: UInt64) throws -> Packet?

    /// `isStanding` is true if the packet of the position is still there; then nothing after it was
    /// read, not even packets without ordinals. `tapeSources` are all sources with packets in the
    /// partition. `streamCreated` and `lastSequence` describe the present stream.
    init(
        _ position: GroupPosition, isStanding: Bool = false, tapeSources: [SourceName],
        streamCreated: Timestamp, lastSequence: UInt64, next: NextPacket
    ) throws {
        self.position = position
        let known = Dictionary(
            position.sources.map { ($0.source, $0) }, uniquingKeysWith: { $1 })
        let end = lastSequence == UInt64.max ? lastSequence : lastSequence + 1
        var border = end
        let standing = isStanding ? position.packet : nil
        if let standing, standing.sequence < end { border = standing.sequence + 1 }
        for source in tapeSources where standing == nil {
            let first = try Self.first(upTo: border) {
                guard let packet = try next(source, $0) else { return true }
                return packet.sequence >= border || !Self.isCommon(packet, known[source])
            }
            if let packet = try next(source, first), packet.sequence < border {
                border = packet.sequence
            }
        }
        var lastCommon: [SourceName: Packet] = [:]
        for source in tapeSources {
            let behind = try Self.first(upTo: border) {
                try (next(source, $0)?.sequence ?? border) >= border
            }
            guard behind > 1, let packet = try next(source, behind - 1),
                packet.sequence < border
            else { continue }
            lastCommon[source] = packet
        }
        let last = lastCommon.values.max { $0.sequence < $1.sequence }
        packet =
            standing
            ?? last.map {
                GroupPosition.Packet(
                    streamCreated: streamCreated, sequence: $0.sequence, identity: $0.identity)
            }
        for source in position.sources {
            let coming = try next(source.source, border)
            let head = try coming.map { try Self.head(source.source, from: $0, end, next) }
            changes.append(
                Self.change(source, lastCommon[source.source], coming: coming, head: head))
        }
    }

    /// Returns whether the packet was read: its ordinals and its epoch were known.
    private static func isCommon(_ packet: Packet, _ source: GroupPosition.Source?) -> Bool {
        guard let source, packet.nextOrdinal > 0 else { return false }
        return packet.nextOrdinal - 1 <= source.lastOrdinal
            && (source.epoch == 0 || packet.identity.epoch <= source.epoch)
    }

    /// Returns the lowest sequence from 1 on for which the predicate is true, or `end` if there is
    /// none. The predicate must be true for every sequence after the first match.
    private static func first(
        upTo end: UInt64, _ holds: (UInt64) throws -> Bool
    ) rethrows -> UInt64 {
        var low: UInt64 = 1
        var high = max(1, end)
        while low < high {
            let middle = low + (high - low) / 2
            if try holds(middle) { high = middle } else { low = middle + 1 }
        }
        return low
    }

    /// The source's last packet.
    private static func head(
        _ source: SourceName, from packet: Packet, _ end: UInt64, _ next: NextPacket
    ) throws -> Packet {
        let behind = try first(upTo: end) { try next(source, $0) == nil }
        guard behind > 1 else { return packet }
        return try next(source, behind - 1) ?? packet
    }

    private static func change(
        _ source: GroupPosition.Source, _ common: Packet?, coming: Packet?, head: Packet?
    ) -> SourceChange {
        var change = SourceChange(
            source: source.source, storedOrdinal: source.lastOrdinal,
            lastOrdinal: source.lastOrdinal, tapeOrdinal: source.lastOrdinal,
            epoch: common?.identity.epoch ?? 0)
        guard let coming, coming.firstOrdinal > 0 else { return change }
        change.tapeOrdinal = coming.firstOrdinal - 1
        if change.tapeOrdinal > source.lastOrdinal {
            change.lost = (source.lastOrdinal + 1)...change.tapeOrdinal
            change.lastOrdinal = change.tapeOrdinal
        } else if let head, head.nextOrdinal > coming.firstOrdinal,
            coming.firstOrdinal <= source.lastOrdinal
        {
            change.givenTwice =
                coming.firstOrdinal...min(source.lastOrdinal, head.nextOrdinal - 1)
        }
        return change
    }
}
