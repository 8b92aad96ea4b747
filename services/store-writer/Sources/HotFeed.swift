import Primitives
import TapeProtocol

/// How the hot state gets the packets of one input. Pure.
///
/// While the input's reader is at the tape's end, its packets are for the rows and for the hot
/// state. While it is not, because the database is away or slow, a *tail* reads for the hot state
/// alone: a second reader, which is never held. Around each change both may hand over the same
/// packets, so that none is missing. Older values never replace newer ones.
enum HotFeed: Hashable {
    /// The partition is not owned, or its reader was not looked at yet. Next: `rows`, `behind`.
    case undecided
    /// The input's reader is at the tape's end. Next: `behind`, `undecided`.
    case rows
    /// The reader has not been at the end since then: it is closed, held, stopped, or has more to
    /// read. The hot state may lack packets from so many nanoseconds before. Next: `rows`, `tail`,
    /// `undecided`.
    case behind(since: MonotonicTime, lacking: Int64)
    /// The tail is open, and the reader was found at the end each time since then; `nil` when it is
    /// behind. Next: `rows`, `behind` when the tail stopped, `undecided`.
    case tail(atEndSince: MonotonicTime?)

    /// What has to be done with the tail.
    enum Order: Hashable {
        /// Open it so many nanoseconds before now.
        case open(back: Int64)
        case close
    }

    /// How long a reader may be away from the tape's end before its tail is opened. Values are at
    /// most this much late then.
    static let behindNanosecondsMax: Int64 = 1_000_000_000
    /// How long a reader is at the end before its tail is closed. Opening a tail blocks the intake,
    /// so a database that is slow again and again keeps its tails.
    static let calmNanoseconds: Int64 = 5_000_000_000
    /// How far a tail begins before the time from which packets may be missing: for packets on
    /// their way, and for clocks that differ.
    static let overlapNanoseconds: Int64 = 5_000_000_000
    /// How long ago the tape stored what a reader hands over while it catches up, and how far back
    /// a tail begins at most. Nobody has written what came between two owners: that is the longest
    /// lease (60 s), and the time until the new owner reads.
    static let recentNanosecondsMax: Int64 = 90_000_000_000

    var isTail: Bool {
        if case .tail = self { true } else { false }
    }

    /// The state when the reader is opened again, perhaps far from the tape's end.
    func reopened(_ now: MonotonicTime) -> HotFeed {
        self == .rows ? .behind(since: now, lacking: Self.overlapNanoseconds) : self
    }

    /// Notes how near the end the input's reader is, and returns what to do with its tail.
    mutating func follow(
        _ reader: ReaderLane.Nearness, isTailStopped: Bool, isSteady: Bool, now: MonotonicTime
    ) -> Order? {
        switch (self, reader) {
        case (.rows, .atEnd), (_, .opening): return nil
        case (.undecided, .atEnd), (.behind, .atEnd):
            self = .rows
            return nil
        case (.tail(let since), .atEnd):
            guard let since, now >= since + Self.calmNanoseconds else {
                self = .tail(atEndSince: since ?? now)
                return nil
            }
            self = .rows
            return .close
        case (.undecided, .behind):
            self = .behind(since: now, lacking: Self.recentNanosecondsMax)
            return nil
        case (.rows, .behind):
            self = .behind(since: now, lacking: Self.overlapNanoseconds)
            return nil
        // While the process is not steady, others may have its partitions.
        case (.behind(let since, let lacking), .behind):
            guard isSteady, now >= since + Self.behindNanosecondsMax else { return nil }
            self = .tail(atEndSince: nil)
            return .open(back: min(now - since + lacking, Self.recentNanosecondsMax))
        // A tail that stopped is opened again, later in the tape.
        case (.tail, .behind):
            self = .tail(atEndSince: nil)
            guard isTailStopped else { return nil }
            self = .behind(since: now, lacking: Self.overlapNanoseconds)
            return .close
        }
    }

    /// Returns whether a packet of the input's reader is for the hot state. `age` is how long ago
    /// the tape stored it, and `life` is that of a key. What a reader catches up with is not shown
    /// as new. The last packets are few, and may be the latest of their symbols.
    func admits(
        _ reader: ReaderLane.Nearness, age: @autoclosure () -> Int64, life: Int64
    ) -> Bool {
        switch (self, reader) {
        case (.rows, .atEnd): true
        case (_, .atEnd): age() < life
        // The tail hands over the others.
        case (.tail, _): age() < Self.overlapNanoseconds
        case (.undecided, _), (.rows, _), (.behind, _): age() < min(Self.recentNanosecondsMax, life)
        }
    }
}
