internal import MarketModel

/// A window of an `InactivityMachine`: a run of ticks without a pause as long as the series' gap.
/// It is [first tick, last tick + gap).
struct InactivityWindow: Sendable {
    /// The sums, which also give the window's bounds. There is at least one tick.
    var sums = TickSums()
    /// The open time of the version on the tape; `Int64.max` when there is none.
    var publishedOpen = Int64.max
    /// The close time of that version.
    var publishedClose = Int64.max
    /// Whether its present state is published, or was due and has no price to publish.
    var isPublished = false
    /// Whether it changed after the watermark had passed its end.
    var isLate = false
    /// Whether it changed since open bars were last taken. Not part of the state.
    var isChanged = true

    /// The time of the first tick.
    var first: Int64 { sums.firstTime }
    func end(gap: Int64) -> Int64 { sums.lastTime + gap }
    /// Whether the tape has a version of its bar.
    var isOnTape: Bool { publishedOpen != Int64.max }

    /// Returns the bar in its present state; `nil` when nothing has set a price.
    func bar(symbol: UInt32, series: UInt16, gap: Int64) -> Bar? {
        sums.bar(symbol: symbol, series: series, from: first, to: end(gap: gap))
    }
}

/// Excluded ticks of one moment that are in no window so far. They neither open a window nor
/// lengthen one. A window that later holds their time takes their counts.
struct LooseExclusion: Hashable, Sendable {
    var time: Int64
    var excluded: Bar.Excluded
}

/// One symbol's windows of one series that may still change.
struct InactivityKey: Sendable {
    /// The windows in order. Between two of them there is a pause of at least the gap.
    var windows: [InactivityWindow] = []
    /// Exclusions that are in none of the windows, in order of their times.
    var loose: [LooseExclusion] = []
    /// Published bars to withdraw at the next advance.
    var withdrawals: [PublishedBar] = []
    /// The greatest end of a removed window; `Int64.min` before the first. Ticks before it are
    /// late.
    var retiredEnd = Int64.min
    /// Whether it is in the machine's list of changed keys. Not part of the state.
    var isListed = false

    /// Returns the windows that a tick of this time joins, at most two. If there is none, the empty
    /// range is the place for a new window.
    func neighbours(of time: Int64, gap: Int64) -> Range<Int> {
        var upper = windows.count
        while upper > 0, windows[upper - 1].first - gap >= time { upper -= 1 }
        var lower = upper
        while lower > 0, windows[lower - 1].end(gap: gap) > time { lower -= 1 }
        return lower..<upper
    }

    /// Returns the index of the window that holds a time; `nil` when none does.
    func index(holding time: Int64, gap: Int64) -> Int? {
        windows.lastIndex { $0.first <= time }.flatMap {
            time < windows[$0].end(gap: gap) ? $0 : nil
        }
    }

    /// Adds a tick and joins the windows in `range` with it. Returns the index of the window. The
    /// bar of a joined window is withdrawn if it is on the tape with another open time.
    mutating func add(
        _ tick: TickInput, joining range: Range<Int>, gap: Int64, symbol: UInt32, series: UInt16,
        _ sources: SourceTable
    ) -> Int {
        var window = InactivityWindow()
        window.sums.add(tick, sources)
        for other in windows[range] {
            window.sums.merge(other.sums, sources)
            window.isLate = window.isLate || other.isPublished || other.isLate
        }
        for other in windows[range] where other.isOnTape {
            if other.publishedOpen == window.first {
                window.publishedOpen = other.publishedOpen
                window.publishedClose = other.publishedClose
            } else {
                withdrawals.append(
                    PublishedBar(
                        symbol: symbol, series: series, openTime: other.publishedOpen,
                        closeTime: other.publishedClose))
            }
        }
        windows.replaceSubrange(range, with: CollectionOfOne(window))
        collect(range.lowerBound, gap: gap)
        return range.lowerBound
    }

    /// Adds the loose exclusions that now lie inside the window to its counts.
    mutating func collect(_ index: Int, gap: Int64) {
        guard !loose.isEmpty else { return }
        let first = windows[index].first
        let end = windows[index].end(gap: gap)
        for one in loose where one.time >= first && one.time < end {
            windows[index].sums.excluded.add(one.excluded)
        }
        loose.removeAll { $0.time >= first && $0.time < end }
    }

    /// Adds a loose exclusion; returns false when there is no room.
    mutating func addLoose(_ tick: TickInput, max: Int) -> Bool {
        var index = loose.count
        while index > 0, loose[index - 1].time > tick.time { index -= 1 }
        if index > 0, loose[index - 1].time == tick.time {
            loose[index - 1].excluded.count(tick.note)
            return true
        }
        guard loose.count < max else { return false }
        var one = LooseExclusion(time: tick.time, excluded: Bar.Excluded())
        one.excluded.count(tick.note)
        loose.insert(one, at: index)
        return true
    }
}
