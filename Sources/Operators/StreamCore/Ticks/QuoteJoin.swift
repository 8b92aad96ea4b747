public import MarketModel
internal import Primitives

/// The fields that a trade gets from a quote.
public struct PairedQuote: Hashable, Sendable, BitwiseCopyable {
    var bid: Price
    var ask: Price
    var bidSize: Quantity
    var askSize: Quantity
    var bidExchange: ShortText
    var askExchange: ShortText
    /// False for the fields of a trade without a quote, which are all undefined.
    var isThere: Bool

    init(_ quote: Quote) {
        (bid, ask) = (quote.bidPrice, quote.askPrice)
        (bidSize, askSize) = (quote.bidSize, quote.askSize)
        (bidExchange, askExchange) = (quote.bidExchange, quote.askExchange)
        isThere = true
    }

    private init() {
        (bid, ask) = (.undefined, .undefined)
        (bidSize, askSize) = (.undefined, .undefined)
        (bidExchange, askExchange) = (.empty, .empty)
        isThere = false
    }

    /// What a trade without a quote gets.
    public static let none = PairedQuote()
}

/// The trades that reached a join.
public struct JoinCounters: Hashable, Sendable {
    /// Trades that were paired with a quote.
    public var paired: UInt64 = 0
    /// Those of them whose quote stands for several that the gateway joined (`conflated`).
    public var conflated: UInt64 = 0
    /// Trades without a quote.
    public var alone: UInt64 = 0

    public init() {}

    public mutating func add(_ other: JoinCounters) {
        paired &+= other.paired
        conflated &+= other.conflated
        alone &+= other.alone
    }
}

/// A join of trades with quotes: the stage `join` of a graph, for one partition. It keeps the last
/// quote of every symbol. A trade is paired with the quote of its symbol that came last before it,
/// unless that one is older than the rule allows, or of another source: a member of a group knows
/// nothing of the quotes of the others.
///
/// Trades and quotes are taken in the order of the tape. Every owner, which is a source or a group,
/// has a clock as in a throttle: the latest time of its trades and quotes here. The age of a quote
/// is the time that this clock has moved since the quote came. So the result depends only on the
/// quotes of the last `maxAge`, and a repair that reads the tape from there on pairs alike. A tick
/// that was fetched later moves no clock, so it decides nothing of other symbols.
///
/// A value that one thread owns. It allocates when a symbol or an owner has a higher number than
/// all before.
public struct QuoteJoin: Sendable {
    static let envelope = StateEnvelope("TLJN", version: 1)
    private static let clockBytes = 8
    private static let slotBytes = 68

    /// The last quote of a symbol.
    struct Slot: Hashable, Sendable, BitwiseCopyable {
        var quote = PairedQuote.none
        /// The clock of its owner when it came.
        var heldAt = Int64.min
        /// The source that sent it.
        var source: UInt32 = 0
        var isConflated = false
    }

    public let rule: JoinRule
    /// Counted since this value was made or restored: not part of the state.
    public private(set) var counters = JoinCounters()
    /// By owner.
    private var clocks: [TapeClock] = []
    /// By symbol.
    private var slots: [Slot] = []
    /// The places of the present trades that are paired.
    private var paired = TickPlaces()

    public init(_ rule: JoinRule) { self.rule = rule }

    /// Keeps a quote in place of the last one of its symbol. `header.symbol` is the symbol's index
    /// in the tables, and `source` that of the source. `owner` is the number of the source or group
    /// that owns the symbol.
    @inline(__always)
    public mutating func keep(_ quote: Quote, from source: Int, of owner: Int) {
        let index = Int(quote.header.symbol)
        guard index < StreamLimits.symbolsMax else { return }
        let now = time(of: quote.header, owner)
        while slots.count <= index { slots.append(Slot()) }
        slots[index] = Slot(
            quote: PairedQuote(quote), heldAt: now,
            source: UInt32(truncatingIfNeeded: source),
            isConflated: quote.header.flags.contains(.conflated))
    }

    /// Forgets the quote of a symbol that a source feeds from now on, unless it is of this source:
    /// a repair may give a quote that was fetched later before the source begins.
    public mutating func forget(_ symbol: UInt32, fedBy source: Int) {
        guard symbol < slots.count, Int(slots[Int(symbol)].source) != source else { return }
        slots[Int(symbol)] = Slot()
    }

    /// Begins with the next trades, which come one after the other without a quote between them.
    public mutating func begin() { paired = TickPlaces() }

