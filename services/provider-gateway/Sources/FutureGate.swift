import Primitives

/// Judges ticks that are stamped ahead of the time: on the tape they would open windows that nobody
/// can close, and later ticks would be held for late ones.
struct FutureGate {
    /// A burst is over when nothing was refused for so long.
    static let quietNanoseconds: Int64 = 5_000_000_000
    /// As far as this a provider's clock that says to be ahead is believed: it is the host's that
    /// is behind. Beyond, somebody has to look.
    static let differenceMax: Int64 = 60_000_000_000
    /// A provider that stamps nothing else for so long has a clock that stepped.
    static let steppedNanoseconds: Int64 = 1_000_000_000

    enum News: Equatable {
        case begun
        case over(ticks: UInt64)
        /// Whether all that comes is ahead.
        case provider(isAhead: Bool)
    }

    let maxNanoseconds: Int64
    /// What the provider's clock is ahead for certain; never negative.
    private(set) var providerAhead: Int64 = 0
    /// In the present burst.
    private(set) var refused: UInt64 = 0
    private var refusedAt = Int64.min
    /// Since when nothing came that could be taken; nil: something did.
    private var onlyAheadSince: Int64?
    private(set) var isProviderAhead = false

    init(maxNanoseconds: Int64) { self.maxNanoseconds = maxNanoseconds }

    mutating func know(providerAhead ahead: Int64) {
        providerAhead = (1...Self.differenceMax).contains(ahead) ? ahead : 0
    }

    /// True: the tick is not for the tape.
    mutating func refuses(_ stamp: Timestamp, now: Timestamp, monotonic: Int64) -> Bool {
        let latest = now.advanced(byNanoseconds: providerAhead)
            .advanced(byNanoseconds: maxNanoseconds)
        guard stamp > latest else {
            onlyAheadSince = nil
            return false
        }
        refused &+= 1
        refusedAt = monotonic
        if onlyAheadSince == nil { onlyAheadSince = monotonic }
        return true
    }

    /// What a person is to be told, at most one thing per call.
    mutating func news(monotonic: Int64) -> News? {
        let isAhead = onlyAheadSince.map { monotonic &- $0 >= Self.steppedNanoseconds } ?? false
        if isAhead != isProviderAhead {
            isProviderAhead = isAhead
            return .provider(isAhead: isAhead)
        }
        guard refused > 0, monotonic &- refusedAt >= Self.quietNanoseconds else { return nil }
        let ticks = refused
        (refused, onlyAheadSince) = (0, nil)
        return .over(ticks: ticks)
    }
}
