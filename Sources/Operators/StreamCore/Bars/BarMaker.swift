public import MarketModel

/// A machine that makes the bars of one node for one partition: ticks and watermarks in, versions
/// of bars out.
///
/// A value that one thread owns. Pure: its results follow from the calls alone, and from the tables
/// of the partition, which its owner keeps (`BarLeaves` of the module OperatorGraph). Per packet:
/// call `apply` for what each definition changed in the tables, pass the ticks up to the next
/// definition, then call `advance`.
public protocol BarMaker: Sendable {
    var rule: BarRule { get }
    var counters: BarCounters { get }
    /// The number of windows that are kept, because they may still change.
    var openWindows: Int { get }

    /// Without a calendar, session windows hold no ticks, and each UTC day is a session for bars of
    /// ticks, volume or dollars.
    init(rule: BarRule, calendar: SessionCalendar?)
    /// Restores the machine whose `encode` wrote these bytes, for the same rule, calendar and
    /// tables.
    init(
        rule: BarRule, calendar: SessionCalendar?, restoring bytes: RawSpan,
        _ tables: PartitionTables
    ) throws(CheckpointError)

    /// Reports that the tables have one more source.
    mutating func addSource()
    /// Reports a change of the tables. Every change has to be reported, in order.
    mutating func apply(_ change: PartitionTables.Change, _ tables: PartitionTables)

    /// Adds a trade. A machine of quotes skips it. `header.symbol` and `source` are indexes into
    /// the tables.
    mutating func trade(_ trade: Trade, source: Int, ordinal: UInt64, _ tables: PartitionTables)
    /// Adds a quote, as `trade` does. A machine of trades skips it.
    mutating func quote(_ quote: Quote, source: Int, ordinal: UInt64, _ tables: PartitionTables)
    /// Takes a tick that an earlier node of the graph did not let through: the window that holds
    /// its time counts it as `excluded.filter`.
    mutating func exclude(_ header: TickHeader, source: Int, _ tables: PartitionTables)

    /// Appends the versions of bars that are due by the present watermark of the source. A bar's
    /// `series` is the index in `rule.series`.
    mutating func advance(source: Int, _ tables: PartitionTables, into closed: inout [Bar])
    /// Appends the late ticks since the last call, in order of arrival.
    mutating func takeLateTicks(into late: inout [LateTick])
    /// Appends the bars of open windows that changed since the last call, without `.final`. They
    /// are for live display only, and not part of the state.
    mutating func takeOpenBars(into open: inout [Bar])

    /// Returns the time whose ticks decide the windows of all series that overlap the range. A
    /// repair of the range has to read these ticks.
    func extent(of range: DirtyRange) -> (from: Int64, to: Int64)
    /// Returns a repair machine: one with the same rule and indexes, and no windows. Nothing is
    /// late and nothing closes there, and fetched ticks count. It need not make windows that
    /// overlap none of these ranges.
    func repairMachine(for ranges: [DirtyRange]) -> Self

    /// Appends the state as bytes.
    func encode(_ tables: PartitionTables, into bytes: inout [UInt8])
}
