internal import MarketModel
internal import Primitives

/// A machine that makes the bars by time of one node for one partition: ticks and watermarks in,
/// versions of bars out. `BarLeaves` of the module OperatorGraph keeps the machines of a graph.
///
/// A value that one thread owns. Pure: its results follow from the calls alone. The order of ticks
/// within an open window does not matter.
///
/// Symbols and sources are indexes into the tables of the partition (`PartitionTables`). A series
/// is an index into `series.all`. A *key* is a symbol with a series, as one number: symbol × series
/// count + series.
///
/// The calls for each packet, all with the tables of the partition:
///
/// - `apply` for what each definition changed there,
/// - `trades` (or `quotes`) for the ticks up to the next definition,
/// - `advance` after the tables have taken the packet's watermark.
///
/// In the steady state none of these allocates, except that the caller's buffer `closed` may grow.
public struct BarMachine: BarMaker {
    /// The source index for ticks of a source for which the tables have no room. Such ticks are in
    /// no window, and are counted as `BarCounters.unknownSymbol`.
    public static let noSource = -1
    /// The symbol index for ticks whose symbol is not in the tables. They are counted as
    /// `BarCounters.unknownSymbol`, too.
    public static let noSymbol = UInt32.max

    public let rule: BarRule
    /// Whether `advance` also returns windows without a price, as bars without trades and prices.
    /// It is true where a resampling machine makes coarser bars of these bars: the coarser bars
    /// include the volume and the excluded ticks of such windows.
    public var publishesEmptyWindows = false

    @usableFromInline var windows: WindowStore
    /// The counts, except for `received` and the ticks in the windows of `windows`. `counters` adds
    /// both.
    var account: BarCounters
    /// `BarCounters.received`, kept outside of `account` as one plain word for the hot path. In a
    /// machine of quotes it counts quotes.
    @usableFromInline var receivedTrades: UInt64 = 0
    @usableFromInline let seriesCount: Int
    @usableFromInline let isOfTrades: Bool
    /// The size in 1e-8 from which on a trade skips the rule for odd lots: 0 without such a rule,
    /// `nil` where each symbol has its own.
    @usableFromInline let roundLot: Int64?
    /// All bits when trades with conditions have to be checked by a table; 0 when not.
    @usableFromInline let conditionsMask: UInt64
    /// Late ticks since the last call of `takeLateTicks`.
    var lateTicks: [LateTick] = []
    /// By key, the close that fills later windows without a price, and how far they are filled.
    var fills: FillTable
    /// By series, where its windows begin and end.
    let shapes: [WindowShape]
    let limits: MachineLimits
    /// Whether `absorb` withdraws bars. It is false only in a copy whose `absorb` finds the finer
    /// bars for a resampling machine. There a window without a price is returned with its volume
    /// and its excluded ticks, and is not withdrawn.
    public var withdraws = true
    /// In a repair machine: the only ranges whose windows it makes; `nil` in the partition's own
    /// machine.
    var repair: RepairRanges?
    /// In a repair machine: the symbols for whose windows there was no room. Resampling machines do
    /// not repair these symbols.
    public internal(set) var repairRefused: Set<UInt32> = []

    /// `rule` has series of windows by time. Session windows need a calendar: without one every
    /// tick is outside of them.
    public init(rule: BarRule, calendar: SessionCalendar?) {
        self.init(rule: rule, calendar: calendar, limits: MachineLimits())
    }

    /// A machine for plain trades without a calendar.
    public init(series: BarSeriesSet) { self.init(rule: BarRule(series: series), calendar: nil) }

    init(rule: BarRule, calendar: SessionCalendar?, limits: MachineLimits) {
        self.rule = rule
        self.limits = limits
        let all = rule.series.all
        let shapes = all.map { WindowShape($0.window, calendar: calendar) }
        self.shapes = shapes
        seriesCount = all.count
        isOfTrades = rule.field == .trade
        roundLot = rule.roundLot
        conditionsMask = rule.conditions == nil || rule.field != .trade ? 0 : UInt64.max
        windows = WindowStore(all, shapes: shapes, limits: limits)
        fills = FillTable(all, shapes: shapes)
        account = BarCounters(seriesCount: all.count)
        for (index, shape) in shapes.enumerated() {
            account.series[index].windowsPerTick = UInt64(shape.overlap)
        }
    }

