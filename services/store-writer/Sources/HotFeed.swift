import Primitives
import TapeProtocol

/// How the hot state gets the packets of one input. Pure.
///
/// While the input's reader is at the tape's end, its packets are for the rows and for the hot
/// state. While it is not, because the database is away or slow, a *tail* reads for the hot state
/// alone: a second reader, from the tape's end, which is never held. Around each change both may
/// hand over the same packets, so that none is missing. Older values never replace newer ones.
enum HotFeed: Hashable {
    /// The partition is not owned, or its reader was not looked at yet. Next: `rows`, `behind`.
    case undecided
    /// The input's reader is at the tape's end. Next: `behind`, `undecided`.
    case rows
    /// The reader has not been at the end since then: it is closed, held, stopped, or has more to
    /// read. Next: `rows`, `tail`, `undecided`.
    case behind(since: MonotonicTime)
    /// The tail is open. Next: `rows`, `behind` when it stopped, `undecided`.
    case tail

    /// What has to be done with the tail.
    enum Order: Hashable {
        case open
        case close
    }

    /// How long a reader may be away from the tape's end before its tail is opened. Values are at
    /// most this much late then.
    static let behindNanosecondsMax: Int64 = 1_000_000_000
    /// How long ago the tape stored what the reader hands over although it is not at the end, and
    /// how far back a tail begins. It is more than the time in which tails are opened.
    static let recentNanoseconds: Int64 = 5_000_000_000

    /// Notes how near the end the input's reader is, and returns what to do with its tail.
    mutating func follow(
        _ reader: ReaderLane.Nearness, isTailStopped: Bool, isSteady: Bool, now: MonotonicTime
    ) -> Order? {
        switch (self, reader) {
        case (.rows, .atEnd), (_, .opening): return nil
        case (.undecided, .atEnd), (.behind, .atEnd):
            self = .rows
            return nil
        case (.tail, .atEnd):
            self = .rows
            return .close
        case (.undecided, .behind), (.rows, .behind):
            self = .behind(since: now)
            return nil
        // While the process is not steady, others may have its partitions.
        case (.behind(let since), .behind):
            guard isSteady, now >= since + Self.behindNanosecondsMax else { return nil }
            self = .tail
            return .open
        // A tail that stopped is opened again, later in the tape.
        case (.tail, .behind):
            guard isTailStopped else { return nil }
            self = .behind(since: now)
            return .close
        }
    }

    /// Returns whether a packet of the input's reader is for the hot state. `stored` is when the
    /// tape stored it. What a reader catches up with is not shown as new.
    func admits(
        _ reader: ReaderLane.Nearness, stored: @autoclosure () -> Timestamp,
        now: @autoclosure () -> Timestamp
    ) -> Bool {
        self == .rows && reader == .atEnd
            || now().nanoseconds(since: stored()) < Self.recentNanoseconds
    }
}
