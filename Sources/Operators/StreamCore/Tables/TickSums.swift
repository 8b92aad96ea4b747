internal import MarketModel
internal import Primitives

/// The sums over the ticks of one window of a `NumberMachine` or an `InactivityMachine`. The bar
/// that they give does not depend on the order in which the ticks came, and the sums of two parts
/// can be merged into those of the complete window.
///
/// A tick has an *effect* when its rule lets it change a part of the bar, even if only the volume.
struct TickSums: Hashable, Sendable {
    /// Ticks that set a price.
    private(set) var trades: UInt64 = 0
    /// The event times of the first and last tick that had an effect.
    private(set) var firstTime = Int64.max
    private(set) var lastTime = Int64.min
    private(set) var volume: Int128 = 0
    /// A `NotionalSum` together with `notionalCarry`.
    private(set) var notional: Int128 = 0
    private(set) var notionalCarry: Int32 = 0
    private var high = Int64.min
    private var low = Int64.max
    /// The first and last tick that set a price. Once there is a tick that may set open and close,
    /// only such ticks count here.
    private var open = TickInput(time: Int64.max, feed: .none)
    private var close = TickInput(time: Int64.min, feed: .none)
    /// The feed of the tick with an effect that came first.
    private var feed = SymbolTable.Feed.none
    /// Whether a tick came that may set open and close, and not only high and low.
    private var hasLast = false
    /// Only `.partial` and `.mixedProviders`.
    var flags: BarFlags = []
    /// The number of ticks that set no price, by reason.
    var excluded = Bar.Excluded()

    /// Whether nothing came, not even an excluded tick.
    var isEmpty: Bool { firstTime > lastTime && excluded == Bar.Excluded() }
    /// Whether a tick had an effect.
    var hasTicks: Bool { firstTime <= lastTime }
    var isNotionalSaturated: Bool { notionalCarry != 0 }

    /// Adds a tick.
    mutating func add(_ tick: TickInput, _ sources: SourceTable) {
        excluded.count(tick.note)
        guard !tick.effect.isEmpty else { return }
        firstTime = min(firstTime, tick.time)
        lastTime = max(lastTime, tick.time)
        meet(tick.feed)
        if tick.effect.contains(.volume) {
            volume &+= Int128(tick.size)
            NotionalSum.add(
                NotionalSum.product(tick.price, tick.size), to: &notional, carry: &notionalCarry)
        }
        guard tick.setsPrice else { return }
        trades &+= 1
        addEnds(tick, tick, isLast: tick.effect.contains(.last), isFirst: trades == 1, sources)
        guard tick.effect.contains(.range) else { return }
        high = max(high, tick.price)
        low = min(low, tick.price)
    }

    /// Adds the sums of another part of the window.
    mutating func merge(_ other: TickSums, _ sources: SourceTable) {
        excluded.add(other.excluded)
        flags.formUnion(other.flags)
        guard other.hasTicks else { return }
        firstTime = min(firstTime, other.firstTime)
        lastTime = max(lastTime, other.lastTime)
        meet(other.feed)
        volume &+= other.volume
        NotionalSum.add(other.notional, to: &notional, carry: &notionalCarry)
        notionalCarry &+= other.notionalCarry
        guard other.trades > 0 else { return }
        addEnds(other.open, other.close, isLast: other.hasLast, isFirst: trades == 0, sources)
        high = max(high, other.high)
        low = min(low, other.low)
        trades &+= other.trades
    }

    /// Flags mixed providers if the tick's feed is not that of the first tick.
    private mutating func meet(_ other: SymbolTable.Feed) {
        if feed == .none { feed = other }
        if feed != other { flags.insert(.mixedProviders) }
    }

    /// Updates open and close with the first and last tick of a part of the window. `isLast` is
    /// true if these ticks may set open and close, `isFirst` if no other tick has set a price so
    /// far.
    private mutating func addEnds(
        _ first: TickInput, _ last: TickInput, isLast: Bool, isFirst: Bool,
        _ sources: SourceTable
    ) {
        if isFirst || isLast && !hasLast {
            open = first
            close = last
            hasLast = isLast
        } else if isLast == hasLast {
            if first.precedes(open, sources) { open = first }
            if close.precedes(last, sources) { close = last }
        }
    }

    /// Returns the bar of the window [from, to); `nil` when nothing set a price.
    func bar(symbol: UInt32, series: UInt16, from: Int64, to: Int64) -> Bar? {
        guard trades > 0 else { return nil }
        var bar = Bar(symbol: symbol, series: series, from: from, to: to, flags)
        bar.open = Price(raw: open.price)
        // A trade may set the close and not the range. The range is widened, so that no bar closes
        // outside of it.
        bar.high = Price(raw: max(high, open.price, close.price))
        bar.low = Price(raw: min(low, open.price, close.price))
        bar.close = Price(raw: close.price)
        bar.trades = trades
        bar.excluded = excluded
        bar.setTraded(volume: volume, notional: notional, carry: notionalCarry)
        return bar
    }
}

extension TickSums {
    static let encodedBytes = 104 + 2 * TickInput.encodedBytes

