public import MarketModel
public import Primitives

/// Makes the time bars of one partition: trades and watermarks in, closed bars out.
///
/// A value that one thread owns. Pure: what it answers follows from the calls alone. The order of
/// trades within a window that is open does not matter.
///
/// Per packet: `source`, then `symbol` for each definition and `trades` for the ticks up to the
/// next one, then `advance` with the packet's watermark. In the steady state none of these
/// allocates, but for `closed` when the caller's buffer grows.
public struct BarMachine: Sendable {
    /// What to hand to `trade` when there is no index: such a trade is refused and counted.
    public static let noSource = -1
    public static let noSymbol = UInt32.max

    public let series: BarSeriesSet
    public internal(set) var sources = SourceTable()
    /// Windows that begin before were not seen from their start by anybody: the time of the
    /// first packet of the tape. Bars of such windows are partial.
    public internal(set) var tapeStart = SourceTable.noWatermark

    @usableFromInline var table = SymbolTable()
    @usableFromInline var windows: WindowStore
    var account: BarCounters
    /// A trade counter of its own beside `account`: one plain word in the hot path.
    @usableFromInline var receivedTrades: UInt64 = 0
    @usableFromInline let seriesCount: Int
    var lateTicks: [LateTick] = []
    let widths: [Int64]
    let lateTicksMax: Int

    public init(series: BarSeriesSet) {
        self.init(series: series, windows: WindowStore(seriesCount: series.all.count))
    }

    /// Tests give smaller limits.
    init(
        series: BarSeriesSet, windows: WindowStore, lateTicksMax: Int = StreamLimits.lateTicksMax
    ) {
        self.series = series
        self.windows = windows
        self.lateTicksMax = lateTicksMax
        seriesCount = series.all.count
        widths = series.all.map(\.widthNanoseconds)
        account = BarCounters(seriesCount: series.all.count)
    }

    public var symbols: SymbolTable { table }
    public var openWindows: Int { windows.openCount }
    /// Trades handed to the machine so far: what `counters` says, without its walk.
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
            if index != nil { windows.addSymbol() }
            return index
        }
        let before = table.feeds[Int(index)]
        if feed != before {
            table.move(
                index, to: feed, closedThrough: sources.entries[before.source].watermark)
            if feed.source != before.source { windows.move(symbol: Int(index), to: source) }
        }
        let since = subscription.since
        if since.isDefined, since > table.records[Int(index)].since {
            restart(index, since: since)
        }
        return index
    }

    /// A subscription that began anew makes the windows partial in which it did. They are opened if
    /// they are not there yet, so that no list of beginnings has to be kept.
    private mutating func restart(_ index: UInt32, since: Timestamp) {
        table.restart(index, since: since)
        guard since.isUsable else { return }
        for series in 0..<seriesCount {
            let found = window(for: since.nanoseconds, symbol: Int(index), series: series)
            guard case .open(let slot) = found, windows.slots[slot].start < since.nanoseconds
            else { continue }
            windows.slots[slot].flags.insert(.partial)
        }
    }

    /// Moves the late ticks since the last call to the end of `late`, in order of arrival.
    public mutating func takeLateTicks(into late: inout [LateTick]) {
        late.append(contentsOf: lateTicks)
        lateTicks.removeAll(keepingCapacity: true)
    }

    // MARK: closing

    /// Closes every window whose end is at or before the watermark of the source that feeds its
    /// symbol, and appends the bars in order of end, series from the finest, and symbol index.
    ///
    /// A watermark below the last one is counted and changes nothing.
    public mutating func advance(
        source: Int, watermark: Timestamp, into closed: inout [Bar]
    ) {
        guard sources.entries.indices.contains(source) else { return }
        _ = sources.advance(source, to: watermark)
        let reached = sources.entries[source].watermark.nanoseconds
        guard windows.isAnythingDue(source: source, watermark: reached) else { return }
        windows.close(
            source: source, symbols: table.symbolsBySource[source], watermark: reached
        ) { window in
            account.close(window)
            if let bar = window.bar() { closed.append(bar) }
        }
    }
}

extension BarCounters {
    fileprivate mutating func close(_ window: WindowState) {
        let index = Int(window.series)
        series[index].counted += window.trades
        series[index].bars += window.trades > 0 ? 1 : 0
        series[index].windowsWithoutTrades += window.trades == 0 ? 1 : 0
        series[index].notionalSaturated += window.isNotionalSaturated ? 1 : 0
    }
}
