import Primitives

/// Refuses ticks that are stamped ahead of the time. On the tape they would open windows that no
/// watermark can close soon, and later ticks would be treated as late.
struct FutureGate {
    /// A burst is over when no tick was refused for this time.
    static let quietNanoseconds: Int64 = 5_000_000_000
    /// The largest lead of a provider's clock that is believed. Up to here the host's clock is
    /// assumed to be slow; beyond it a person has to check.
    static let differenceMax: Int64 = 60_000_000_000
    /// When a provider has sent only ticks ahead of the time for this long, its clock has stepped.
    static let steppedNanoseconds: Int64 = 1_000_000_000

    /// News for a person. A *burst* is a time in which ticks are refused.
    enum Change: Equatable {
        /// A burst has begun.
        case begun
        /// A burst is over, in which this many ticks were refused.
        case over(ticks: UInt64)
        /// Whether all ticks that arrive are ahead of the time.
        case provider(isAhead: Bool)
    }

    /// How far ahead of the time a tick may be stamped.
    let maxNanoseconds: Int64
    /// How far the provider's clock is known to be ahead, in nanoseconds; never negative.
    private(set) var providerAhead: Int64 = 0
    /// The number of ticks refused in the present burst.
    private(set) var refused: UInt64 = 0
    /// The monotonic time of the last refused tick.
    private var refusedAt = MonotonicTime.distantPast
    /// The time since which all ticks were ahead; `nil` after a tick that could be taken.
    private var onlyAheadSince: MonotonicTime?
    /// Whether the provider's clock has stepped: for a while all its ticks were ahead of the time.
    private(set) var isProviderAhead = false

    init(maxNanoseconds: Int64) { self.maxNanoseconds = maxNanoseconds }

    /// Takes how far the provider's clock is ahead. A clock that is slow, or too far ahead to be
    /// believed, allows its ticks nothing.
    mutating func know(providerAhead ahead: Int64) {
        providerAhead = (1...Self.differenceMax).contains(ahead) ? ahead : 0
    }

    /// Returns whether the tick is refused.
    mutating func refuses(_ stamp: Timestamp, now: Timestamp, monotonic: MonotonicTime) -> Bool {
        guard isAhead(stamp, now: now) else {
            onlyAheadSince = nil
            return false
        }
        refused &+= 1
        refusedAt = monotonic
        if onlyAheadSince == nil { onlyAheadSince = monotonic }
        return true
    }

    /// Returns whether a stamp is later than a tick may be stamped.
    func isAhead(_ stamp: Timestamp, now: Timestamp) -> Bool {
        stamp
            > now.advanced(byNanoseconds: providerAhead).advanced(byNanoseconds: maxNanoseconds)
    }

    /// Returns the news for a person, at most one per call; `nil` when there is none. It is called
    /// periodically. `begun` is not returned here: `SourceTime` reports it with the first tick.
    mutating func change(monotonic: MonotonicTime) -> Change? {
        let isAhead = onlyAheadSince.map { monotonic - $0 >= Self.steppedNanoseconds } ?? false
        if isAhead != isProviderAhead {
            isProviderAhead = isAhead
            return .provider(isAhead: isAhead)
        }
        guard refused > 0, monotonic - refusedAt >= Self.quietNanoseconds else { return nil }
        let ticks = refused
        (refused, onlyAheadSince) = (0, nil)
        return .over(ticks: ticks)
    }
}
