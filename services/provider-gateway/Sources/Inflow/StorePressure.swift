import Membership
import Primitives
import TapeKeeping

/// Decides whether a source that can wait hands out ticks, by how far the slowest group that reads
/// the tape is behind. So a replay or a load goes at the pace of the slowest reader, instead of
/// filling the tape with what is not stored. Pure; times are monotonic.
///
///     free -> held: the group is `ticksMax` behind
///     held -> free: it is half of that behind, or no group is registered any more
struct StorePressure: Sendable {
    /// Why the source waits.
    struct Hold: Hashable, Sendable {
        /// The slowest group now, and how many ticks and bars it has not read.
        var group: GroupName
        var ticks: UInt64
        /// When the wait began.
        var since: MonotonicTime
    }

    /// What a person is told. A load at the pace of its readers waits every few seconds, so that is
    /// told once, until it has not waited for `calmNanoseconds`.
    enum News: Hashable, Sendable {
        case slowed(Hold)
        case free
    }

    /// What the gateway's thread knows of its own source.
    struct Source: Sendable {
        /// Whether its providers can wait. A live feed is never held.
        var canWait: Bool
        /// The ordinals that it has given out, over all partitions.
        var ordinals: UInt64
    }

    /// How long the source must not have waited before the end of the waiting is told.
    static let calmNanoseconds: Int64 = 30_000_000_000
    /// How long the watch may take to hear of the source. Then nothing is added to what it says.
    static let unheardNanosecondsMax: Int64 = 10_000_000_000

    /// The most that the slowest group may be behind; 0: it does not matter.
    let ticksMax: UInt64
    /// `nil`: the source does not wait.
    private(set) var hold: Hold?
    /// The ordinals of the source when it was judged first, and when that was.
    private var begin: (ordinals: UInt64, at: MonotonicTime)?
    private var judgedAt = MonotonicTime.distantPast
    /// When it waited last; `nil`: that is over, and was told.
    private var waitedAt: MonotonicTime?
    private var isEnding = false

    init(ticksMax: Int) { self.ticksMax = UInt64(clamping: ticksMax) }

    /// Whether the source hands out nothing now.
    var isHeld: Bool { hold != nil }

    /// Judges by what is known now. Returns what is to be told, and adds the nanoseconds of waiting
    /// since the last call to `waited`.
    mutating func judge(
        _ backlog: StoreBacklog?, _ source: Source, now: MonotonicTime, waited: inout Int64
    ) -> News? {
        if isHeld { waited += max(0, now - judgedAt) }
        judgedAt = now
        if begin == nil { begin = (source.ordinals, now) }
        let behind =
            ticksMax > 0 && source.canWait && !isEnding
            ? backlog.flatMap { ticks(behind: $0, source, now) } : nil
        if let behind, behind.ticks >= ticksMax || isHeld && behind.ticks > ticksMax / 2 {
            hold = Hold(group: behind.group, ticks: behind.ticks, since: hold?.since ?? now)
        } else {
            hold = nil
        }
        return news(now)
    }

    /// Holds the source no more: it ends, and its last ticks are taken.
    mutating func end() {
        isEnding = true
        hold = nil
    }

    /// Returns the slowest group, with what the source has put on the tape since its lag was
    /// computed: heads are heard once a second, in which a replay sends much.
    private func ticks(
        behind backlog: StoreBacklog, _ source: Source, _ now: MonotonicTime
    ) -> StoreBacklog.Slowest? {
        guard var slowest = backlog.slowest, let begin else { return nil }
        var counted = backlog.counted
        if counted == nil, now < begin.at + Self.unheardNanosecondsMax { counted = begin.ordinals }
        let fresh = counted.map { source.ordinals > $0 ? source.ordinals - $0 : 0 } ?? 0
        let (sum, overflow) = slowest.ticks.addingReportingOverflow(fresh)
        slowest.ticks = overflow ? .max : sum
        return slowest
    }

    private mutating func news(_ now: MonotonicTime) -> News? {
        if let hold {
            defer { waitedAt = now }
            return waitedAt == nil ? .slowed(hold) : nil
        }
        guard let last = waitedAt, isEnding || now >= last + Self.calmNanoseconds else {
            return nil
        }
        waitedAt = nil
        return .free
    }
}
