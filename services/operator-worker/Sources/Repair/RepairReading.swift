import MarketModel
import Primitives
import StreamCore
import TapeCodec
import TapeProtocol

/// What the worker reads again for one of its partitions: the same packets twice when they
/// are many.
struct RepairReading {
    /// What came in one pass; the second one has to bring the same.
    struct Pass: Hashable {
        var packets: UInt64 = 0
        var digest: UInt64 = 0

        mutating func add(_ header: PacketHeader) {
            packets += 1
            digest = digest &* 0x9e37_79b9_7f4a_7c15 &+ header.checksum
        }
    }

    /// The clocks of provider, gateway and server may differ by this: reading begins so much
    /// earlier, and as much before the packet that asked for it as a range may begin behind that.
    static let marginNanoseconds: Int64 = 60_000_000_000 + RepairAgenda.aheadNanoseconds
    /// What is about to be purged is not begun with: whoever owns the partition next has to come to
    /// the same bars. What an owner before has done is done again without it.
    static let reachNanoseconds: Int64 = 3_600_000_000_000

    let slot: Int
    /// The reader that reads at the moment, or did last.
    var reader: Int
    let needs: PartitionOperator.RepairNeeds
    /// Packets that were stored since are read.
    let start: Timestamp
    /// Monotonic.
    let startedAt: Int64
    private(set) var pass = Pass()
    /// Behind both passes, when the bars that stand are read back.
    var standing: StandingBars?
    /// Packets of bars that were stored since are read.
    var standingStart: Timestamp { standing.map { Self.start($0.from) } ?? start }
    /// True: the tape of bars reaches back far enough to read back what stands there.
    func reachesBack(_ ends: StandingEnds) -> Bool {
        ends.firstOrdinal <= OutputLedger.firstOrdinal
            || ends.first.advanced(byNanoseconds: margin) <= standingStart
    }
    /// Both tapes have to reach back so much more.
    private var margin: Int64 { needs.isDoneBefore ? 0 : Self.reachNanoseconds }
    /// On the tape of bars: the last packet to read; 0: it is not being read.
    var standingUntil: UInt64 = 0
    /// Nil during the first one.
    private(set) var first: Pass?
    private(set) var passesEnded = 0
    /// What the first one met, for the judgement whether the tape reaches back far enough.
    private(set) var reach: RepairReach.Reading
    /// Of the last packet that was read.
    private(set) var sequence: UInt64 = 0
    private var nextOrdinals: [SourceName: UInt64] = [:]

    init(slot: Int, reader: Int, _ needs: PartitionOperator.RepairNeeds, now: Int64) {
        self.slot = slot
        self.reader = reader
        self.needs = needs
        startedAt = now
        start = Self.start(needs.from)
        reach = RepairReach.Reading(
            start: start, margin: needs.isDoneBefore ? 0 : Self.reachNanoseconds)
    }

    private static func start(_ time: Timestamp) -> Timestamp {
        let (early, overflow) = time.nanoseconds.subtractingReportingOverflow(marginNanoseconds)
        return Timestamp(nanoseconds: overflow ? 0 : max(0, early))
    }

    var isSecond: Bool { first != nil }
    /// 1, 2, and 3 while bars are read back: for people.
    var step: Int { standing != nil ? 3 : isSecond ? 2 : 1 }

    enum Verdict: Hashable {
        case next
        case refused(RepairRefusal, String)
    }

    /// The next packet of the pass at hand.
    mutating func take(_ header: PacketHeader, at sequence: UInt64) -> Verdict {
        guard sequence <= needs.until.sequence,
            sequence < needs.until.sequence || header.identity == needs.until.packet
        else {
            return .refused(
                .unreadable, "the packet that asked for it is not on the tape any more")
        }
        self.sequence = sequence
        if reach.first == 0 { reach.first = sequence }
        pass.add(header)
        guard header.kind == .ticks else { return .next }
        let known = nextOrdinals.updateValue(header.nextOrdinal, forKey: header.source)
        guard let known else {
            if !isSecond, header.firstOrdinal > 1 { reach.begins[header.source] = sequence }
            return .next
        }
        // What the tape had lost stands in front of a marker, and is a gap of its own.
        if header.firstOrdinal == known || header.flags.contains(.epochMarker) { return .next }
        return .refused(
            .missing,
            "the tape does not hold ordinals \(known) to \(header.firstOrdinal &- 1) of "
                + "\(header.source) any more")
    }

    /// The packet that asked for it was read.
    var isPassOver: Bool { sequence == needs.until.sequence }

    /// False: the second pass brought something else than the first.
    mutating func endPass() -> Bool {
        passesEnded += 1
        if let first { return first == pass }
        first = pass
        pass = Pass()
        sequence = 0
        nextOrdinals = [:]
        return true
    }
}
