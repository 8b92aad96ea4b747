internal import MarketModel
internal import Primitives

/// A window of a coarser series in a `ResampleMachine`, [start, end).
struct ResampleWindow: Sendable {
    let start: Int64
    let end: Int64
    /// The sums of the finer bars that cannot change any more. The others are kept as bars.
    var settled = BarSums()
    /// Whether ticks of the window are missing: it begins before the symbol was first seen, a gap
    /// overlaps it, or a subscription began again in it.
    var isPartial = false
    /// The time in the window from which another source or provider fed the symbol; `Int64.max`
    /// when none did.
    var switchedAt = Int64.max
    /// Whether a version of it is on the tape.
    var isOnTape = false
    /// Whether it has to be published when it closes, or again if it is closed.
    var isDue = false
    /// The greatest raw `BarReason` of the changes after its end.
    var reason = BarReason.closed.rawValue
    /// Whether it changed since open bars were last taken. Not part of the state.
    var isChanged = false

    /// Returns whether the finer bar lies in the window.
    func holds(_ bar: Bar) -> Bool {
        start <= bar.openTime.nanoseconds && bar.closeTime.nanoseconds <= end
    }

    /// Returns the sums over all finer bars of the window. `unsettled` are those of the symbol.
    func sums(_ unsettled: [Bar]) -> BarSums {
        var sums = settled
        for bar in unsettled.fine(in: self) { sums.add(bar) }
        return sums
    }

    func bar(_ sums: BarSums, symbol: Int, series: Int) -> Bar? {
        var bar = sums.bar(
            symbol: UInt32(symbol), series: UInt16(series), from: start, to: end)
        if isPartial { bar?.flags.insert(.partial) }
        // The finer bars do not state which provider each of them is from.
        if sums.firstOpen < switchedAt, sums.lastOpen >= switchedAt {
            bar?.flags.insert(.mixedProviders)
        }
        return bar
    }
}

/// The state of one symbol in a `ResampleMachine`.
struct ResampleSymbol: Sendable {
    /// The finer bars that a later version may replace, in order.
    var unsettled: [Bar] = []
    /// Finer bars that end here or before are settled: their values are in the sums of their
    /// windows.
    var settledThrough = Int64.min
    /// By series, in order of their starts.
    var windows: [[ResampleWindow]]
    /// Whether it is in the machine's list of changed symbols. Not part of the state.
    var isListed = false

    init(seriesCount: Int) { windows = Array(repeating: [], count: seriesCount) }

    /// Replaces the earlier version of a bar, or adds the bar. Returns how many more bars there
    /// are: 0 or 1.
    mutating func put(_ bar: Bar) -> Int {
        var index = unsettled.count
        while index > 0, unsettled[index - 1].openTime > bar.openTime { index -= 1 }
        if index > 0, unsettled[index - 1].openTime == bar.openTime {
            unsettled[index - 1] = bar
            return 0
        }
        unsettled.insert(bar, at: index)
        return 1
    }

    /// Adds the first `count` bars to their windows for good.
    mutating func settle(first count: Int) {
        for bar in unsettled[..<count] {
            settledThrough = max(settledThrough, bar.closeTime.nanoseconds)
            for series in windows.indices {
                for index in windows[series].indices where windows[series][index].holds(bar) {
                    windows[series][index].settled.add(bar)
                }
            }
        }
        unsettled.removeFirst(count)
    }

    /// Returns the index of a window, or the index at which to insert it.
    func place(of start: Int64, series: Int) -> (index: Int, isThere: Bool) {
        var index = windows[series].count
        while index > 0, windows[series][index - 1].start > start { index -= 1 }
        if index > 0, windows[series][index - 1].start == start { return (index - 1, true) }
        return (index, false)
    }
}

extension ResampleSymbol {
    func fine(in window: ResampleWindow) -> ArraySlice<Bar> { unsettled.fine(in: window) }

    /// Returns whether a finer bar sets a price of the window. For the symbol of a repair machine,
    /// which settles none.
    func hasPrice(in window: ResampleWindow) -> Bool {
        fine(in: window).contains { $0.trades > 0 }
    }
}

extension [Bar] {
    /// Returns the finer bars of a window. The bars must be in order.
    fileprivate func fine(in window: ResampleWindow) -> ArraySlice<Bar> {
        let first = partitioningIndex { $0.openTime.nanoseconds >= window.start }
        var end = first
        while end < count, window.holds(self[end]) { end += 1 }
        return self[first..<end]
    }
}

extension WindowRule {
    /// Returns the starts of the windows that hold a time, from the latest. Empty for windows that
    /// resampling cannot make.
    func starts(holding time: Int64) -> StrideTo<Int64> {
        let hop: Int64
        let width: Int64
        switch self {
        case .tumbling(let its): (width, hop) = (its, its)
        case .sliding(let its, let each): (width, hop) = (its, each)
        case .session, .inactivity, .ticks, .volume, .dollars: (width, hop) = (0, 1)
        }
        let last = Timestamp(nanoseconds: time).floored(toNanoseconds: hop).nanoseconds
        return stride(from: last, to: time - width, by: Int(truncatingIfNeeded: -hop))
    }
}

extension Bar {
    static let encodedFineBytes = 112

    /// Appends a finer bar. Its symbol and end follow from its place.
    func encodeFine(into bytes: inout [UInt8]) {
        bytes.append(integer: openTime.nanoseconds)
        bytes.append(integer: open.raw)
        bytes.append(integer: high.raw)
        bytes.append(integer: low.raw)
        bytes.append(integer: close.raw)
        bytes.append(integer: trades)
        bytes.append(integer: volume)
        bytes.append(integer: notional)
        bytes.append(integer: excluded.condition)
        bytes.append(integer: excluded.oddLot)
        bytes.append(integer: excluded.filter)
        bytes.append(integer: excluded.undefined)
        bytes.append(flags.rawValue)
        bytes.append(reason)
        bytes.append(integer: UInt16(0))
        bytes.append(integer: UInt32(0))
        bytes.append(integer: UInt64(0))
    }

    /// Reads a finer bar; `nil` when no machine can have made it.
    init?(fine block: RawSpan, symbol: Int, width: Int64) {
        let openTime = Timestamp(nanoseconds: block.int64(at: 0))
        guard openTime.isUsable, openTime.nanoseconds % width == 0,
            BarReason(rawValue: block.uint8(at: 97)) != nil, block.uint16(at: 98) == 0,
            block.uint32(at: 100) == 0, block.uint64(at: 104) == 0
        else { return nil }
        self.init(
            symbol: UInt32(symbol), series: 0, openTime: openTime,
            closeTime: openTime.advanced(byNanoseconds: width))
        open = Price(raw: block.int64(at: 8))
        high = Price(raw: block.int64(at: 16))
        low = Price(raw: block.int64(at: 24))
        close = Price(raw: block.int64(at: 32))
        trades = block.uint64(at: 40)
        volume = block.int128(at: 48)
        notional = block.int128(at: 64)
        excluded = Excluded(
            condition: block.uint32(at: 80), oddLot: block.uint32(at: 84),
            filter: block.uint32(at: 88), undefined: block.uint32(at: 92))
        flags = BarFlags(rawValue: block.uint8(at: 96))
        reason = block.uint8(at: 97)
        guard trades < CheckpointLimits.countMax, volume >= 0, low <= high || trades == 0 else {
            return nil
        }
    }
}
