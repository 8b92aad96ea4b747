public import MarketModel

/// Makes the bars of one node for one partition: ticks and watermarks in, versions of bars out.
///
/// A value that one thread owns. Pure: what it answers follows from the calls alone, and from the
/// tables of the partition, which its owner keeps. Per packet: `apply` what each definition changed
/// there and the ticks up to the next one, then `advance`.
public protocol BarMaker: Sendable {
    var rule: BarRule { get }
    var counters: BarCounters { get }
    var openWindows: Int { get }

    init(rule: BarRule, calendar: SessionCalendar?)
    /// The machine whose `encode` made these bytes, for the same rule, calendar and tables.
    init(
        rule: BarRule, calendar: SessionCalendar?, restoring bytes: RawSpan,
        _ tables: PartitionTables
    ) throws(CheckpointError)

    /// The tables have a source more.
    mutating func addSource()
    /// To be told of every change of the tables, in order.
    mutating func apply(_ change: PartitionTables.Change, _ tables: PartitionTables)

    /// Single ticks, of the kind of `rule.field`; `header.symbol` is the interned index.
    mutating func trade(_ trade: Trade, source: Int, ordinal: UInt64, _ tables: PartitionTables)
    mutating func quote(_ quote: Quote, source: Int, ordinal: UInt64, _ tables: PartitionTables)
    /// A tick that a node before kept back: counted in its window as `excluded.filter`.
    mutating func exclude(_ header: TickHeader, source: Int, _ tables: PartitionTables)

    /// Appends the versions of bars that are due by the watermark that the source has now; `series`
    /// is the index in `rule.series`.
    mutating func advance(source: Int, _ tables: PartitionTables, into closed: inout [Bar])
    mutating func takeLateTicks(into late: inout [LateTick])
    /// Bars of windows that are open and changed since the last call, without `.final`: for live
    /// display only, and not part of the state.
    mutating func takeOpenBars(into open: inout [Bar])

    /// All of the time whose ticks decide the windows that overlap [from, to) of any series.
    func extent(of range: DirtyRange) -> (from: Int64, to: Int64)
    /// The same rule and indexes, and no windows. Nothing is late and nothing closes there,
    /// backfilled ticks count. It needs to hold no window that overlaps none of these ranges.
    func repairMachine(for ranges: [DirtyRange]) -> Self

    func encode(_ tables: PartitionTables, into bytes: inout [UInt8])
}
