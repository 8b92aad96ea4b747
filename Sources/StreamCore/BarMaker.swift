public import MarketModel
public import Primitives

/// Makes the bars of one node for one partition: ticks and watermarks in, versions of bars out.
///
/// A value that one thread owns. Pure: what it answers follows from the calls alone. Per packet:
/// `source`, then `symbol` for each definition and the ticks up to the next one, then `advance`.
public protocol BarMaker: Sendable {
    var rule: BarRule { get }
    var sources: SourceTable { get }
    var symbols: SymbolTable { get }
    var counters: BarCounters { get }
    var openWindows: Int { get }
    /// What makes windows partial, beside what the machine sees itself. Not part of the state.
    var missing: MissingStretches { get set }

    init(rule: BarRule, calendar: SessionCalendar?)
    /// The machine whose `encode` made these bytes, for the same rule and calendar.
    init(
        rule: BarRule, calendar: SessionCalendar?, restoring bytes: RawSpan
    ) throws(CheckpointError)

    mutating func tapeStarts(at time: Timestamp)
    /// The index of a packet's source; nil when there are too many.
    mutating func source(_ name: SourceName, firstSeen: Timestamp) -> Int?
    /// Notes who feeds a symbol and answers its index; nil when the table is full.
    mutating func symbol(_ subscription: Subscription, source: Int) -> UInt32?

    /// Single ticks, of the kind of `rule.field`; `header.symbol` is the interned index.
    mutating func trade(_ trade: Trade, source: Int, ordinal: UInt64)
    mutating func quote(_ quote: Quote, source: Int, ordinal: UInt64)
    /// A tick that a node before kept back: counted in its window as `excluded.filter`.
    mutating func exclude(_ header: TickHeader, source: Int)

    /// Appends the versions of bars that are due; `series` is the index in `rule.series`.
    mutating func advance(source: Int, watermark: Timestamp, into closed: inout [Bar])
    mutating func takeLateTicks(into late: inout [LateTick])
    /// Bars of windows that are open and changed since the last call, without `.final`: for live
    /// display only, and not part of the state.
    mutating func takeOpenBars(into open: inout [Bar])

    /// All of the time whose ticks decide the windows that overlap [from, to) of any series.
    func extent(of range: DirtyRange) -> (from: Int64, to: Int64)
    /// The same rule, tables and indexes, and no windows. Nothing is late and nothing closes there,
    /// backfilled ticks count. It needs to hold no window that overlaps none of these ranges.
    func repairMachine(for ranges: [DirtyRange]) -> Self
    /// Takes over the windows of the dirty ranges from a repair machine that was given every tick
    /// of their extents: those that are closed go to `closed` with the range's reason, open ones
    /// are replaced.
    mutating func absorb(_ repaired: Self, _ ranges: [DirtyRange], into closed: inout [Bar])

    func encode(into bytes: inout [UInt8])
}
