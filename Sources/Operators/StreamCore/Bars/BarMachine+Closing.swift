public import MarketModel
internal import Primitives

extension BarMachine {
    /// Closes every window of the source's symbols whose end is at or before the source's
    /// watermark. Publishes closed windows again that late ticks changed, and fills windows without
    /// a price that are due. Appends the bars in order of end, then series, then symbol.
    ///
    /// A repair machine closes nothing: `absorb` decides which of its windows are closed.
    public mutating func advance(
        source: Int, _ tables: PartitionTables, into closed: inout [Bar]
    ) {
        guard repair == nil, tables.sources.entries.indices.contains(source) else { return }
        let reached = tables.sources.entries[source].watermark.nanoseconds
        let start = closed.count
        if windows.hasTouched { publishTouched(source: source, tables, into: &closed) }
        // The windows that close are in order already. Only a mix with others has to be sorted.
        let isMixed = closed.count > start || fills.isUsed
        if windows.isAnythingDue(source: source, watermark: reached) {
            publishDue(source: source, watermark: reached, tables, into: &closed)
        }
        if isMixed { closed.sortOutput(from: start) }
    }

    /// Publishes closed windows that late ticks changed.
    private mutating func publishTouched(
        source: Int, _ tables: PartitionTables, into closed: inout [Bar]
    ) {
        let feeds = tables.symbols.feeds
        var index = 0
        while let slot = windows.takeTouched(
            from: &index, { feeds[Int($0.symbol)].source == source })
        {
            let window = windows.slots[slot]
            let series = Int(window.series)
            guard window.trades > 0 else {
                if publishesEmptyWindows { closed.append(window.bar(BarReason.late.rawValue)) }
                continue
            }
            windows.slots[slot].phase.insert(.published)
            account.series[series].revisions += 1
            account.note(window)
            closed.append(window.bar(BarReason.late.rawValue))
        }
    }

    /// Closes and publishes the windows that the watermark has passed, and removes expired ones.
    private mutating func publishDue(
        source: Int, watermark: Int64, _ tables: PartitionTables, into closed: inout [Bar]
    ) {
        let symbols = tables.symbols(of: source)
        windows.collectDue(source: source, symbols: symbols, watermark: watermark)
        for index in windows.due.items.indices {
            close(Int(windows.due.items[index].slot), into: &closed)
        }
        for slot in windows.expired { account.forget(windows.slots[Int(slot)]) }
        if fills.isUsed { fill(symbols, until: watermark, tables, into: &closed) }
        windows.release()
    }

    /// Publishes the first version of a window's bar. The window is marked as closed already.
    private mutating func close(_ slot: Int, into closed: inout [Bar]) {
        let series = Int(windows.slots[slot].series)
        guard windows.slots[slot].trades > 0 else {
            if publishesEmptyWindows {
                closed.append(windows.slots[slot].bar(BarReason.closed.rawValue))
            }
            return
        }
        windows.slots[slot].phase.insert(.published)
        account.series[series].bars += 1
        account.note(windows.slots[slot])
        closed.append(windows.slots[slot].bar(BarReason.closed.rawValue))
    }

    // MARK: windows without ticks

    /// Fills the windows without a price whose end and lateness the watermark has passed. No tick
    /// can change them or a window before them any more. So the order in which ticks came does not
    /// change what fills them.
    private mutating func fill(
        _ symbols: [UInt32], until watermark: Int64, _ tables: PartitionTables,
        into closed: inout [Bar]
    ) {
        // The newest window of each key comes first, so the list is walked backwards.
        for slot in windows.expired.reversed() { settle(windows.slots[Int(slot)], into: &closed) }
        for series in 0..<seriesCount where fills.maxima[series] > 0 {
            let settled = watermark - rule.series.all[series].lateness
            for symbol in symbols {
                fill(Int(symbol) * seriesCount + series, until: settled, into: &closed)
                expectFill(symbol: Int(symbol), series: series, tables)
            }
        }
    }

    /// Takes a window that no tick can change any more. Its close fills later windows. If it has no
    /// price, it is filled itself, and the filled bar keeps the counts of excluded ticks.
    private mutating func settle(_ window: WindowState, into closed: inout [Bar]) {
        let series = Int(window.series)
        guard fills.maxima[series] > 0 else { return }
        let key = Int(window.symbol) * seriesCount + series
        fill(key, until: window.start, into: &closed)
        if window.trades > 0 {
            fills.note(window, key: key)
        } else if fills.next(key) == window.bounds {
            fill(window.bounds, key, excluded: window.excluded, into: &closed)
        }
    }

    /// Fills the windows of a key that end at or before `limit`.
    private mutating func fill(_ key: Int, until limit: Int64, into closed: inout [Bar]) {
        while let bounds = fills.next(key), bounds.end <= limit {
            fill(bounds, key, excluded: Bar.Excluded(), into: &closed)
        }
    }

    /// Publishes the filled bar of one window, which is the next one of its key to fill.
    private mutating func fill(
        _ bounds: WindowShape.Bounds, _ key: Int, excluded: Bar.Excluded,
        into closed: inout [Bar]
    ) {
        guard let close = fills.fill(bounds, key: key) else { return }
        var bar = filledBar(bounds, key, close: close)
        bar.reason = BarReason.closed.rawValue
        bar.excluded = excluded
        account.series[key % seriesCount].filled += 1
        closed.append(bar)
    }

    /// Returns the bar of a filled window: without trades, and with `close` as all four prices.
    func filledBar(_ bounds: WindowShape.Bounds, _ key: Int, close: Int64) -> Bar {
        var bar = Bar(
            symbol: UInt32(key / seriesCount), series: UInt16(key % seriesCount),
            openTime: Timestamp(nanoseconds: bounds.start),
            closeTime: Timestamp(nanoseconds: bounds.end))
        bar.flags = [.final, .filled]
        bar.open = Price(raw: close)
        bar.high = bar.open
        bar.low = bar.open
        bar.close = bar.open
        return bar
    }

    /// Notes a window that a repair made and that takes no ticks any more. Windows after it may be
    /// filled with its close.
    mutating func noteFill(_ window: WindowState, _ tables: PartitionTables) {
        let symbol = Int(window.symbol)
        let series = Int(window.series)
        guard fills.maxima[series] > 0 else { return }
        fills.note(window, key: symbol * seriesCount + series)
        expectFill(symbol: symbol, series: series, tables)
    }

    /// Makes the next window of a key to fill due at its end and lateness, if there is one.
    mutating func expectFill(symbol: Int, series: Int, _ tables: PartitionTables) {
        guard let next = fills.next(symbol * seriesCount + series) else { return }
        let settled = next.end + rule.series.all[series].lateness
        windows.expect(settled, tables.symbols.feeds[symbol].source, series: series)
    }

    // MARK: open windows

    public mutating func takeOpenBars(into open: inout [Bar]) {
        windows.takeChanged { open.append($0.bar(BarReason.closed.rawValue, isFinal: false)) }
    }
}

extension BarCounters {
    /// Accounts for a version of the window's bar that is published.
    mutating func note(_ window: WindowState) {
        series[Int(window.series)].notionalSaturated += window.isNotionalSaturated ? 1 : 0
    }

    /// Moves a window that no tick can change any more into the final account.
    mutating func forget(_ window: WindowState) {
        let index = Int(window.series)
        series[index].counted += window.trades
        series[index].windowsWithoutTrades += window.phase.contains(.published) ? 0 : 1
    }
}
