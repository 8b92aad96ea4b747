internal import MarketModel
internal import Primitives

/// What finer bars, taken in order of time, add up to.
struct BarSums: Hashable, Sendable {
    private(set) var trades: UInt64 = 0
    private var open: Int64 = 0
    private var high = Int64.min
    private var low = Int64.max
    private var close: Int64 = 0
    private(set) var volume: Int128 = 0
    /// With `notionalCarry` a `NotionalSum`.
    private(set) var notional: Int128 = 0
    private(set) var notionalCarry: Int32 = 0
    private(set) var excluded = Bar.Excluded()
    private(set) var flags: BarFlags = []
    /// Where the first and the last bar with trades begin.
    private(set) var firstOpen = Int64.max
    private(set) var lastOpen = Int64.min

    /// `bar` begins behind all before.
    mutating func add(_ bar: Bar) {
        excluded.add(bar.excluded)
        flags.formUnion(bar.flags.intersection([.partial, .mixedProviders]))
        volume &+= bar.volume
        NotionalSum.add(bar.notional, to: &notional, carry: &notionalCarry)
        // What left 128 bits in the finer bar did so here, too.
        if bar.notional == Int128.max { notionalCarry &+= 1 }
        if bar.notional == Int128.min { notionalCarry &-= 1 }
        // A filled bar has prices, but nothing happened in it.
        guard bar.trades > 0 else { return }
        if trades == 0 {
            open = bar.open.raw
            firstOpen = bar.openTime.nanoseconds
        }
        close = bar.close.raw
        lastOpen = bar.openTime.nanoseconds
        high = max(high, bar.high.raw)
        low = min(low, bar.low.raw)
        trades &+= bar.trades
    }

    /// Nil when there were no trades.
    func bar(symbol: UInt32, series: UInt16, from: Int64, to: Int64) -> Bar? {
        guard trades > 0 else { return nil }
        var bar = Bar(
            symbol: symbol, series: series, openTime: Timestamp(nanoseconds: from),
            closeTime: Timestamp(nanoseconds: to))
        bar.flags = flags
        bar.open = Price(raw: open)
        bar.high = Price(raw: high)
        bar.low = Price(raw: low)
        bar.close = Price(raw: close)
        bar.trades = trades
        bar.excluded = excluded
        bar.setTraded(volume: volume, notional: notional, carry: notionalCarry)
        return bar
    }
}

extension BarSums {
    static let encodedBytes = 120

    func encode(into bytes: inout [UInt8]) {
        bytes.append(integer: trades)
        bytes.append(integer: open)
        bytes.append(integer: high)
        bytes.append(integer: low)
        bytes.append(integer: close)
        bytes.append(integer: volume)
        bytes.append(integer: notional)
        bytes.append(integer: notionalCarry)
        bytes.append(integer: excluded.condition)
        bytes.append(integer: excluded.oddLot)
        bytes.append(integer: excluded.filter)
        bytes.append(integer: excluded.undefined)
        bytes.append(flags.rawValue)
        bytes.append(0)
        bytes.append(integer: UInt16(0))
        bytes.append(integer: firstOpen)
        bytes.append(integer: lastOpen)
        bytes.append(integer: UInt64(0))
    }

    /// Nil: bars cannot have added up to that.
    init?(_ block: RawSpan) {
        trades = block.uint64(at: 0)
        open = block.int64(at: 8)
        high = block.int64(at: 16)
        low = block.int64(at: 24)
        close = block.int64(at: 32)
        volume = block.int128(at: 40)
        notional = block.int128(at: 56)
        notionalCarry = Int32(truncatingIfNeeded: block.uint32(at: 72))
        excluded = Bar.Excluded(
            condition: block.uint32(at: 76), oddLot: block.uint32(at: 80),
            filter: block.uint32(at: 84), undefined: block.uint32(at: 88))
        flags = BarFlags(rawValue: block.uint8(at: 92))
        firstOpen = block.int64(at: 96)
        lastOpen = block.int64(at: 104)
        guard flags.isSubset(of: [.partial, .mixedProviders]), block.uint8(at: 93) == 0,
            block.uint16(at: 94) == 0, block.uint64(at: 112) == 0,
            trades < CheckpointLimits.countMax, volume >= 0
        else { return nil }
        let isPossible =
            trades == 0
            ? high == Int64.min && low == Int64.max && firstOpen == Int64.max
                && lastOpen == Int64.min
            : low <= high && firstOpen <= lastOpen
        guard isPossible else { return nil }
    }
}
