internal import MarketModel
internal import Primitives
internal import StreamCore

/// The machines at the ends of a graph. All know the same sources and symbols by the same indexes,
/// because all are told of them in the same order.
struct BarLeaves: Sendable {
    let plans: [LeafPlan]
    var time: [BarMachine] = []
    var number: [NumberMachine] = []
    var inactivity: [InactivityMachine] = []

    /// No machines yet.
    private init(empty plans: [LeafPlan]) { self.plans = plans }

    init(_ plans: [LeafPlan]) {
        self.init(empty: plans)
        for plan in plans {
            switch plan.maker {
            case .time: time.append(BarMachine(rule: plan.rule, calendar: plan.calendar))
            case .number: number.append(NumberMachine(rule: plan.rule, calendar: plan.calendar))
            case .inactivity:
                inactivity.append(InactivityMachine(rule: plan.rule, calendar: plan.calendar))
            }
        }
    }

    // MARK: checkpoint

    func encode(_ leaf: Int, into bytes: inout [UInt8]) {
        let slot = plans[leaf].slot
        switch plans[leaf].maker {
        case .time: time[slot].encode(into: &bytes)
        case .number: number[slot].encode(into: &bytes)
        case .inactivity: inactivity[slot].encode(into: &bytes)
        }
    }

    /// By leaf, where its state stands in `bytes`.
    init(
        _ plans: [LeafPlan], restoring bytes: RawSpan, _ pieces: ArraySlice<Range<Int>>
    ) throws(CheckpointError) {
        self.init(empty: plans)
        for (plan, piece) in zip(plans, pieces) {
            let state = bytes.extracting(piece)
            let (rule, calendar) = (plan.rule, plan.calendar)
            switch plan.maker {
            case .time:
                time.append(try BarMachine(rule: rule, calendar: calendar, restoring: state))
            case .number:
                number.append(try NumberMachine(rule: rule, calendar: calendar, restoring: state))
            case .inactivity:
                inactivity.append(
                    try InactivityMachine(rule: rule, calendar: calendar, restoring: state))
            }
        }
        guard areAlike else { throw .malformed(.symbol, offset: 0) }
    }

    /// Pieces of one checkpoint that were made by different graphs would not be.
    private var areAlike: Bool {
        plans.indices.allSatisfy { leaf in
            let (sources, symbols) = (sources(of: leaf), symbols(of: leaf))
            return sources.entries.map(\.name) == self.sources.entries.map(\.name)
                && symbols.isLike(self.symbols)
        }
    }

    // MARK: tables

    /// Those of the first machine stand for all.
    var sources: SourceTable { sources(of: 0) }
    var symbols: SymbolTable { symbols(of: 0) }

    private func sources(of leaf: Int) -> SourceTable {
        let slot = plans[leaf].slot
        return switch plans[leaf].maker {
        case .time: time[slot].sources
        case .number: number[slot].sources
        case .inactivity: inactivity[slot].sources
        }
    }

    func symbols(of leaf: Int) -> SymbolTable {
        let slot = plans[leaf].slot
        return switch plans[leaf].maker {
        case .time: time[slot].symbols
        case .number: number[slot].symbols
        case .inactivity: inactivity[slot].symbols
        }
    }

    func counters(of leaf: Int) -> BarCounters {
        let slot = plans[leaf].slot
        return switch plans[leaf].maker {
        case .time: time[slot].counters
        case .number: number[slot].counters
        case .inactivity: inactivity[slot].counters
        }
    }

    var openWindows: Int {
        time.reduce(0) { $0 + $1.openWindows } + number.reduce(0) { $0 + $1.openWindows }
            + inactivity.reduce(0) { $0 + $1.openWindows }
    }

    mutating func tapeStarts(at moment: Timestamp) {
        for slot in time.indices { time[slot].tapeStarts(at: moment) }
        for slot in number.indices { number[slot].tapeStarts(at: moment) }
        for slot in inactivity.indices { inactivity[slot].tapeStarts(at: moment) }
    }

    mutating func source(_ name: SourceName, firstSeen: Timestamp) -> Int? {
        var index: Int?
        for slot in time.indices { index = time[slot].source(name, firstSeen: firstSeen) }
        for slot in number.indices { index = number[slot].source(name, firstSeen: firstSeen) }
        for slot in inactivity.indices {
            index = inactivity[slot].source(name, firstSeen: firstSeen)
        }
        return index
    }

    mutating func symbol(_ subscription: Subscription, source: Int) -> UInt32? {
        var index: UInt32?
        for slot in time.indices { index = time[slot].symbol(subscription, source: source) }
        for slot in number.indices { index = number[slot].symbol(subscription, source: source) }
        for slot in inactivity.indices {
            index = inactivity[slot].symbol(subscription, source: source)
        }
        return index
    }