    func encode(into bytes: inout [UInt8]) {
        bytes.append(integer: trades)
        bytes.append(integer: firstTime)
        bytes.append(integer: lastTime)
        bytes.append(integer: volume)
        bytes.append(integer: notional)
        bytes.append(integer: notionalCarry)
        bytes.append(integer: feed.raw)
        bytes.append(integer: high)
        bytes.append(integer: low)
        excluded.encode(into: &bytes)
        bytes.append(flags.rawValue)
        bytes.append(hasLast ? 1 : 0)
        bytes.append(contentsOf: [0, 0, 0, 0, 0, 0])
        open.encode(into: &bytes)
        close.encode(into: &bytes)
    }

    /// Reads encoded sums; `nil` when no ticks can have added up to them.
    init?(_ block: RawSpan, _ tables: PartitionTables) {
        trades = block.uint64(at: 0)
        firstTime = block.int64(at: 8)
        lastTime = block.int64(at: 16)
        volume = block.int128(at: 24)
        notional = block.int128(at: 40)
        notionalCarry = Int32(truncatingIfNeeded: block.uint32(at: 56))
        feed = SymbolTable.Feed(raw: block.uint32(at: 60))
        high = block.int64(at: 64)
        low = block.int64(at: 72)
        excluded = Bar.Excluded(block, at: 80)
        flags = BarFlags(rawValue: block.uint8(at: 96))
        hasLast = block.uint8(at: 97) == 1
        guard flags.isSubset(of: [.partial, .mixedProviders]), block.uint8(at: 97) < 2,
            block.uint16(at: 98) == 0, block.uint32(at: 100) == 0,
            trades < CheckpointLimits.countMax, volume >= 0
        else { return nil }
        let ends = 104 + TickInput.encodedBytes
        guard trades > 0 else {
            // Without a price the ends must be empty ones, so that one state has only one encoding.
            guard Self.isNothing(block.extracting(104..<ends), time: Int64.max),
                Self.isNothing(
                    block.extracting(ends..<ends + TickInput.encodedBytes), time: Int64.min),
                !hasLast, high == Int64.min, low == Int64.max,
                hasPossibleTimes(tables)
            else { return nil }
            return
        }
        guard let open = TickInput(block.extracting(104..<ends), tables),
            let close = TickInput(
                block.extracting(ends..<ends + TickInput.encodedBytes), tables),
            hasPossibleTimes(tables), hasTicks, open.time >= firstTime, close.time <= lastTime,
            open.time <= close.time, low <= high || low == Int64.max && high == Int64.min
        else { return nil }
        self.open = open
        self.close = close
    }

    /// Returns whether the bytes are those of an unused `open` or `close`.
    private static func isNothing(_ block: RawSpan, time: Int64) -> Bool {
        var bytes: [UInt8] = []
        TickInput(time: time, feed: .none).encode(into: &bytes)
        return block.array == bytes
    }

    /// Returns whether the times are usable and the feed is known; without an effect, whether
    /// everything has its initial value.
    private func hasPossibleTimes(_ tables: PartitionTables) -> Bool {
        guard hasTicks else {
            return firstTime == Int64.max && lastTime == Int64.min && feed == .none
                && volume == 0 && notional == 0 && notionalCarry == 0
        }
        return Timestamp(nanoseconds: firstTime).isUsable
            && Timestamp(nanoseconds: lastTime).isUsable && tables.isKnown(feed)
    }
}

extension Bar.Excluded {
    /// Counts one tick, and stops at the end of the range, because no number of ticks may trap.
    mutating func count(_ note: TickInput.Note) {
        switch note {
        case .none, .restart: break
        case .condition: condition = condition.addingHeld(1)
        case .oddLot: oddLot = oddLot.addingHeld(1)
        case .filter: filter = filter.addingHeld(1)
        case .undefined: undefined = undefined.addingHeld(1)
        }
    }

    func encode(into bytes: inout [UInt8]) {
        for count in [condition, oddLot, filter, undefined] { bytes.append(integer: count) }
    }

    /// Reads the counts that `encode` wrote.
    init(_ block: RawSpan, at offset: Int) {
        self.init(
            condition: block.uint32(at: offset), oddLot: block.uint32(at: offset + 4),
            filter: block.uint32(at: offset + 8), undefined: block.uint32(at: offset + 12))
    }

    mutating func add(_ other: Bar.Excluded) {
        condition = condition.addingHeld(other.condition)
        oddLot = oddLot.addingHeld(other.oddLot)
        filter = filter.addingHeld(other.filter)
        undefined = undefined.addingHeld(other.undefined)
    }
}

extension UInt32 {
    /// Returns the sum, limited to the range.
    fileprivate func addingHeld(_ other: UInt32) -> UInt32 {
        let (sum, overflow) = addingReportingOverflow(other)
        return overflow ? .max : sum
    }
}

extension Bar {
    /// Makes a bar of the window [from, to), without prices.
    init(symbol: UInt32, series: UInt16, from: Int64, to: Int64, _ flags: BarFlags) {
        self.init(
            symbol: symbol, series: series, openTime: Timestamp(nanoseconds: from),
            closeTime: Timestamp(nanoseconds: to))
        self.flags = flags
    }
}
