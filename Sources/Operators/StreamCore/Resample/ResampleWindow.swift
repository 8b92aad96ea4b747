internal import MarketModel
internal import Primitives

/// A window of a coarser series.
struct ResampleWindow: Sendable {
    let start: Int64
    let end: Int64
    /// Of the finer bars that cannot change any more. The others are kept as they are.
    var settled = BarSums()
    /// It begins before anybody saw the symbol, or a subscription began anew in it.
    var isPartial = false
    /// When the symbol's provider changed in it; `Int64.max`: it did not.
    var switchedAt = Int64.max
    /// A version of it stands on the tape.
    var hasStanding = false
    /// It has to be published when it is closed, or again if it is.
    var isDue = false
    /// The highest reason of what changed behind its end.
    var reason = BarReason.closed.rawValue
    /// Changed since open bars were last asked for. Not part of the state.
    var isChanged = false

    init(start: Int64, end: Int64) {
        self.start = start
        self.end = end
    }

    func holds(_ bar: Bar) -> Bool {
        start <= bar.openTime.nanoseconds && bar.closeTime.nanoseconds <= end
    }

    /// With the finer bars that may still change; without `.final`.
    func sums(_ unsettled: [Bar]) -> BarSums {
        var sums = settled
        for bar in unsettled.fine(in: self) { sums.add(bar) }
        return sums
    }

    func bar(_ sums: BarSums, symbol: Int, series: Int) -> Bar? {
        var bar = sums.bar(
            symbol: UInt32(symbol), series: UInt16(series), from: start, to: end)
        if isPartial { bar?.flags.insert(.partial) }
        // The finer bars do not say which provider each of them is from.
        if sums.firstOpen < switchedAt, sums.lastOpen >= switchedAt {
            bar?.flags.insert(.mixedProviders)
        }
        return bar
    }
}

/// What is kept of one symbol.
struct ResampleSymbol: Sendable {
    /// Finer bars that may be exchanged for a later version, in order.
    var unsettled: [Bar] = []
    /// Finer bars that end here or before are in the sums of their windows for good.
    var settledThrough = Int64.min
    /// By series, in order of their starts.
    var windows: [[ResampleWindow]]
    /// In the machine's list of those that changed. Not part of the state.
    var isListed = false

    init(seriesCount: Int) { windows = Array(repeating: [], count: seriesCount) }

    /// Exchanges the version before, or adds one; answers how many more there are.
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

    /// Adds the first ones to their windows for good.
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

    /// The place of a window; where it would have to be if it is not there.
    func place(of start: Int64, series: Int) -> (index: Int, isThere: Bool) {
        var index = windows[series].count
        while index > 0, windows[series][index - 1].start > start { index -= 1 }
        if index > 0, windows[series][index - 1].start == start { return (index - 1, true) }
        return (index, false)
    }
}

extension ResampleSymbol {
    func fine(in window: ResampleWindow) -> ArraySlice<Bar> { unsettled.fine(in: window) }
}

extension [Bar] {
    /// Of finer bars in order those of a window.
    fileprivate func fine(in window: ResampleWindow) -> ArraySlice<Bar> {
        let first = partitioningIndex { $0.openTime.nanoseconds >= window.start }
        var end = first
        while end < count, window.holds(self[end]) { end += 1 }
        return self[first..<end]
    }
}

extension WindowRule {
    /// The starts of the windows that hold a time, from the latest.
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

    /// A finer bar: its symbol and end follow from where it stands.
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

    /// Nil: no machine makes such a bar.
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
