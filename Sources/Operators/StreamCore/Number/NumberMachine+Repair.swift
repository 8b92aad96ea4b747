public import MarketModel
internal import Primitives

extension NumberMachine {
    /// Returns the time of all sessions that overlap the range: each tick of a session decides all
    /// later bars of that session.
    public func extent(of range: DirtyRange) -> (from: Int64, to: Int64) {
        let from = StreamLimits.usable(range.from)
        let to = StreamLimits.usable(range.to)
        guard from < to else { return (from, from) }
        guard let calendar else {
            guard let first = bounds(at: from), let last = bounds(at: to - 1) else {
                return (from, from)
            }
            return (first.open, last.close)
        }
        let last = calendar.index(notAfter: to - 1)
        var first = calendar.index(notAfter: from) ?? 0
        if first < calendar.sessions.count, calendar.sessions[first].close <= from { first += 1 }
        guard let last, first <= last else { return (from, from) }
        return (calendar.sessions[first].open, calendar.sessions[last].close)
    }

    /// Returns a machine with the same rule and indexes that only keeps the ticks of these ranges.
    public func repairMachine(for ranges: [DirtyRange]) -> NumberMachine {
        var machine = NumberMachine(
            intake: intake.forRepair, calendar: calendar, sources: due.count,
            symbols: queues.count, waitingMax: StreamLimits.repairTicksMax)
        machine.repairExtents = RepairRanges(extents: ranges.map { $0.widened(to: extent(of: $0)) })
        return machine
    }

    /// Keeps a tick, in a repair machine.
    mutating func keepForRepair(_ tick: TickInput, symbol: Int) {
        guard repairExtents.holds(UInt32(symbol), tick.time) else { return }
        guard waiting < waitingMax else {
            repairRefused.insert(UInt32(symbol))
            return
        }
        queues[symbol].append(tick)
        waiting += 1
    }

    /// Makes the bars of the dirty sessions again from the ticks that the repair machine kept.
    /// `its` are the tables of the repair machine. `published` holds the last versions of all bars
    /// on the tape for the earlier sessions of each dirty symbol; the bars of the present session
    /// are remembered here. A bar that the ticks do not make any more is withdrawn. An unchanged
    /// bar that overlaps no dirty range is not published again.
    public mutating func absorb(
        _ repaired: NumberMachine, by its: PartitionTables, _ ranges: [DirtyRange],
        published: [PublishedBar] = [], _ tables: PartitionTables, into closed: inout [Bar]
    ) {
        let start = closed.count
        var repaired = repaired
        let ranges = RepairRanges(ranges)
        let published = published.bySymbol
        for symbol in ranges.symbols where Int(symbol) < sessions.count {
            guard !repaired.repairRefused.contains(symbol) else {
                for series in 0..<seriesCount {
                    intake.account.series[series].repairsRefused += 1
                }
                continue
            }
            repaired.queues[Int(symbol)].sort(its.sources)
            let ticks = repaired.queues[Int(symbol)].ticks
            let onTape = published[symbol] ?? []
            for session in dirtySessions(symbol, ticks, onTape, ranges) {
                let inside = ticks.lazy.filter {
                    $0.time >= session.open && $0.time < session.close
                }
                rebuild(
                    SessionRepair(symbol: Int(symbol), bounds: session, ranges: ranges),
                    Array(inside), onTape, by: its, tables, into: &closed)
            }
        }
        closed.sortOutput(from: start)
    }

    /// Returns the sessions that overlap a dirty range and that have, or had, ticks or bars.
    private func dirtySessions(
        _ symbol: UInt32, _ ticks: [TickInput], _ published: [PublishedBar], _ ranges: RepairRanges
    ) -> [(open: Int64, close: Int64)] {
        let present = sessions[Int(symbol)]
        var times = published.map(\.openTime) + [present.open]
        times += queues[Int(symbol)].ticks.map(\.time)
        var known = Int64.min
        for tick in ticks where tick.time >= known {
            times.append(tick.time)
            known = bounds(at: tick.time)?.close ?? known
        }
        var found: [(open: Int64, close: Int64)] = []
        for time in times.sorted() where Timestamp(nanoseconds: time).isUsable {
            guard let bounds = bounds(at: time), bounds.open != found.last?.open,
                ranges.reason(symbol, from: bounds.open, to: bounds.close) != nil
            else { continue }
            found.append(bounds)
        }
        return found
    }

    /// One session to make again.
    private struct SessionRepair {
        let symbol: Int
        let bounds: (open: Int64, close: Int64)
        let ranges: RepairRanges

        /// The greatest reason of the dirty ranges in the session.
        var reason: UInt8 {
            ranges.reason(UInt32(symbol), from: bounds.open, to: bounds.close) ?? 0
        }
    }

