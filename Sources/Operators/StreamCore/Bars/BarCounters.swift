/// The account of a machine that makes bars of ticks: how often ticks were counted or excluded, and
/// why. For each series this equation is true. `windowsPerTick` is the number of windows that hold
/// one tick: more than 1 only for sliding windows.
///
///     (received - excluded) x windowsPerTick + repaired
///         = counted + leftOut + late + refused + outsideSession
///
/// Each term is counted where it happens. None is derived from the others. The equation is not true
/// in a repair machine, because it skips ticks that are in no dirty range.
public struct BarCounters: Hashable, Sendable {
    /// Ticks handed to the machine. It skips ticks of the other kind (trade or quote) uncounted.
    public internal(set) var received: UInt64 = 0
    /// Ticks whose symbol is not in the tables, because they are full, or is fed by another source.
    public internal(set) var unknownSymbol: UInt64 = 0
    /// Ticks that were fetched later to fill a gap. They count in repairs only.
    public internal(set) var backfilled: UInt64 = 0
    /// Records that are no new ticks (corrections, cancels, the state at the start of a
    /// subscription), and ticks that an earlier node did not let through.
    public internal(set) var filter: UInt64 = 0
    /// Ticks without a price, a size (a negative one is treated as none) or a usable time.
    public internal(set) var undefined: UInt64 = 0
    /// The accounts of the series, from the finest to the coarsest.
    public internal(set) var series: [Series]

    /// Ticks that are in no series: the sum of the four counts above.
    public var excluded: UInt64 { unknownSymbol + backfilled + filter + undefined }

    public struct Series: Hashable, Sendable {
        /// The number of windows that hold one tick: 1, or more for sliding windows.
        public internal(set) var windowsPerTick: UInt64 = 1
        /// Ticks that set a price in a window, once for each such window.
        public internal(set) var counted: UInt64 = 0
        /// Ticks that set no price, by the rules for sale conditions or odd lots. Their volume may
        /// still be in the bar.
        public internal(set) var leftOut: UInt64 = 0
        /// Ticks that came after their window was removed. All are in the late list, except for
        /// `lateUnlisted`.
        public internal(set) var late: UInt64 = 0
        /// Ticks for which a limit on open windows left no room. They are listed like late ticks.
        public internal(set) var refused: UInt64 = 0
        /// Late or refused ticks that the full late list could not take.
        public internal(set) var lateUnlisted: UInt64 = 0
        /// Ticks outside of every trading session.
        public internal(set) var outsideSession: UInt64 = 0
        /// Ticks that repairs added to existing windows, less the ticks that they took out.
        public internal(set) var repaired: Int64 = 0
        /// First versions of bars.
        public internal(set) var bars: UInt64 = 0
        /// Versions that late ticks caused.
        public internal(set) var revisions: UInt64 = 0
        /// Versions that repairs published, withdrawals included.
        public internal(set) var repairs: UInt64 = 0
        /// Windows that a repair could not open because of a limit. Their published bars stay as
        /// they are.
        public internal(set) var repairsRefused: UInt64 = 0
        /// Filled bars, without those that repairs published.
        public internal(set) var filled: UInt64 = 0
        /// Windows that were removed without a bar: they held only ticks that set no price, or the
        /// start of a subscription.
        public internal(set) var windowsWithoutTrades: UInt64 = 0
        /// Versions without a VWAP, because their notional left the range of 128 bits.
        public internal(set) var notionalSaturated: UInt64 = 0
    }

    /// Makes an account of no ticks.
    public init(seriesCount: Int) {
        series = [Series](repeating: Series(), count: seriesCount)
    }

    /// Whether the equation is true: every tick is counted exactly once, in every window of every
    /// series.
    public var isBalanced: Bool {
        series.allSatisfy { one in
            let placed = (Int128(received) - Int128(excluded)) * Int128(one.windowsPerTick)
            let found = [one.counted, one.leftOut, one.late, one.refused, one.outsideSession]
            return placed + Int128(one.repaired) == found.reduce(Int128(0)) { $0 + Int128($1) }
        }
    }
}
