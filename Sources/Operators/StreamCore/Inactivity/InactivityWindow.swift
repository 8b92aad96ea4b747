internal import MarketModel

/// A run of ticks without a pause as long as the series' gap: [first tick, last tick + gap).
struct InactivityWindow: Sendable {
    /// With the window's bounds; it has ticks.
    var sums = TickSums()
    /// The version that stands on the tape: its key, and where it ended. `Int64.max`: none.
    var standingOpen = Int64.max
    var standingClose = Int64.max
    /// Published as it is, or without anything to publish.
    var isPublished = false
    /// Changed behind the watermark.
    var isLate = false
    /// Changed since open bars were last asked for. Not part of the state.
    var isChanged = true

    var first: Int64 { sums.firstTime }
    func end(gap: Int64) -> Int64 { sums.lastTime + gap }
    var hasStanding: Bool { standingOpen != Int64.max }

    func bar(symbol: UInt32, series: UInt16, gap: Int64) -> Bar? {
        sums.bar(symbol: symbol, series: series, from: first, to: end(gap: gap))
    }
}

/// Ticks that a rule excludes, in no window so far: they neither begin one nor make it longer.
struct ExcludedTicks: Hashable, Sendable {
    var time: Int64
    var excluded: Bar.Excluded
}

/// One symbol's windows of one series that may still change.
struct InactivityKey: Sendable {
    /// In order; between any two there is a pause of at least the gap.
    var windows: [InactivityWindow] = []
    /// In order of their times, and in none of the windows.
    var loose: [ExcludedTicks] = []
    /// What stands on the tape and has to be taken back at the next advance.
    var withdrawals: [StandingBar] = []
    /// Windows that end here or before are gone: ticks before it are late.
    var retiredEnd = Int64.min
    /// In the machine's list of those that changed. Not part of the state.
    var isListed = false

    /// The windows that a tick of this time makes one, at most two; empty at the place where a new
    /// one has to go.
    func neighbours(of time: Int64, gap: Int64) -> Range<Int> {
        var upper = windows.count
        while upper > 0, windows[upper - 1].first - gap >= time { upper -= 1 }
        var lower = upper
        while lower > 0, windows[lower - 1].end(gap: gap) > time { lower -= 1 }
        return lower..<upper
    }

    /// The window that holds a time.
    func index(holding time: Int64, gap: Int64) -> Int? {
        windows.lastIndex { $0.first <= time }.flatMap {
            time < windows[$0].end(gap: gap) ? $0 : nil
        }
    }

    /// Adds a tick to the one window that its neighbours and itself are, and answers its place.
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
        for other in windows[range] where other.hasStanding {
            if other.standingOpen == window.first {
                window.standingOpen = other.standingOpen
                window.standingClose = other.standingClose
            } else {
                withdrawals.append(
                    StandingBar(
                        symbol: symbol, series: series, openTime: other.standingOpen,
                        closeTime: other.standingClose))
            }
        }
        windows.replaceSubrange(range, with: CollectionOfOne(window))
        collect(range.lowerBound, gap: gap)
        return range.lowerBound
    }

    /// Counts what lay loose where the window is now.
    mutating func collect(_ index: Int, gap: Int64) {
        guard !loose.isEmpty else { return }
        let first = windows[index].first
        let end = windows[index].end(gap: gap)
        for one in loose where one.time >= first && one.time < end {
            windows[index].sums.excluded.add(one.excluded)
        }
        loose.removeAll { $0.time >= first && $0.time < end }
    }

    /// False when there is no room for it.
    mutating func addLoose(_ tick: TickInput, max: Int) -> Bool {
        var index = loose.count
        while index > 0, loose[index - 1].time > tick.time { index -= 1 }
        if index > 0, loose[index - 1].time == tick.time {
            loose[index - 1].excluded.count(tick.note)
            return true
        }
        guard loose.count < max else { return false }
        var one = ExcludedTicks(time: tick.time, excluded: Bar.Excluded())
        one.excluded.count(tick.note)
        loose.insert(one, at: index)
        return true
    }
}