    public var series: BarSeriesSet { rule.series }
    /// The number of open windows, including those kept for late ticks.
    public var openWindows: Int { windows.openCount }
    /// Ticks handed to the machine so far: the same as in `counters`, without a walk over the
    /// windows.
    public var received: UInt64 { receivedTrades }

    /// The account so far. Computing it walks over all windows, so it is meant for audits and
    /// reports, and not for every packet.
    public var counters: BarCounters {
        var counters = account
        counters.received = receivedTrades
        for index in 0..<seriesCount {
            counters.series[index].counted += windows.openTrades(series: index)
        }
        return counters
    }

    /// The account without `received` and without the ticks in windows that are still kept. It
    /// takes no walk over the windows, and is enough to report excluded ticks.
    public var settledCounters: BarCounters { account }

    // MARK: definitions

    public mutating func addSource() { windows.addSource() }

    public mutating func apply(_ change: PartitionTables.Change, _ tables: PartitionTables) {
        if change.isNew {
            windows.addSymbol()
            fills.addSymbol()
        }
        let symbol = Int(change.index)
        if change.isMoved { move(symbol, tables) }
        if let time = change.restart { restart(symbol, at: time, tables) }
    }

    /// Notes that another source feeds the symbol: its watermark decides from now on when the
    /// symbol's windows are closed and filled.
    private mutating func move(_ symbol: Int, _ tables: PartitionTables) {
        windows.move(symbol: symbol, to: tables.symbols.feeds[symbol].source)
        guard fills.isUsed else { return }
        for series in 0..<seriesCount { expectFill(symbol: symbol, series: series, tables) }
    }

    /// Flags the windows partial in which a subscription began again at `time`: ticks before that
    /// moment are missing in them. Opens those that are not there yet, so that the machine needs no
    /// list of beginnings.
    private mutating func restart(_ symbol: Int, at time: Int64, _ tables: PartitionTables) {
        for series in 0..<seriesCount {
            var bounds = shapes[series].newest(holding: time)
            while let window = bounds {
                restart(window, symbol: symbol, series: series, since: time, tables)
                bounds = shapes[series].older(than: window, holding: time)
            }
            if rule.needs.age > 0 { markUnpaired(symbol * seriesCount + series, since: time) }
        }
    }

    /// Flags the own windows partial whose ticks may lack a quote, or a change of their book, that
    /// came before `time`. Windows that open later find that time among the missing times of the
    /// tables.
    private mutating func markUnpaired(_ key: Int, since time: Int64) {
        var slot = Int(windows.heads[key])
        while slot != 0 {
            let window = windows.slots[slot]
            if window.start < rule.needs.later(time), window.end > time,
                !window.phase.contains(.closed)
            {
                windows.slots[slot].flags.insert(.partial)
            }
            slot = Int(window.older)
        }
    }

    private mutating func restart(
        _ bounds: WindowShape.Bounds, symbol: Int, series: Int, since: Int64,
        _ tables: PartitionTables
    ) {
        // A window that begins with the subscription misses no ticks.
        guard bounds.start < since else { return }
        let key = symbol * seriesCount + series
        if case .open(let slot) = windows.place(startingAt: bounds.start, key: key) {
            // The bar of a closed window is published already.
            guard !windows.slots[slot].phase.contains(.closed) else { return }
            windows.slots[slot].flags.insert(.partial)
        } else if bounds.end > closedThrough(symbol, tables) {
            var newer = 0
            let found = window(bounds, symbol: symbol, series: series, behind: &newer, tables)
            guard case .open(let slot) = found else { return }
            windows.slots[slot].flags.insert(.partial)
        }
    }

    /// Moves the late ticks since the last call to the end of `late`, in order of arrival. At most
    /// `StreamLimits.lateTicksMax` wait for a call.
    public mutating func takeLateTicks(into late: inout [LateTick]) {
        late.append(contentsOf: lateTicks)
        lateTicks.removeAll(keepingCapacity: true)
    }
}