    /// Makes the bars of one session again. Installs the new state if it is the present session.
    private mutating func rebuild(
        _ repair: SessionRepair, _ ticks: [TickInput], _ published: [PublishedBar],
        by its: PartitionTables, _ tables: PartitionTables, into closed: inout [Bar]
    ) {
        let symbol = repair.symbol
        let bounds = repair.bounds
        let through = tables.closedThrough(symbol)
        var session = NumberSession(
            bounds, seriesCount: seriesCount, seenFrom: tables.seenFrom(symbol, rule.needs))
        var bars: [Bar] = []
        let done = ticks.prefix { $0.time < through }
        // A checkpoint with more waiting ticks than this could not be restored.
        guard bounds.close <= through || waiting + ticks.count - done.count <= waitingMax else {
            for series in 0..<seriesCount { intake.account.series[series].repairsRefused += 1 }
            return
        }
        for tick in done {
            session.take(tick, symbol: symbol, rule.series.all, its.sources, into: &bars)
        }
        if bounds.close <= through { session.finish(symbol: symbol, into: &bars) }
        markMissing(&bars, &session, of: symbol, through: through, its.missing)
        let isPresent = sessions[symbol].open == bounds.open
        publish(bars, repair, published: published, isPresent: isPresent, into: &closed)
        if isPresent || bounds.close > through && !done.isEmpty {
            install(session, bars, symbol: symbol)
        }
        guard bounds.close > through else { return }
        waiting -= queues[symbol].count
        queues[symbol].replace(
            from: bounds.open, to: bounds.close, with: ticks[done.endIndex...])
        waiting += queues[symbol].count
        due[tables.symbols.feeds[symbol].source] = Int64.min
    }

    /// Flags bars partial when ticks are missing in their time, the bar in progress included.
    private func markMissing(
        _ bars: inout [Bar], _ session: inout NumberSession, of symbol: Int, through: Int64,
        _ missing: MissingStretches
    ) {
        var ends = Array(repeating: session.open, count: seriesCount)
        for index in bars.indices {
            let series = Int(bars[index].series)
            if isMissing(bars[index], since: ends[series], missing) {
                bars[index].flags.insert(.partial)
            }
            ends[series] = bars[index].closeTime.nanoseconds
        }
        // A gap after this time is noticed when the bar over it ends.
        let end = min(through, session.close)
        for series in 0..<seriesCount
        where missing.touches(UInt32(symbol), rule.needs, from: ends[series], to: end) {
            session.windows[series].sums.flags.insert(.partial)
        }
    }

    /// Publishes the bars that are dirty or changed, and withdraws the earlier bars that are not
    /// made any more.
    private mutating func publish(
        _ bars: [Bar], _ repair: SessionRepair, published: [PublishedBar], isPresent: Bool,
        into closed: inout [Bar]
    ) {
        let symbol = repair.symbol
        for series in 0..<seriesCount {
            let window = sessions[symbol].windows[series]
            let before =
                isPresent
                ? window.published
                : published.filter {
                    Int($0.series) == series && $0.openTime >= repair.bounds.open
                        && $0.openTime < repair.bounds.close
                }
            let found = bars.filter { Int($0.series) == series }
            if isPresent, window.hasForgotten { unwithdrawn += 1 }
            var known: [Key: UInt64] = [:]
            for one in before {
                known[Key(openTime: one.openTime, number: one.number)] = one.content
            }
            for var bar in found {
                let content = known.removeValue(
                    forKey: Key(openTime: bar.openTime.nanoseconds, number: bar.number))
                let isDirty =
                    repair.ranges.reason(
                        UInt32(symbol), from: bar.openTime.nanoseconds,
                        to: bar.closeTime.nanoseconds) != nil
                guard isDirty || content != bar.contentHash else { continue }
                bar.reason = repair.reason
                closed.append(bar)
                intake.account.series[series].repairs += 1
            }
            for one in before
            where known[Key(openTime: one.openTime, number: one.number)] != nil {
                closed.append(one.withdrawal(reason: repair.reason))
                intake.account.series[series].repairs += 1
            }
        }
    }

    /// What tells the bars of one symbol and series apart.
    private struct Key: Hashable {
        let openTime: Int64
        let number: Int64
    }

    /// Replaces the symbol's present session by the one that the repair made, and remembers its
    /// bars.
    private mutating func install(_ session: NumberSession, _ bars: [Bar], symbol: Int) {
        remembered -= publishedCount(symbol)
        let touches = sessions[symbol].windows.map(\.isTouched)
        sessions[symbol] = session
        for series in 0..<seriesCount {
            sessions[symbol].windows[series].isTouched = touches[series]
        }
        for bar in bars { remember(bar) }
        touch(symbol)
    }
}