    /// Pairs a trade, whose place is its number among the present ones.
    @inline(__always)
    public mutating func pair(
        _ header: TickHeader, at place: Int, from source: Int, of owner: Int
    ) {
        let index = Int(header.symbol)
        guard index < StreamLimits.symbolsMax else { return }
        let now = time(of: header, owner)
        guard index < slots.count, slots[index].heldAt != Int64.min,
            slots[index].source == UInt32(truncatingIfNeeded: source),
            TapeClock(at: now).elapsed(since: slots[index].heldAt) <= rule.maxAge
        else {
            counters.alone &+= 1
            return
        }
        paired.insert(place)
        counters.paired &+= 1
        if slots[index].isConflated { counters.conflated &+= 1 }
    }

    /// Returns what a present trade got, by its symbol and its place.
    @inline(__always)
    public func quote(of symbol: UInt32, at place: Int) -> PairedQuote {
        paired.contains(place) ? slots[Int(symbol)].quote : .none
    }

    /// Returns the time of a tick by its owner's clock, which it moves unless it was fetched later.
    @inline(__always)
    private mutating func time(of header: TickHeader, _ owner: Int) -> Int64 {
        while clocks.count <= owner { clocks.append(TapeClock()) }
        guard header.flags.contains(.backfilled) else {
            clocks[owner].advance(to: header.receiveTime)
            return clocks[owner].now
        }
        var clock = clocks[owner]
        clock.advance(to: header.stageTime)
        return clock.now
    }

    // MARK: checkpoint

    public func encode(into bytes: inout [UInt8]) {
        let start = Self.envelope.begin(&bytes)
        bytes.append(integer: UInt32(clocks.count))
        for clock in clocks { bytes.append(integer: clock.now) }
        let kept = slots.indices.filter { slots[$0].heldAt != Int64.min }
        bytes.append(integer: UInt32(kept.count))
        for index in kept {
            let (slot, quote) = (slots[index], slots[index].quote)
            bytes.append(integer: UInt32(index))
            bytes.append(integer: UInt32(slot.isConflated ? 1 : 0))
            bytes.append(integer: slot.heldAt)
            for price in [quote.bid, quote.ask] { bytes.append(integer: price.raw) }
            for size in [quote.bidSize, quote.askSize] { bytes.append(integer: size.raw) }
            for text in [quote.bidExchange, quote.askExchange] { bytes.append(integer: text.raw) }
            bytes.append(integer: slot.source)
        }
        Self.envelope.seal(&bytes, from: start)
    }

    public init(_ rule: JoinRule, restoring bytes: RawSpan) throws(CheckpointError) {
        self.init(rule)
        var reader = try Self.envelope.open(bytes)
        let owners = try reader.count(
            of: .tick, max: StreamLimits.sourcesKnownMax, bytesEach: Self.clockBytes, in: bytes)
        for _ in 0..<owners { clocks.append(TapeClock(at: try reader.int64(in: bytes))) }
        let latest = clocks.map(\.now).max() ?? Int64.min
        var slots: [Slot] = []
        try reader.items(
            of: .tick, max: StreamLimits.symbolsMax, bytesEach: Self.slotBytes, in: bytes
        ) { item in
            let (index, flags) = (Int(item.uint32(at: 0)), item.uint32(at: 4))
            let slot = Slot(item, isConflated: flags == 1)
            guard index >= slots.count, index < StreamLimits.symbolsMax, flags <= 1,
                slot.heldAt != Int64.min, slot.heldAt <= latest
            else { return false }
            while slots.count < index { slots.append(Slot()) }
            slots.append(slot)
            return true
        }
        self.slots = slots
        try reader.finish()
    }
}

extension QuoteJoin.Slot {
    /// Reads a slot behind its symbol and flags, as `encode` wrote it.
    fileprivate init(_ item: RawSpan, isConflated: Bool) {
        self.isConflated = isConflated
        heldAt = item.int64(at: 8)
        quote.bid = Price(raw: item.int64(at: 16))
        quote.ask = Price(raw: item.int64(at: 24))
        quote.bidSize = Quantity(raw: item.int64(at: 32))
        quote.askSize = Quantity(raw: item.int64(at: 40))
        quote.bidExchange = ShortText(raw: item.uint64(at: 48))
        quote.askExchange = ShortText(raw: item.uint64(at: 56))
        quote.isThere = true
        source = item.uint32(at: 64)
    }
}
