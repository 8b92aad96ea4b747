/// The account of every tick that a machine was given. For each series, with `windowsPerTick` of
/// sliding windows and 1 of all others:
///
///     (received - excluded) x windowsPerTick + repaired
///         = counted + leftOut + late + refused + outsideSession
///
/// Each term is counted where it happens, none is derived from the others. Of a repair machine the
/// equation does not hold: it leaves out what is in no dirty range.
public struct BarCounters: Hashable, Sendable {
    /// Ticks handed to the machine.
    public internal(set) var received: UInt64 = 0
    /// The symbol was refused by a full table, or the packet's source does not feed it.
    public internal(set) var unknownSymbol: UInt64 = 0
    /// Fetched later to fill a gap: only a repair applies them.
    public internal(set) var backfilled: UInt64 = 0
    /// No new tick (corrections, cancels, the state at the start of a subscription), or kept back
    /// by a node before.
    public internal(set) var filter: UInt64 = 0
    /// Without a price, a size (a negative one is none) or a usable time.
    public internal(set) var undefined: UInt64 = 0
    /// By series, from the finest.
    public internal(set) var series: [Series]

    /// Left out of every series by a rule.
    public var excluded: UInt64 { unknownSymbol + backfilled + filter + undefined }

    public struct Series: Hashable, Sendable {
        /// How many windows hold one tick.
        public internal(set) var windowsPerTick: UInt64 = 1
        /// In a window, closed or open.
        public internal(set) var counted: UInt64 = 0
        /// Left out by the rules for conditions or odd lots, but for their volume.
        public internal(set) var leftOut: UInt64 = 0
        /// The window was closed and gone. All are in the late list, except for `lateUnlisted`.
        public internal(set) var late: UInt64 = 0
        /// A limit on open windows was reached. Listed as late ticks are.
        public internal(set) var refused: UInt64 = 0
        /// Late or refused, but the late list was full.
        public internal(set) var lateUnlisted: UInt64 = 0
        /// Outside of every trading session.
        public internal(set) var outsideSession: UInt64 = 0
        /// What repairs added to the ticks of windows that were there, less what they took out.
        public internal(set) var repaired: Int64 = 0
        /// First versions of bars.
        public internal(set) var bars: UInt64 = 0
        /// Versions that late ticks made.
        public internal(set) var revisions: UInt64 = 0
        /// Versions that repairs made, withdrawn ones too.
        public internal(set) var repairs: UInt64 = 0
        /// Windows that a repair could not open, because of a limit: what stands for them stays.
        public internal(set) var repairsRefused: UInt64 = 0
        /// Bars of windows in which nothing happened.
        public internal(set) var filled: UInt64 = 0
        /// Windows that held nothing but excluded ticks or the start of a subscription: no bars.
        public internal(set) var windowsWithoutTrades: UInt64 = 0
        /// Versions whose notional left the range of 128 bits, and which have no VWAP therefore.
        public internal(set) var notionalSaturated: UInt64 = 0
    }

    init(seriesCount: Int) {
        series = [Series](repeating: Series(), count: seriesCount)
    }

    /// True when every tick is accounted for exactly once, in every window of every series.
    public var isBalanced: Bool {
        series.allSatisfy { one in
            let placed = (Int128(received) - Int128(excluded)) * Int128(one.windowsPerTick)
            let found = [one.counted, one.leftOut, one.late, one.refused, one.outsideSession]
            return placed + Int128(one.repaired) == found.reduce(Int128(0)) { $0 + Int128($1) }
        }
    }
}
