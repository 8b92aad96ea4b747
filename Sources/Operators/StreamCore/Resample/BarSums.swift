internal import MarketModel
internal import Primitives

/// The sums over the finer bars of a `ResampleWindow`, taken in order of time. Prices are in 1e-9.
struct BarSums: Hashable, Sendable {
    private(set) var trades: UInt64 = 0
    private var open: Int64 = 0
    private var high = Int64.min
    private var low = Int64.max
    private var close: Int64 = 0
    private(set) var volume: Int128 = 0
    /// A `NotionalSum` together with `notionalCarry`.
    private(set) var notional: Int128 = 0
    private(set) var notionalCarry: Int32 = 0
    private(set) var excluded = Bar.Excluded()
    private(set) var flags: BarFlags = []
    /// The open times of the first and the last bar with trades.
    private(set) var firstOpen = Int64.max
    private(set) var lastOpen = Int64.min

    /// Adds a bar. It begins after all earlier ones.
    mutating func add(_ bar: Bar) {
        excluded.add(bar.excluded)
        flags.formUnion(bar.flags.intersection([.partial, .mixedProviders]))
        volume &+= bar.volume
        NotionalSum.add(bar.notional, to: &notional, carry: &notionalCarry)
        // The notional of a finer bar that left 128 bits is the end of their range. Then the sum
        // here leaves 128 bits, too.
        if bar.notional == Int128.max { notionalCarry &+= 1 }
        if bar.notional == Int128.min { notionalCarry &-= 1 }
        // A filled bar has prices, but no trades.
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

    /// Returns the bar; `nil` when there were no trades.
    func bar(symbol: UInt32, series: UInt16, from: Int64, to: Int64) -> Bar? {
        guard trades > 0 else { return nil }
        var bar = Bar(symbol: symbol, series: series, from: from, to: to, flags)
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
        excluded.encode(into: &bytes)
        bytes.append(flags.rawValue)
        bytes.append(0)
        bytes.append(integer: UInt16(0))
        bytes.append(integer: firstOpen)
        bytes.append(integer: lastOpen)
        bytes.append(integer: UInt64(0))
    }

    /// Reads encoded sums; `nil` when no bars can have added up to them.
    init?(_ block: RawSpan) {
        trades = block.uint64(at: 0)
        open = block.int64(at: 8)
        high = block.int64(at: 16)
        low = block.int64(at: 24)
        close = block.int64(at: 32)
        volume = block.int128(at: 40)
        notional = block.int128(at: 56)
        notionalCarry = Int32(truncatingIfNeeded: block.uint32(at: 72))
        excluded = Bar.Excluded(block, at: 76)
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
