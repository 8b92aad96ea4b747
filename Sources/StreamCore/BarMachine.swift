public import MarketModel
public import Primitives

/// Makes the bars by time of one partition: ticks and watermarks in, versions of bars out.
///
/// A value that one thread owns. Pure: what it answers follows from the calls alone. The order of
/// ticks within a window that is open does not matter.
///
/// Per packet: `source`, then `symbol` for each definition and `trades` (or `quotes`) for the ticks
/// up to the next one, then `advance` with the packet's watermark. In the steady state none of
/// these allocates, but for `closed` when the caller's buffer grows.
public struct BarMachine: BarMaker {
    /// What to hand to `trade` when there is no index: such a trade is refused and counted.
    public static let noSource = -1
    public static let noSymbol = UInt32.max

    public let rule: BarRule
    public internal(set) var sources = SourceTable()
    /// Windows that begin before were not seen from their start by anybody: the time of the
    /// first packet of the tape. Bars of such windows are partial.
    public internal(set) var tapeStart = SourceTable.noWatermark
    /// What the owner knows to be missing; he keeps it, and hands it in again behind a restart.
    public var missing = MissingStretches()
    /// `advance` hands out windows without a price, too: bars without trades and prices.
    public var tellsEmptyWindows = false

    @usableFromInline var table = SymbolTable()
    @usableFromInline var windows: WindowStore
    var account: BarCounters
    /// A tick counter of its own beside `account`: one plain word in the hot path.
    @usableFromInline var receivedTrades: UInt64 = 0
    @usableFromInline let seriesCount: Int
    @usableFromInline let isOfTrades: Bool
    /// What the hot path may take without a look at the rule.
    @usableFromInline let roundLot: Int64
    @usableFromInline let conditionsMask: UInt64
    var lateTicks: [LateTick] = []
    var fills: FillTable
    let shapes: [WindowShape]
    let limits: MachineLimits
    /// False: what stands of the bars does not matter, and a window without a price is told with
    /// what it holds instead of being withdrawn.
    public var withdraws = true
    /// Of a repair machine: the only windows that it makes.
    var repair: RepairRanges?
    /// Of a repair machine: the symbols for whose windows there was no room.
    public internal(set) var repairRefused: Set<UInt32> = []

    /// `rule` has series of windows by time; those of trading sessions need a calendar, or every
    /// tick is outside.
    public init(rule: BarRule, calendar: SessionCalendar?) {
        self.init(rule: rule, calendar: calendar, limits: MachineLimits())
    }

    /// Plain trades, and no calendar.
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
    public var symbols: SymbolTable { table }
    /// Those that are kept for late ticks count, too.
    public var openWindows: Int { windows.openCount }
    /// Ticks handed to the machine so far: what `counters` says, without its walk.
    public var received: UInt64 { receivedTrades }

    /// The account so far. Walks over the open windows: for audits and reports, not for packets.
    public var counters: BarCounters {
        var counters = account
        counters.received = receivedTrades
        for index in 0..<seriesCount {
            counters.series[index].counted += windows.openTrades(series: index)
        }
        return counters
    }

    /// What is final in it: without those that are in open windows, and without a walk over these.
    public var settledCounters: BarCounters { account }

    // MARK: definitions

    public mutating func tapeStarts(at time: Timestamp) {
        tapeStart = time.isDefined ? time : SourceTable.noWatermark
    }

    /// The index of a packet's source, for `symbol`, `trade` and `advance`. Nil when there are too
    /// many. `firstSeen` counts at the first appearance only.
    public mutating func source(_ name: SourceName, firstSeen: Timestamp) -> Int? {
        let known = sources.entries.count
        let index = sources.index(of: name, firstSeen: firstSeen)
        if sources.entries.count > known { windows.addSource() }
        return index
    }

    /// Notes who feeds a symbol and answers its index; nil when the table is full.
    ///
    /// Another source than before takes the symbol over: its watermark closes the windows from
    /// now on, at its next `advance`. What was closed stays closed.
    public mutating func symbol(_ subscription: Subscription, source: Int) -> UInt32? {
        guard sources.entries.indices.contains(source) else { return nil }
        let feed = SymbolTable.Feed(
            source: source, provider: table.providerIndex(subscription.provider))
        guard let index = table.index(of: subscription.symbol) else {
            let index = table.insert(subscription, feed: feed)
            if index != nil {
                windows.addSymbol()
                fills.addSymbol()
            }
            return index
        }
        let before = table.feeds[Int(index)]
        if feed != before {
            table.move(
                index, to: feed, closedThrough: sources.entries[before.source].watermark)
            if feed.source != before.source { move(Int(index), to: source) }
        }
        let since = subscription.since
        if since.isDefined, since > table.records[Int(index)].since {
            restart(index, since: since)
        }
        return index
    }

    private mutating func move(_ symbol: Int, to source: Int) {
        windows.move(symbol: symbol, to: source)
        guard fills.isUsed else { return }
        for series in 0..<seriesCount { expectFill(symbol: symbol, series: series) }
    }

    /// A subscription that began anew makes the open windows partial in which it did. They are
    /// opened if they are not there yet, so that no list of beginnings has to be kept.
    private mutating func restart(_ index: UInt32, since: Timestamp) {
        table.restart(index, since: since)
        guard since.isUsable else { return }
        let time = since.nanoseconds
        for series in 0..<seriesCount {
            var bounds = shapes[series].newest(holding: time)
            while let window = bounds {
                restart(window, symbol: Int(index), series: series, since: time)
                bounds = shapes[series].older(than: window, holding: time)
            }
        }
    }

    private mutating func restart(
        _ bounds: WindowShape.Bounds, symbol: Int, series: Int, since: Int64
    ) {
        guard bounds.start < since else { return }
        let key = symbol * seriesCount + series
        if case .open(let slot) = windows.place(startingAt: bounds.start, key: key) {
            guard !windows.slots[slot].phase.contains(.closed) else { return }
            windows.slots[slot].flags.insert(.partial)
        } else if bounds.end > closedThrough(symbol) {
            var newer = 0
            let found = window(bounds, symbol: symbol, series: series, behind: &newer)
            guard case .open(let slot) = found else { return }
            windows.slots[slot].flags.insert(.partial)
        }
    }

    /// Moves the late ticks since the last call to the end of `late`, in order of arrival.
    public mutating func takeLateTicks(into late: inout [LateTick]) {
        late.append(contentsOf: lateTicks)
        lateTicks.removeAll(keepingCapacity: true)
    }
}