    // MARK: ticks

    @inline(__always)
    mutating func trade(_ leaf: LeafInput, _ trade: Trade, source: Int, ordinal: UInt64) {
        guard leaf.weight == .asItIs else {
            return weighOne(leaf.leaf, trade, source: source, ordinal: ordinal)
        }
        put(leaf.leaf, trade, source: source, ordinal: ordinal)
    }

    @inline(__always)
    private mutating func put(_ leaf: Int, _ trade: Trade, source: Int, ordinal: UInt64) {
        let slot = plans[leaf].slot
        switch plans[leaf].maker {
        case .time: time[slot].trade(trade, source: source, ordinal: ordinal)
        case .number: number[slot].trade(trade, source: source, ordinal: ordinal)
        case .inactivity: inactivity[slot].trade(trade, source: source, ordinal: ordinal)
        }
    }

    @inline(__always)
    mutating func quote(_ leaf: LeafInput, _ quote: Quote, source: Int, ordinal: UInt64) {
        guard leaf.weight == .asItIs else {
            let value = Trade(
                header: quote.header, price: plans[leaf.leaf].field.value(of: quote), size: .one)
            return put(leaf.leaf, value, source: source, ordinal: ordinal)
        }
        let slot = plans[leaf.leaf].slot
        switch plans[leaf.leaf].maker {
        case .time: time[slot].quote(quote, source: source, ordinal: ordinal)
        case .number: number[slot].quote(quote, source: source, ordinal: ordinal)
        case .inactivity: inactivity[slot].quote(quote, source: source, ordinal: ordinal)
        }
    }

    /// Odd lots are told by the size, which the machine does not see.
    private mutating func weighOne(_ leaf: Int, _ trade: Trade, source: Int, ordinal: UInt64) {
        if trade.size.isDefined, trade.size.raw >= 0 {
            switch plans[leaf].oddLots {
            case .exclude(let below) where trade.size < below,
                .volumeOnly(let below) where trade.size < below:
                return exclude(leaf, trade.header, source: source)
            default: break
            }
        }
        var weighed = trade
        // A trade without a size stays one: the machine counts it as undefined.
        if trade.size.isDefined, trade.size.raw >= 0 { weighed.size = .one }
        put(leaf, weighed, source: source, ordinal: ordinal)
    }

    mutating func exclude(_ leaf: Int, _ header: TickHeader, source: Int) {
        let slot = plans[leaf].slot
        switch plans[leaf].maker {
        case .time: time[slot].exclude(header, source: source)
        case .number: number[slot].exclude(header, source: source)
        case .inactivity: inactivity[slot].exclude(header, source: source)
        }
    }

    // MARK: output

    mutating func advance(
        _ leaf: Int, source: Int, watermark: Timestamp, into closed: inout [Bar]
    ) {
        let slot = plans[leaf].slot
        switch plans[leaf].maker {
        case .time: time[slot].advance(source: source, watermark: watermark, into: &closed)
        case .number: number[slot].advance(source: source, watermark: watermark, into: &closed)
        case .inactivity:
            inactivity[slot].advance(source: source, watermark: watermark, into: &closed)
        }
    }

    mutating func takeLateTicks(_ leaf: Int, into late: inout [LateTick]) {
        let slot = plans[leaf].slot
        switch plans[leaf].maker {
        case .time: time[slot].takeLateTicks(into: &late)
        case .number: number[slot].takeLateTicks(into: &late)
        case .inactivity: inactivity[slot].takeLateTicks(into: &late)
        }
    }

    mutating func takeOpenBars(_ leaf: Int, into open: inout [Bar]) {
        let slot = plans[leaf].slot
        switch plans[leaf].maker {
        case .time: time[slot].takeOpenBars(into: &open)
        case .number: number[slot].takeOpenBars(into: &open)
        case .inactivity: inactivity[slot].takeOpenBars(into: &open)
        }
    }
}

extension Quantity {
    fileprivate static var one: Quantity { Quantity(raw: 100_000_000) }
}

extension InputField {
    /// Undefined when a side that it needs is, or when it is no price.
    fileprivate func value(of quote: Quote) -> Price {
        let (bid, ask) = (quote.bidPrice, quote.askPrice)
        switch self {
        case .trade: return .undefined
        case .bid: return bid
        case .ask: return ask
        case .middle:
            guard bid.isDefined, ask.isDefined else { return .undefined }
            // Half of the sum, rounded down, without the sum.
            return Price(raw: (bid.raw & ask.raw) + ((bid.raw ^ ask.raw) >> 1))
        case .spread:
            guard bid.isDefined, ask.isDefined else { return .undefined }
            let (spread, overflow) = ask.raw.subtractingReportingOverflow(bid.raw)
            return overflow ? .undefined : Price(raw: spread)
        }
    }
}
