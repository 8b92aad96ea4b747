/// The account of every trade that a machine was given. For each series:
///
///     received = excluded + counted + late + refused
///
/// Each term is counted where it happens, none is derived from the others.
public struct BarCounters: Hashable, Sendable {
    /// Trades handed to the machine.
    public internal(set) var received: UInt64 = 0
    /// The symbol was refused by a full table, or the packet's source does not feed it.
    public internal(set) var unknownSymbol: UInt64 = 0
    /// Fetched later to fill a gap: only a repair applies them.
    public internal(set) var backfilled: UInt64 = 0
    /// No new trade: corrections, cancels, and the state at the start of a subscription.
    public internal(set) var filter: UInt64 = 0
    /// Without a price, a size (a negative one is none) or a usable time.
    public internal(set) var undefined: UInt64 = 0
    /// By series, from the finest.
    public internal(set) var series: [Series]

    /// Left out of every series by a rule.
    public var excluded: UInt64 { unknownSymbol + backfilled + filter + undefined }

    public struct Series: Hashable, Sendable {
        /// In a window, closed or open.
        public internal(set) var counted: UInt64 = 0
        /// The window was closed. All are in the late list, except for `lateUnlisted`.
        public internal(set) var late: UInt64 = 0
        /// A limit on open windows was reached. Listed as late ticks are.
        public internal(set) var refused: UInt64 = 0
        /// Late or refused, but the late list was full.
        public internal(set) var lateUnlisted: UInt64 = 0
        public internal(set) var bars: UInt64 = 0
        /// Windows that held nothing but excluded ticks or the start of a subscription: no bars.
        public internal(set) var windowsWithoutTrades: UInt64 = 0
        /// Bars whose notional left the range of 128 bits, and which have no VWAP therefore.
        public internal(set) var notionalSaturated: UInt64 = 0
    }

    init(seriesCount: Int) {
        series = [Series](repeating: Series(), count: seriesCount)
    }

    /// True when every trade is accounted for exactly once, in every series.
    public var isBalanced: Bool {
        series.allSatisfy { received == excluded + $0.counted + $0.late + $0.refused }
    }
}
