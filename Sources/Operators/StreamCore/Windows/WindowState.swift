public import MarketModel
public import Primitives

/// One window of one symbol and series in a `BarMachine`: the sums so far.
///
/// A *feed* is here a source together with one of its providers (`SymbolTable.Feed`). The *ends* of
/// a window are its open and its close. An `effect` says which parts of a bar a trade may set:
/// volume, range (high and low), last (open and close). Prices are in 1e-9, sizes in 1e-8.
///
/// No field depends on the order in which trades arrived: they are sums, extremes, and the first
/// and last trades by (event time, source, ordinal), as `SourceTable.isBefore` says.
@frozen
@usableFromInline
struct WindowState: Sendable, BitwiseCopyable {
    // The fields that every trade touches come first: 128 bytes, which are two cache lines.

    /// The window is [start, end), in nanoseconds since 1970.
    @usableFromInline var start: Int64
    @usableFromInline var end: Int64
    /// Ticks that set a price.
    @usableFromInline var trades: UInt64 = 0
    /// The event time of the trade that set the open; the greatest value before the first one.
    @usableFromInline var openTime = Int64.max
    @usableFromInline var volume: Int128 = 0
    /// The sum of price × size in 1e-17: a `NotionalSum` together with `notionalCarry`.
    @usableFromInline var notional: Int128 = 0
    @usableFromInline var high = Int64.min
    @usableFromInline var low = Int64.max
    @usableFromInline var close: Int64 = 0
    /// The event time, ordinal and feed of the trade that set the close. In a window without a
    /// price the feed is the one that gave the volume.
    @usableFromInline var closeTime = Int64.min
    @usableFromInline var closeOrdinal: UInt64 = 0
    @usableFromInline var closeFeed = SymbolTable.Feed.none
    @usableFromInline var openFeed = SymbolTable.Feed.none
    @usableFromInline var open: Int64 = 0
    @usableFromInline var openOrdinal: UInt64 = 0
    @usableFromInline var notionalCarry: Int32 = 0
    @usableFromInline var symbol: UInt32
    /// The slot of the next older window of the same key; 0 when there is none.
    @usableFromInline var older: UInt32 = 0
    @usableFromInline var series: UInt16
    @usableFromInline var flags: BarFlags = []
    @usableFromInline var phase: WindowPhase = []
    /// The number of ticks in the window's time that set no price, by reason.
    var excluded = Bar.Excluded()

    init(_ bounds: WindowShape.Bounds, symbol: Int, series: Int) {
        self.init(start: bounds.start, end: bounds.end, symbol: symbol, series: series)
    }

    init(start: Int64, end: Int64, symbol: Int, series: Int) {
        self.start = start
        self.end = end
        self.symbol = UInt32(truncatingIfNeeded: symbol)
        self.series = UInt16(truncatingIfNeeded: series)
    }

    var bounds: WindowShape.Bounds { WindowShape.Bounds(start: start, end: end) }

    /// The window in slot 0 and in free slots, which holds no time. So a trade offered to it goes
    /// to the slow path.
    static let closed = WindowState(start: 0, end: 0, symbol: 0, series: 0)

    @inlinable @inline(__always)
    func holds(_ time: Int64) -> Bool { time >= start && time < end }

    /// The values of one trade that the windows of all series need, worked out once.
    @frozen
    @usableFromInline
    struct Input {
        @usableFromInline let time: Int64
        @usableFromInline let price: Int64
        @usableFromInline let size: Int64
        @usableFromInline let notional: Int128
        @usableFromInline let ordinal: UInt64
        @usableFromInline let feed: SymbolTable.Feed

        @inlinable @inline(__always)
        init(_ trade: Trade, ordinal: UInt64, feed: SymbolTable.Feed) {
            time = trade.header.eventTime.nanoseconds
            price = trade.price.raw
            size = trade.size.raw
            notional = NotionalSum.product(trade.price.raw, trade.size.raw)
            self.ordinal = ordinal
            self.feed = feed
        }
    }

    /// The result of offering a trade to a window.
    @usableFromInline
    enum Outcome {
        case added
        /// The window does not hold its time.
        case elsewhere
        /// Added, but the trade has the same nanosecond as the open or the close, which another
        /// feed set. The caller then calls `settleTie`, which decides by the sources' names.
        case tied
    }

