import MarketModel
import OperatorGraph
import Primitives
import StreamCore
import TapeCodec
import TapeProtocol

/// Ranges that the next owner of a checkpoint computes again, and publishes. Those of a hidden
/// repair cannot be among them: only `RepairAgenda.pending` makes some.
struct PendingRanges: Hashable, Sendable {
    static let none = PendingRanges(ranges: [])

    let ranges: [DirtyRange]

    fileprivate init(ranges: [DirtyRange]) { self.ranges = ranges }
}

/// The ranges that a partition has to compute again before it takes the next packet, day by day (in
/// UTC). A packet that makes time dirty makes one (`PartitionOperator.take`). All times are event
/// times in nanoseconds since 1970.
struct RepairAgenda: Sendable {
    /// The maximum number of days of a range. A longer one is refused, because reading all days
    /// would take too long.
    static let daysMax: Int64 = 32
    static let dayNanoseconds: Int64 = 86_400_000_000_000
    /// The maximum number of ranges that a checkpoint between two days can hold, so that its input
    /// stays below `CheckpointLimits.inputBytesMax`. While more remain, no checkpoint is taken.
    static let pendingMax = 1_024
    /// A range that begins this much later than its packet, or even later, is refused: none of its
    /// ticks can be on the tape. Clocks differ by less than this.
    static let aheadNanoseconds: Int64 = 60_000_000_000

    /// The packet that made the ranges dirty. The repair's result is output of this packet.
    let position: TapePosition
    /// Whether the repair belongs to a new line of output that is still being built. Then the
    /// repair changes the state and publishes nothing.
    let isHidden: Bool
    /// The ranges by day, the oldest first. One day is read at a time.
    private(set) var days: [[DirtyRange]] = []
    /// Ranges that are refused without reading, one entry for each reason.
    private(set) var refused: [RefusedRanges] = []
    /// The repair of the first day, while the tape is read for it; `nil` before and after.
    var reading: GraphRepair?
    /// Whether an earlier owner is known to have done the first day. Then it has to be done again,
    /// or later bars would differ.
    var isDoneBefore = false
    /// Whether a day was done or refused, so that a checkpoint is worthwhile.
    private(set) var hasEndedDay = false

    /// Splits the ranges into days. Ranges that begin at `limit` or later are refused, and all
    /// others end at `limit` at the latest. Without a limit nothing is refused as future: the
    /// pending ranges of a checkpoint were checked before they were stored.
    init(
        _ dirty: [DirtyRange], at position: TapePosition, isHidden: Bool, limit: Int64 = .max
    ) {
        self.position = position
        self.isHidden = isHidden
        // `place` keeps the ranges of a day in their order.
        var parts: [(day: Int64, place: Int, range: DirtyRange)] = []
        for range in dirty where range.from < range.to {
            guard range.from < limit else {
                refuse(range, .future)
                continue
            }
            // The future part of a range does not have to be read.
            let to = min(range.to, limit)
            let (first, last) = (Self.day(range.from), Self.day(to - 1))
            guard last - first < Self.daysMax else {
                refuse(range, .long)
                continue
            }
            for day in first...last {
                var part = range
                part.to = day < last ? (day + 1) * Self.dayNanoseconds : to
                if day > first { part.from = day * Self.dayNanoseconds }
                parts.append((day, parts.count, part))
            }
        }
        parts.sort { ($0.day, $0.place) < ($1.day, $1.place) }
        var last: Int64?
        for part in parts {
            if part.day != last { days.append([]) }
            last = part.day
            days[days.count - 1].append(part.range)
        }
    }

    private mutating func refuse(_ range: DirtyRange, _ reason: RepairRefusal) {
        if let place = refused.firstIndex(where: { $0.reason == reason }) {
            refused[place].add(range)
        } else {
            refused.append(RefusedRanges(reason, range))
        }
    }

    /// Returns the number of the UTC day, rounded down also before 1970.
    private static func day(_ time: Int64) -> Int64 {
        let whole = time / dayNanoseconds
        return time % dayNanoseconds < 0 ? whole - 1 : whole
    }

    /// Returns the time before which a range has to begin, from the times of its packet. No clock
    /// is read, so that every owner refuses the same ranges.
    static func limit(sendTime: Timestamp, watermark: Timestamp) -> Int64 {
        max(sendTime, watermark).advanced(byNanoseconds: aheadNanoseconds).nanoseconds
    }

    /// The ranges of all days that remain; `nil` while they cannot be stored with the state. They
    /// can between two days of a repair that publishes its bars: the next owner publishes them.
    var pending: PendingRanges? {
        guard !isHidden, reading == nil, hasEndedDay,
            days.reduce(0, { $0 + $1.count }) <= Self.pendingMax
        else { return nil }
        return PendingRanges(ranges: days.flatMap { $0 })
    }

    /// Removes the first day, which was done or refused.
    mutating func endDay() {
        reading = nil
        isDoneBefore = false
        hasEndedDay = true
        days.removeFirst()
    }

    /// Returns the ranges of the first day as refused for this reason; `nil` when no day remains.
    func refusal(_ reason: RepairRefusal) -> RefusedRanges? {
        days.first.flatMap { RefusedRanges(reason, $0) }
    }
}
