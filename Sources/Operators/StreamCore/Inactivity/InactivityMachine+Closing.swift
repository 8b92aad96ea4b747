public import MarketModel
internal import Primitives

extension InactivityMachine {
    public mutating func advance(
        source: Int, _ tables: PartitionTables, into closed: inout [Bar]
    ) {
        guard !intake.isRepair, due.indices.contains(source),
            due[source] <= tables.sources.entries[source].watermark.nanoseconds
        else { return }
        let start = closed.count
        var next = Int64.max
        for symbol in tables.symbols(of: source) {
            // This is at least the watermark. Windows that an earlier source of the symbol closed
            // stay closed.
            let through = tables.closedThrough(Int(symbol))
            for series in 0..<seriesCount {
                next = min(
                    next, close(Int(symbol), series, through: through, tables, into: &closed))
            }
        }
        due[source] = next
        closed.sortOutput(from: start)
    }

    /// Publishes and removes what is due in a key; returns the time at which there will be more to
    /// do.
    private mutating func close(
        _ symbol: Int, _ series: Int, through reached: Int64, _ tables: PartitionTables,
        into closed: inout [Bar]
    ) -> Int64 {
        let key = symbol * seriesCount + series
        let gap = gaps[series]
        var next = Int64.max
        for bar in keys[key].withdrawals {
            closed.append(bar.withdrawal(reason: BarReason.late.rawValue))
            intake.account.series[series].revisions += 1
        }
        keys[key].withdrawals.removeAll(keepingCapacity: true)
        for index in keys[key].windows.indices {
            let end = keys[key].windows[index].end(gap: gap)
            guard end <= reached else {
                next = min(next, end)
                continue
            }
            if !keys[key].windows[index].isPublished {
                publish(key, index, tables, into: &closed)
            }
            if end + lateness(series) > reached { next = min(next, end + lateness(series)) }
        }
        return min(next, retire(key, series, through: reached))
    }

    /// Publishes a version of a window's bar.
    private mutating func publish(
        _ key: Int, _ index: Int, _ tables: PartitionTables, into closed: inout [Bar]
    ) {
        let symbol = key / seriesCount
        let series = key % seriesCount
        let gap = gaps[series]
        let isPartial = isPartial(keys[key].windows[index], symbol: symbol, gap: gap, tables)
        let isLate = keys[key].windows[index].isLate
        keys[key].windows[index].isPublished = true
        keys[key].windows[index].isLate = false
        guard
            var bar = keys[key].windows[index].bar(
                symbol: UInt32(symbol), series: UInt16(series), gap: gap)
        else { return }
        bar.flags.insert(.final)
        if isPartial { bar.flags.insert(.partial) }
        bar.reason = (isLate ? BarReason.late : BarReason.closed).rawValue
        closed.append(bar)
        if keys[key].windows[index].isOnTape {
            intake.account.series[series].revisions += 1
        } else {
            intake.account.series[series].bars += 1
        }
        if keys[key].windows[index].sums.isNotionalSaturated {
            intake.account.series[series].notionalSaturated += 1
        }
        keys[key].windows[index].publishedOpen = bar.openTime.nanoseconds
        keys[key].windows[index].publishedClose = bar.closeTime.nanoseconds
    }

    /// Removes what no tick can change any more; returns the time at which there will be more to
    /// remove.
    private mutating func retire(_ key: Int, _ series: Int, through reached: Int64) -> Int64 {
        let gap = gaps[series]
        let lateness = lateness(series)
        let before = keys[key].windows.count + keys[key].loose.count
        // The windows are in order, so those to remove come first.
        var count = 0
        for window in keys[key].windows {
            guard window.end(gap: gap) + lateness <= reached else { break }
            if window.sums.trades == 0 {
                intake.account.series[series].windowsWithoutTrades += 1
            }
            keys[key].retiredEnd = max(keys[key].retiredEnd, window.end(gap: gap))
            count += 1
        }
        if count > 0 { keys[key].windows.removeFirst(count) }
        let gone = keys[key].loose.prefix { $0.time + gap + lateness <= reached }.count
        if gone > 0 { keys[key].loose.removeFirst(gone) }
        held += keys[key].windows.count + keys[key].loose.count - before
        return keys[key].loose.first.map { $0.time + gap + lateness } ?? Int64.max
    }
}
