public import MarketModel
public import Primitives

/// Makes the time bars of one partition: trades and watermarks in, closed bars out.
///
/// A value that one thread owns. Pure: what it answers follows from the calls alone. The order of
/// trades within a window that is open does not matter.
///
/// Per packet: `source`, then `symbol` for each definition, `trade` for each trade, `advance` with
/// the packet's watermark. In the steady state none of these allocates, but for `closed` when the
/// caller's buffer grows.
public struct BarMachine: Sendable {
    /// What to hand to `trade` when there is no index: such a trade is refused and counted.
    public static let noSource = -1
    public static let noSymbol = UInt32.max

    public let series: BarSeriesSet
    public private(set) var sources = SourceTable()
    /// Windows that begin before were not seen from their start by anybody: the time of the
    /// first packet of the tape. Bars of such windows are partial.
    public private(set) var tapeStart = SourceTable.noWatermark

    @usableFromInline var table = SymbolTable()
    @usableFromInline var windows: WindowStore
    @usableFromInline var account: BarCounters
    /// A trade counter of its own beside `account`: one plain word in the hot path.
    @usableFromInline var received: UInt64 = 0
    @usableFromInline let seriesCount: Int
    private var lateTicks: [LateTick] = []
    private let widths: [Int64]
    private let lateTicksMax: Int

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

