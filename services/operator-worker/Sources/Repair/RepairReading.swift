import MarketModel
import Primitives
import StreamCore
import TapeCodec
import TapeProtocol

/// The worker's reading for one repair: one or two passes over the same packets of ticks, and then
/// the bars to read back. It judges whether the tape still holds all of these packets.
struct RepairReading {
    /// The packets of one pass. The second pass has to bring the same.
    struct Pass: Hashable {
        var packets: UInt64 = 0
        /// A checksum of the packets' checksums, in order.
        var digest: UInt64 = 0

        mutating func add(_ header: PacketHeader) {
            packets += 1
            // The odd factor makes the order count.
            digest = digest &* 0x9e37_79b9_7f4a_7c15 &+ header.checksum
        }
    }

    /// How much earlier than the event time of the first needed tick a reading begins, because the
    /// tape is searched by the time at which packets were stored. It covers the differences between
    /// the clocks of provider, gateway and server (a minute), and the time by which a range may
    /// begin later than the packet that requested it.
    static let marginNanoseconds: Int64 = 60_000_000_000 + RepairAgenda.aheadNanoseconds
    /// How much further than the reading the tape has to reach back: an hour. Packets that are
    /// about to be purged are not used, because the next owner of the partition must be able to
    /// make the same bars. A repair that an earlier owner did is done again without this.
    static let reachNanoseconds: Int64 = 3_600_000_000_000

    /// The index of the partition's slot in the worker.
    let slot: Int
    /// The reader that reads at present, or did last.
    var reader: Int
    /// The packets to read, and why.
    let part: PartitionOperator.RepairPart
    /// The reading contains the packets that were stored from this time on.
    let start: Timestamp
    /// When it began, monotonic.
    let startedAt: MonotonicTime
    /// The packets of the present pass so far.
    private(set) var pass = Pass()
    /// Collects the bars that are read back; `nil` during the passes over ticks.
    var barsReadBack: PublishedBars?
    /// Packets of bars that were stored at this time or later are read back.
    var barsStart: Timestamp { barsReadBack.map { Self.start($0.from) } ?? start }
    /// Returns whether the tape of bars reaches back far enough to read them back.
    func reachesBack(_ ends: BarTapeEnds) -> Bool {
        ends.firstOrdinal <= OutputLedger.firstOrdinal
            || ends.first.advanced(byNanoseconds: margin) <= barsStart
    }
    /// How much further than the reading the tapes of ticks and bars have to reach back, in
    /// nanoseconds. None for a repair that was done before: it read all that was there.
    private var margin: Int64 { part.isDoneBefore ? 0 : Self.reachNanoseconds }
    /// The sequence of the last packet of bars to read; 0 until their reading begins.
    var barsReadUntil: UInt64 = 0
    /// The result of the first pass; `nil` during it.
    private(set) var firstPass: Pass?
    /// The number of passes that have ended.
    private(set) var passesEnded = 0
    /// The first packets that were read, to judge whether the tape reaches back far enough.
    private(set) var firstPackets: RepairReach.Reading
    /// The sequence of the last packet that was read.
    private(set) var sequence: UInt64 = 0
    /// By source, the ordinal that its next packet has to begin with.
    private var nextOrdinals: [SourceName: UInt64] = [:]

    init(slot: Int, reader: Int, _ part: PartitionOperator.RepairPart, now: MonotonicTime) {
        self.slot = slot
        self.reader = reader
        self.part = part
        startedAt = now
        start = Self.start(part.from)
        firstPackets = RepairReach.Reading(
            start: start, margin: part.isDoneBefore ? 0 : Self.reachNanoseconds)
    }

    private static func start(_ time: Timestamp) -> Timestamp {
        let (early, overflow) = time.nanoseconds.subtractingReportingOverflow(marginNanoseconds)
        return Timestamp(nanoseconds: overflow ? 0 : max(0, early))
    }

    /// Whether the present pass is the second one.
    var isSecond: Bool { firstPass != nil }
    /// The step, for people: 1, 2, or 3 while bars are read back.
    var step: Int { barsReadBack != nil ? 3 : isSecond ? 2 : 1 }

    enum Verdict: Hashable {
        /// The packet belongs to the pass, and the reading continues.
        case next
        /// The tape cannot be read as needed. The text is for people.
        case refused(RepairRefusal, String)
    }

    /// Takes the next packet of the present pass.
    mutating func take(_ header: PacketHeader, at sequence: UInt64) -> Verdict {
        guard sequence <= part.until.sequence,
            sequence < part.until.sequence || header.identity == part.until.packet
        else {
            return .refused(
                .unreadable, "the packet that asked for it is not on the tape any more")
        }
        self.sequence = sequence
        if firstPackets.first == 0 { firstPackets.first = sequence }
        pass.add(header)
        guard header.kind == .ticks else { return .next }
        let known = nextOrdinals.updateValue(header.nextOrdinal, forKey: header.source)
        guard let known else {
            if !isSecond, header.firstOrdinal > 1 {
                firstPackets.firstOfSource[header.source] = sequence
            }
            return .next
        }
        // Ordinals that the tape lost come right before a marker, and have a gap record.
        if header.firstOrdinal == known || header.flags.contains(.epochMarker) { return .next }
        return .refused(
            .missing,
            "the tape does not hold ordinals \(known) to \(header.firstOrdinal &- 1) of "
                + "\(header.source) any more")
    }

    /// Whether the packet that requested the repair was read.
    var isPassOver: Bool { sequence == part.until.sequence }

    /// Ends the pass. Returns false when the second pass brought other packets than the first.
    mutating func endPass() -> Bool {
        passesEnded += 1
        if let firstPass { return firstPass == pass }
        firstPass = pass
        pass = Pass()
        sequence = 0
        nextOrdinals = [:]
        return true
    }
}
