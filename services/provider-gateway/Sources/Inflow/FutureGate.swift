import Primitives

/// Refuses ticks that are stamped too far ahead of the source's clock. On the tape they would open
/// windows that no watermark can close soon, and later ticks would be treated as late. Pure;
/// `SourceTime` owns it.
///
/// A *stamp* is a tick's event time. A tick is *ahead* when its stamp is later than the source's
/// clock by more than the allowed lead. A *burst* is a time in which ticks are refused.
struct FutureGate {
    /// A burst is over when no tick was refused for this time. A shorter time would report a slow
    /// provider's ticks as many bursts.
    static let quietNanoseconds: Int64 = 5_000_000_000
    /// The largest lead of a provider's clock that is believed. Up to here the host's clock is
    /// assumed to be slow; beyond it a person has to check.
    static let differenceMax: Int64 = 60_000_000_000
    /// When all ticks of this long were ahead, the provider's clock is treated as stepped.
    static let steppedNanoseconds: Int64 = 1_000_000_000

    /// What a person has to know.
    enum Change: Equatable {
        /// A burst has begun.
        case begun
        /// A burst is over, in which this many ticks were refused.
        case over(ticks: UInt64)
        /// All ticks that arrive are ahead, or no longer all of them.
        case provider(isAhead: Bool)
    }

    /// How far ahead of the source's clock a tick may be stamped: `GATEWAY_FUTURE_MAX`.
    let maxNanoseconds: Int64
    /// How far each provider's clock is known to be ahead, in nanoseconds; never negative. It is
    /// added to the allowed lead of that provider's ticks. A provider is named by its index.
    private var leads: [Int64]
    /// The number of ticks refused in the present burst.
    private(set) var refused: UInt64 = 0
    /// When the last tick was refused.
    private var refusedAt = MonotonicTime.distantPast
    /// When the first tick after the last one that could be taken was ahead; `nil` while there is
    /// none. The end of a burst changes nothing: no tick came that could be taken.
    private var onlyAheadSince: MonotonicTime?
    /// Whether the provider's clock is treated as stepped. Meanwhile the watermark is held.
    private(set) var isProviderAhead = false

    init(maxNanoseconds: Int64, providers: Int) {
        self.maxNanoseconds = maxNanoseconds
        leads = [Int64](repeating: 0, count: providers)
    }

    /// Takes how far a provider's clock is ahead. A clock that is slow, or too far ahead to be
    /// believed, adds nothing to the allowed lead.
    mutating func know(_ provider: Int, isAhead ahead: Int64) {
        leads[provider] = (1...Self.differenceMax).contains(ahead) ? ahead : 0
    }

    /// Forgets the leads of all providers, because they were relative to another time.
    mutating func forgetLeads() { for provider in leads.indices { leads[provider] = 0 } }

    /// Returns whether a provider's tick with this stamp is refused, and notes it. `now` is the
    /// source's time.
    mutating func refuses(
        _ stamp: Timestamp, of provider: Int, now: Timestamp, monotonic: MonotonicTime
    ) -> Bool {
        guard isAhead(stamp, of: provider, now: now) else {
            onlyAheadSince = nil
            return false
        }
        refused &+= 1
        refusedAt = monotonic
        if onlyAheadSince == nil { onlyAheadSince = monotonic }
        return true
    }

    /// Returns whether a provider's stamp is ahead.
    func isAhead(_ stamp: Timestamp, of provider: Int, now: Timestamp) -> Bool {
        stamp
            > now.advanced(byNanoseconds: leads[provider]).advanced(byNanoseconds: maxNanoseconds)
    }

    /// Returns a change for a person, at most one per call; `nil` when there is none. `SourceTime`
    /// calls it ten times a second. `begun` is not returned here: `SourceTime` reports it with the
    /// first refused tick.
    mutating func change(monotonic: MonotonicTime) -> Change? {
        let isAhead = onlyAheadSince.map { refusedAt - $0 >= Self.steppedNanoseconds } ?? false
        if isAhead != isProviderAhead {
            isProviderAhead = isAhead
            return .provider(isAhead: isAhead)
        }
        guard refused > 0, monotonic - refusedAt >= Self.quietNanoseconds else { return nil }
        let ticks = refused
        refused = 0
        return .over(ticks: ticks)
    }
}