    /// The account so far. Walks over the open windows: for audits and reports, not for packets.
    public var counters: BarCounters {
        var counters = account
        counters.received = received
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

    // MARK: trades

    /// Adds a trade to its window of every series. `trade.header.symbol` is the interned index.
    @inlinable @inline(__always)
    public mutating func trade(_ trade: Trade, source: Int, ordinal: UInt64) {
        var isGiven = false
        trades(source: source) {
            defer { isGiven = true }
            return isGiven ? nil : (trade, ordinal)
        }
    }

    /// Adds trades, which `next` hands out with their ordinals, until it answers nil: the hot path.
    /// Twice as fast as `trade` for each, because the state is opened once and not per trade.
    @inlinable @inline(__always)
    public mutating func trades(source: Int, next: () -> (trade: Trade, ordinal: UInt64)?) {
        while let rest = plainTrades(source: source, next: next) { finish(rest, source: source) }
    }

    /// A trade with which the hot path could not go on, from which series on, and why.
    @frozen
    @usableFromInline
    struct Rest {
        @usableFromInline let trade: Trade
        @usableFromInline let ordinal: UInt64
        @usableFromInline let series: Int
        /// Nil: a rule excludes the trade.
        @usableFromInline let outcome: WindowState.Outcome?

        @inlinable @inline(__always)
        init(_ trade: Trade, _ ordinal: UInt64, series: Int, _ outcome: WindowState.Outcome?) {
            self.trade = trade
            self.ordinal = ordinal
            self.series = series
            self.outcome = outcome
        }
    }

    @inlinable @inline(__always)
    mutating func plainTrades(
        source: Int, next: () -> (trade: Trade, ordinal: UInt64)?
    ) -> Rest? {
        let seriesCount = seriesCount
        let feeds = table.feeds
        let newest = windows.newest
        var received = received
        defer { self.received = received }
        var slots = windows.slots.mutableSpan
        while let (trade, ordinal) = next() {
            received &+= 1
            let symbol = Int(trade.header.symbol)
            guard symbol < feeds.count, feeds[symbol].source == source, trade.isPlain else {
                return Rest(trade, ordinal, series: 0, nil)
            }
            let input = WindowState.Input(trade, ordinal: ordinal, feed: feeds[symbol])
            let first = symbol &* seriesCount
            var index = 0
            while index < seriesCount {
                let outcome = slots[Int(newest[first &+ index])].offer(input)
                guard outcome == .added else {
                    return Rest(trade, ordinal, series: index, outcome)
                }
                index &+= 1
            }
        }
        return nil
    }

    @usableFromInline @inline(never)
    mutating func finish(_ rest: Rest, source: Int) {
        guard let outcome = rest.outcome else { return setAside(rest.trade, source: source) }
        let symbol = Int(rest.trade.header.symbol)
        let input = WindowState.Input(
            rest.trade, ordinal: rest.ordinal, feed: table.feeds[symbol])
        if outcome == .tied {
            settleTie(input, slot: Int(windows.newest[symbol * seriesCount + rest.series]))
        } else {
            addElsewhere(input, rest.trade, series: rest.series)
        }
        for series in rest.series + 1..<seriesCount {
            addElsewhere(input, rest.trade, series: series)
        }
    }

    private mutating func settleTie(_ input: WindowState.Input, slot: Int) {
        windows.slots[slot].settleTie(input, sources: sources)
    }

    /// The long way: the trade opens a window, goes into one that is there, or is late.
    private mutating func addElsewhere(_ input: WindowState.Input, _ trade: Trade, series: Int) {
        switch window(for: input.time, symbol: Int(trade.header.symbol), series: series) {
        case .open(let slot):
            if windows.slots[slot].offer(input) == .tied { settleTie(input, slot: slot) }
        case .closed:
            account.series[series].late += 1
            list(trade, input, series: series, reason: .windowClosed)
        case .full:
            account.series[series].refused += 1
            list(trade, input, series: series, reason: .windowLimit)
        }
    }

    private enum Found {
        case open(slot: Int)
        case closed
        case full
    }

    private mutating func window(for time: Int64, symbol: Int, series: Int) -> Found {
        let key = symbol * seriesCount + series
        let newer: UInt32
        switch windows.place(of: time, key: key) {
        case .open(let slot): return .open(slot: Int(slot))
        case .missing(let slot): newer = slot
        }
        let start = Timestamp(nanoseconds: time).floored(toNanoseconds: widths[series])
        var window = WindowState(
            start: start.nanoseconds, end: start.nanoseconds + widths[series], symbol: symbol,
            series: series)
        guard window.end > closedThrough(symbol).nanoseconds else { return .closed }
        if isPartial(window) { window.flags.insert(.partial) }
        let source = table.feeds[symbol].source
        guard let slot = windows.open(window, behind: newer, source: source) else { return .full }
        return .open(slot: Int(slot))
    }

    /// Windows of the symbol that end here or before are closed.
    private func closedThrough(_ symbol: Int) -> Timestamp {
        max(
            table.records[symbol].closedThrough,
            sources.entries[table.feeds[symbol].source].watermark)
    }

    private func isPartial(_ window: WindowState) -> Bool {
        let start = Timestamp(nanoseconds: window.start)
        return start < tapeStart || start < table.records[Int(window.symbol)].firstSince
    }

    // MARK: what is not counted

    /// A trade that a rule excludes. Those that belong to an open window are counted there, too.
    private mutating func setAside(_ trade: Trade, source: Int) {
        let symbol = Int(trade.header.symbol)
        guard symbol < table.feeds.count, table.feeds[symbol].source == source else {
            account.unknownSymbol += 1
            return
        }
        guard !trade.header.flags.contains(.backfilled) else {
            account.backfilled += 1
            return
        }
        if trade.isNew {
            account.undefined += 1
        } else {
            account.filter += 1
        }
        guard trade.header.eventTime.isUsable else { return }
        let time = trade.header.eventTime.nanoseconds
        for series in 0..<seriesCount {
            guard case .open(let slot) = window(for: time, symbol: symbol, series: series) else {
                continue
            }
            windows.slots[slot].excluded.count(isNew: trade.isNew)
        }
    }

    private mutating func list(
        _ trade: Trade, _ input: WindowState.Input, series: Int, reason: LateTick.Reason
    ) {
        guard lateTicks.count < lateTicksMax else {
            account.series[series].lateUnlisted += 1
            return
        }
        let start = trade.header.eventTime.floored(toNanoseconds: widths[series])
        lateTicks.append(
            LateTick(
                trade: trade, source: input.feed.source, ordinal: input.ordinal,
                series: UInt16(series), openTime: start,
                closeTime: start.advanced(byNanoseconds: widths[series]), reason: reason))
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

extension Bar.Excluded {
    /// Held at the end of its range: a count from outside must not trap.
    fileprivate mutating func count(isNew: Bool) {
        if isNew {
            undefined = undefined == .max ? .max : undefined + 1
        } else {
            filter = filter == .max ? .max : filter + 1
        }
    }
}

extension Trade {
    /// A new trade with a price, a size and a time: nearly all are, so it is decided at once.
    @inlinable @inline(__always)
    var isPlain: Bool {
        UInt16(header.action) | header.flags.rawValue & Self.unusualFlags == 0
            && price.isDefined && UInt64(bitPattern: size.raw) < UInt64(Int64.max)
            && header.eventTime.isUsable
    }

    /// `.snapshot` and `.backfilled` as a number: the accessors of another module's constants are
    /// calls, and this is asked for every trade.
    @inlinable @inline(__always)
    static var unusualFlags: UInt16 { 1 << 0 | 1 << 2 }

    var isNew: Bool {
        header.action == TradeAction.new.rawValue && !header.flags.contains(.snapshot)
    }
}

extension Timestamp {
    /// Within the times for which there are windows.
    @inlinable @inline(__always)
    var isUsable: Bool {
        let limit = StreamLimits.eventTimeNanosecondsMax
        return nanoseconds >= -limit && nanoseconds < limit
    }
}