    /// Adds a trade if the window holds its time.
    ///
    /// Nothing here can trap or lose a value. A size is below 2^63, so a volume would need 2^64
    /// trades to overflow, and `notionalCarry` counts the overflows of the notional.
    @inlinable @inline(__always)
    mutating func offer(_ input: Input) -> Outcome {
        guard holds(input.time) else { return .elsewhere }
        if input.feed != closeFeed { meetOtherFeed() }
        trades &+= 1
        volume &+= Int128(input.size)
        NotionalSum.add(input.notional, to: &notional, carry: &notionalCarry)
        high = max(high, input.price)
        low = min(low, input.price)
        let atClose = input.time >= closeTime ? offerClose(input) : .added
        let atOpen = input.time <= openTime ? offerOpen(input) : .added
        return atClose == .tied || atOpen == .tied ? .tied : .added
    }

    /// Adds a tick on the slow path, of which a rule may admit only a part. The window holds its
    /// time. A trade that may set only high and low sets open and close, too, until one comes that
    /// may set them: a bar with trades has all four prices.
    mutating func offer(_ input: Input, effect: TradeEffect) -> Outcome {
        if effect.contains(.volume) {
            volume &+= Int128(input.size)
            NotionalSum.add(input.notional, to: &notional, carry: &notionalCarry)
        }
        guard !effect.isEmpty else { return .added }
        if input.feed != closeFeed { meetOtherFeed() }
        guard effect.setsPrice else {
            if trades == 0 { noteFeed(input.feed) }
            return .added
        }
        trades &+= 1
        if effect.contains(.range) {
            high = max(high, input.price)
            low = min(low, input.price)
        }
        if effect.contains(.last) {
            takeEndsOver()
        } else if trades == 1 {
            phase.insert(.rangeOnly)
        } else if !phase.contains(.rangeOnly) {
            return .added
        }
        let atClose = input.time >= closeTime ? offerClose(input) : .added
        let atOpen = input.time <= openTime ? offerOpen(input) : .added
        return atClose == .tied || atOpen == .tied ? .tied : .added
    }

    /// Resets open and close for the first trade that may set them, if others have set them.
    private mutating func takeEndsOver() {
        guard phase.contains(.rangeOnly) else { return }
        phase.remove(.rangeOnly)
        openTime = Int64.max
        closeTime = Int64.min
    }

    /// Sets the close if the trade is the last one so far.
    @inlinable @inline(__always)
    mutating func offerClose(_ input: Input) -> Outcome {
        if input.time == closeTime {
            guard input.feed == closeFeed else { return .tied }
            guard input.ordinal > closeOrdinal else { return .added }
        }
        setClose(input)
        return .added
    }

    /// Sets the open if the trade is the first one so far.
    @inlinable @inline(__always)
    mutating func offerOpen(_ input: Input) -> Outcome {
        if input.time == openTime {
            guard input.feed == openFeed else { return .tied }
            guard input.ordinal < openOrdinal else { return .added }
        }
        setOpen(input)
        return .added
    }

    /// Takes a tick whose feed is not that of the close: flags mixed providers, unless it is the
    /// first tick. As long as only one feed was met, every tick has the feed of the close.
    @usableFromInline
    mutating func meetOtherFeed() {
        if closeFeed != .none { flags.insert(.mixedProviders) }
    }

    /// Notes the feed that gave the volume of a window without a price, until a trade sets the
    /// close. The lowest of several feeds wins, so the order in which they came has no effect.
    private mutating func noteFeed(_ feed: SymbolTable.Feed) {
        if closeFeed == .none || feed.raw < closeFeed.raw { closeFeed = feed }
    }

    /// Makes the trade the first one.
    @inlinable @inline(__always)
    mutating func setOpen(_ input: Input) {
        open = input.price
        openTime = input.time
        openOrdinal = input.ordinal
        openFeed = input.feed
    }

    /// Makes the trade the last one.
    @inlinable @inline(__always)
    mutating func setClose(_ input: Input) {
        close = input.price
        closeTime = input.time
        closeOrdinal = input.ordinal
        closeFeed = input.feed
    }

    /// Sets open and close if the trade belongs there by the order of the sources' names. It has
    /// the same nanosecond as a trade of another feed. Called after `offer` returned `tied`.
    mutating func settleTie(_ input: Input, sources: SourceTable) {
        if input.time == openTime,
            sources.isBefore((input.feed, input.ordinal), (openFeed, openOrdinal))
        {
            setOpen(input)
        }
        if input.time == closeTime,
            sources.isBefore((closeFeed, closeOrdinal), (input.feed, input.ordinal))
        {
            setClose(input)
        }
    }
}
