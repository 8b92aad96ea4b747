package import MarketModel
package import Primitives

/// The result of one message of a market data request.
package enum MarketDataEvent: Hashable, Sendable {
    /// The message contained nothing new.
    case none
    case quote(Quote)
    case trade(Trade)
    case option(OptionComputation)
    case indicator(IndicatorValue)
}

/// Combines the single values of one market data request: prices and sizes come in separate
/// messages, and some of them twice.
///
/// The provider conflates everything here, and the records are marked so. Prices and sizes have no
/// time. `RTVolume` has one, and delayed trades come with theirs.
///
/// After each message, `nextTrade` returns the trades that had to wait for more information.
package struct MarketDataAssembler: Sendable {
    /// The messages from which trades are made. Other messages report the same trades and would
    /// count them twice.
    package enum TradeSource: Hashable, Sendable {
        /// The last price and size.
        case last
        /// `RTVolume` (generic tick 233): all prints. Prints that `RT trade volume` (375) leaves
        /// out are marked as unreported. Delayed data may come without it: until it comes, trades
        /// are made from the last price and size.
        case realTimeVolume
    }

    /// The order of a delayed trade and its time. The provider sends the time when it has changed.
    /// The trade to which a time came nearer is the one that it belongs to. The state at the
    /// request may come in another order than all that follows, so it shows nothing.
    private struct TimeOrder {
        /// A time that came between two trades.
        private struct Between {
            let arrival: Timestamp
            /// The time since the trade before, in nanoseconds.
            let sinceTrade: Int64
            /// The trade before was held, and has this time.
            let isGiven: Bool
        }

        /// The time comes before its trade; false: after its trade, which is held until then;
        /// `nil`: it is not known yet, and the trade is held.
        private(set) var isBefore: Bool?
        private var lastTrade = Timestamp.undefined
        private var between: Between?

        /// Notes a time, which was given to a held trade or not.
        mutating func timeCame(at arrival: Timestamp, isGiven: Bool) {
            guard lastTrade.isDefined else { return }
            between = Between(
                arrival: arrival, sinceTrade: arrival.nanoseconds(since: lastTrade),
                isGiven: isGiven)
        }

        /// Notes a trade. It shows to which trade the last time belongs.
        mutating func tradeCame(at arrival: Timestamp) {
            defer { (lastTrade, between) = (arrival, nil) }
            guard let between else { return }
            let untilTrade = arrival.nanoseconds(since: between.arrival)
            if untilTrade != between.sinceTrade {
                isBefore = untilTrade < between.sinceTrade
            } else if isBefore == nil {
                isBefore = !between.isGiven
            }
        }
    }

    package struct Counters: Hashable, Sendable {
        /// The number of sizes that were repeated after their price.
        package fileprivate(set) var repeatedSizes: UInt64 = 0
        /// The number of trades in messages that are not the source of trades.
        package fileprivate(set) var otherTrades: UInt64 = 0
        /// The number of trades without a price or a size.
        package fileprivate(set) var incomplete: UInt64 = 0
        /// The number of values of types that the tape does not have.
        package fileprivate(set) var ignored: UInt64 = 0
    }

    /// A price with its size and exchange, and whether the message that repeats the size is still
    /// to come.
    private struct Side {
        var price = Price.undefined
        var size = Quantity.undefined
        var exchange = ShortText.empty
        /// A price has come.
        var isKnown = false
        var expectsRepeat = false

        enum Change {
            /// The size that came with the price, repeated.
            case repeated
            /// The same size once more, without a price.
            case same
            case changed
        }

        /// Takes a size that comes alone.
        mutating func take(_ newSize: Quantity) -> Change {
            let isSame = size == newSize
            defer {
                size = newSize
                expectsRepeat = false
            }
            return isSame ? (expectsRepeat ? .repeated : .same) : .changed
        }
    }

    /// The number of the symbol in records.
    package let symbol: UInt32
    package let trades: TradeSource
    /// True for an index: it is computed, may be 0 or -1, and has no sizes.
    package let isIndex: Bool
    /// When the request was made, by the provider's clock. A first print that is older is the state
    /// at that time, not an event.
    package let since: Timestamp
    /// Whether the data are live or delayed, as the provider reports it.
    package private(set) var mode = FeedMode.unknown
    /// The provider's time of the last trade, in whole seconds; undefined: none came.
    package private(set) var lastTradeTime = Timestamp.undefined
    package private(set) var counters = Counters()

    private var bid = Side()
    private var ask = Side()
    private var last = Side()
    /// The held trades.
    private var prints = PrintQueue()
    private var timeOrder = TimeOrder()
    /// A message of `RTVolume` has come.
    private var hasPrint = false
    /// `RTVolume` comes, although the data are delayed.
    private var hasVolume = false
    /// The delayed trade that was last made from last price and size; `nil`: none, or `RTVolume`
    /// comes.
    private var lastMadeFromPrice: Trade?
    /// The past values of an index: -1 means "no value" for an index that is always above 0.
    private var wasAbove0 = false
    private var wasBelow0 = false

    package init(
        symbol: UInt32, trades: TradeSource, since: Timestamp, isIndex: Bool = false
    ) {
        self.symbol = symbol
        self.trades = trades
        self.since = since
        self.isIndex = isIndex
    }

    /// Handles one message of this request; it ignores others.
    package mutating func take(_ message: IBMessage, at time: Timestamp) -> MarketDataEvent {
        switch message {
        case .tick(.price(let tick)): return price(tick, time)
        case .tick(.size(let tick)): return size(tick, time)
        case .tick(.realTimeVolume(let tick)): return realTimeVolume(tick, time)
        case .tick(.generic(let tick)): return generic(tick, time)
        case .tick(.option(let tick)): return .option(option(tick, time))
        case .tick(.exchange(let tick)): return exchange(tick, time)
        case .tick(.time(let tick)): took(tick, time)
        case .feed(.mode(_, let mode)): took(mode)
        default: break
        }
        return .none
    }

    // MARK: held trades

    /// Returns the next trade that waits for nothing more.
    @inline(__always)
    package mutating func nextTrade(at time: Timestamp) -> Trade? {
        prints.isEmpty ? nil : prints.next(at: time)
    }

    /// Returns the next held trade, whatever it waits for: the subscription ends.
    package mutating func nextHeldTrade() -> Trade? { prints.nextAtEnd() }

    /// A trade is held until more is known about it.
    @inline(__always)
    package var holdsTrades: Bool { !prints.isEmpty }

    /// The event time of the earliest held trade; undefined: none is held.
    package var earliestHeldTrade: Timestamp { prints.earliest }

    private var isDelayed: Bool { mode == .delayed || mode == .delayedFrozen }

    /// Takes the time of the last trade, and gives it to a trade that waits for it.
    private mutating func took(_ tick: TickTime, _ time: Timestamp) {
        lastTradeTime = tick.time
        timeOrder.timeCame(at: time, isGiven: prints.received(time: tick.time))
    }

    private mutating func took(_ mode: FeedMode) {
        guard mode != self.mode else { return }
        let (wasKnown, wasDelayed) = (self.mode != .unknown, isDelayed)
        self.mode = mode
        if wasKnown, wasDelayed != isDelayed {
            // What was known is of another time.
            (bid, ask, last) = (Side(), Side(), Side())
        }
        (timeOrder, lastTradeTime, hasVolume, lastMadeFromPrice) = (
            TimeOrder(), .undefined, false, nil
        )
    }
}

// Quotes and trades.
extension MarketDataAssembler {
    private mutating func price(_ tick: TickPrice, _ time: Timestamp) -> MarketDataEvent {
        switch tick.type {
        case TickType.bid, TickType.delayedBid:
            guard let isFirst = Self.set(tick, &bid) else { return .none }
            return quote(tick.type, isFirst, time)
        case TickType.ask, TickType.delayedAsk:
            guard let isFirst = Self.set(tick, &ask) else { return .none }
            return quote(tick.type, isFirst, time)
        case TickType.last, TickType.delayedLast:
            let isFirst = !last.isKnown
            last = Side(
                price: isNone(tick) ? .undefined : tick.price, size: tick.size,
                exchange: last.exchange, isKnown: true, expectsRepeat: tick.size.isDefined)
            return trade(tick.type, isFirst, time)
        default:
            guard tick.price.isDefined, !isNone(tick) else { return .none }
            return indicator(tick.type, Int128(tick.price.raw), time)
        }
    }

    /// Returns whether the price means "no value". Without a size, -1 means no value, and so does 0
    /// as the last price. An index can have both values (one of advances minus declines): there
    /// they are values unless the index is always above 0.
    private mutating func isNone(_ tick: TickPrice) -> Bool {
        guard !tick.size.isDefined || tick.size.raw == 0 else { return false }
        let isMinus1 = tick.price.raw == -1_000_000_000
        let is0 = tick.price.raw == 0
        if tick.price.isDefined, !isMinus1, !is0 {
            if tick.price.raw < 0 { wasBelow0 = true } else { wasAbove0 = true }
        }
        guard isIndex else { return isMinus1 || is0 && TickType.isLast(tick.type) }
        if isMinus1 { return wasAbove0 && !wasBelow0 }
        return is0 && TickType.isLast(tick.type) && !wasBelow0
    }

    /// Sets a side. Returns `nil` when nothing changed; otherwise whether the side was unknown
    /// before.
    private static func set(_ tick: TickPrice, _ side: inout Side) -> Bool? {
        let isFirst = !side.isKnown
        let isSame = side.price == tick.price && side.size == tick.size
        side = Side(
            price: tick.price, size: tick.size, exchange: side.exchange, isKnown: true,
            expectsRepeat: tick.size.isDefined)
        return isSame && !isFirst ? nil : isFirst
    }

    private mutating func size(_ tick: TickSize, _ time: Timestamp) -> MarketDataEvent {
        switch tick.type {
        case TickType.bidSize, TickType.delayedBidSize:
            guard isQuoteChanged(bid.take(tick.size)) else { return .none }
            return bid.price.isDefined ? quote(tick.type, false, time) : .none
        case TickType.askSize, TickType.delayedAskSize:
            guard isQuoteChanged(ask.take(tick.size)) else { return .none }
            return ask.price.isDefined ? quote(tick.type, false, time) : .none
        case TickType.lastSize, TickType.delayedLastSize:
            let change = last.take(tick.size)
            if change == .repeated {
                counters.repeatedSizes &+= 1
                return .none
            }
            // The same size once more is another trade. A size without a price belongs to a price
            // that has not arrived yet.
            return last.isKnown ? trade(tick.type, false, time) : .none
        default:
            guard tick.size.isDefined else { return .none }
            return indicator(tick.type, Int128(tick.size.raw) * 10, time)
        }
    }

    /// Returns whether a size changes the quote, and counts a repeated one.
    private mutating func isQuoteChanged(_ change: Side.Change) -> Bool {
        if change == .repeated { counters.repeatedSizes &+= 1 }
        return change == .changed
    }

    /// Returns the quote of both sides. `isFirst`: it shows the state at the beginning.
    private func quote(_ type: Int32, _ isFirst: Bool, _ time: Timestamp) -> MarketDataEvent {
        .quote(
            Quote(
                header: header(type, isFirst ? .snapshot : [], time), bidPrice: bid.price,
                bidSize: bid.price.isDefined ? bid.size : .undefined, askPrice: ask.price,
                askSize: ask.price.isDefined ? ask.size : .undefined,
                bidExchange: bid.exchange, askExchange: ask.exchange))
    }

    /// Returns the trade of last price and size, if trades are made from these.
    private mutating func trade(
        _ type: Int32, _ isFirst: Bool, _ time: Timestamp
    ) -> MarketDataEvent {
        // The first one is the last trade before the request, whichever message reports it.
        let isDelayed = isDelayed || TickType.isDelayed(type)
        guard trades == .last || isFirst || isDelayed && !hasVolume else {
            counters.otherTrades &+= 1
            return .none
        }
        guard last.price.isDefined else {
            counters.incomplete &+= 1
            return .none
        }
        let trade = Trade(
            header: header(type, isFirst ? .snapshot : [], time), price: last.price,
            size: last.size, exchange: last.exchange)
        return isDelayed ? delayed(trade) : .trade(trade)
    }

    /// Handles a delayed trade. The provider sends the trade's second before it, or after it.
    private mutating func delayed(_ trade: Trade) -> MarketDataEvent {
        lastMadeFromPrice = trade
        timeOrder.tradeCame(at: trade.header.receiveTime)
        // The state at the request has the time that came just before it.
        let isState = trade.header.flags.contains(.snapshot) && lastTradeTime.isDefined
        guard timeOrder.isBefore == true || isState, !holdsTrades else {
            prints.awaitTime(trade, known: lastTradeTime)
            return .none
        }
        var trade = trade
        trade.stamp(lastTradeTime)
        return .trade(trade)
    }

    /// Handles a print (48), or a report about one (77).
    private mutating func realTimeVolume(
        _ tick: RealTimeVolume, _ time: Timestamp
    ) -> MarketDataEvent {
        guard trades == .realTimeVolume else {
            counters.otherTrades &+= 1
            return .none
        }
        if tick.type == TickType.realTimeTradeVolume {
            counters.otherTrades &+= 1
            prints.received(tick)
            return .none
        }
        defer { hasPrint = true }
        guard tick.price.isDefined, tick.size.isDefined else {
            counters.incomplete &+= 1
            hasVolume = true
            return .none
        }
        var header = header(tick.type, isState(tick) ? .snapshot : [], time)
        header.providerTime = tick.time
        header.resolution =
            (tick.time.isDefined ? TimeResolution.millisecond : .unknown).rawValue
        // The trade has no exchange: the last reported letter belongs to another trade.
        let trade = Trade(header: header, price: tick.price, size: tick.size)
        if repeatsTrade(trade) {
            counters.otherTrades &+= 1
            return .none
        }
        return prints.letsPass(trade) ? .trade(trade) : .none
    }

    /// Returns whether the trade is the last one before the request. That is sent once, before all
    /// others, and is older than the request. Later trades may seem to be older too, where the
    /// clock of the market is slow. All delayed trades are older.
    private func isState(_ tick: RealTimeVolume) -> Bool {
        guard isDelayed else { return !hasPrint && tick.time < since }
        return !hasVolume && lastMadeFromPrice?.header.flags.contains(.snapshot) ?? true
    }

    /// Until `RTVolume` comes, delayed trades are made from last price and size. Returns whether
    /// the first `RTVolume` repeats such a trade.
    private mutating func repeatsTrade(_ trade: Trade) -> Bool {
        defer { (hasVolume, lastMadeFromPrice) = (true, nil) }
        guard !hasVolume, let known = lastMadeFromPrice, known.price == trade.price,
            known.size == trade.size,
            !known.header.flags.contains(.snapshot)
        else { return false }
        return !prints.withdraw(like: known)
    }

    private mutating func exchange(_ tick: TickExchange, _ time: Timestamp) -> MarketDataEvent {
        switch tick.type {
        case TickType.lastExchange:
            last.exchange = tick.exchange
            return .none
        case TickType.bidExchange:
            guard bid.exchange != tick.exchange else { return .none }
            bid.exchange = tick.exchange
        default:
            guard ask.exchange != tick.exchange else { return .none }
            ask.exchange = tick.exchange
        }
        guard bid.isKnown || ask.isKnown else { return .none }
        return quote(tick.type, false, time)
    }
}

// Everything else.
extension MarketDataAssembler {
    private mutating func generic(_ tick: TickGeneric, _ time: Timestamp) -> MarketDataEvent {
        let isHalt = tick.type == TickType.halted || tick.type == TickType.delayedHalted
        // A halt of -1: the provider does not know.
        guard tick.value.isDefined, !isHalt || tick.value.raw >= 0 else { return .none }
        return indicator(tick.type, Int128(tick.value.raw), time)
    }

    /// `value` is in 1e-9.
    private mutating func indicator(
        _ type: Int32, _ value: Int128, _ time: Timestamp
    ) -> MarketDataEvent {
        guard let name = TickType.name(type) else {
            counters.ignored &+= 1
            return .none
        }
        return .indicator(
            IndicatorValue(
                header: header(type, [], time), name: name, value: value,
                periodStart: .undefined, periodEnd: .undefined))
    }

    private func option(_ tick: TickOption, _ time: Timestamp) -> OptionComputation {
        var computation = OptionComputation(
            header: header(tick.type, [], time), kind: TickType.optionKind(tick.type),
            basis: tick.basis)
        computation.impliedVolatility = tick.impliedVolatility
        computation.delta = tick.delta
        computation.gamma = tick.gamma
        computation.vega = tick.vega
        computation.theta = tick.theta
        computation.optionPrice = tick.optionPrice
        computation.dividends = tick.dividends
        computation.underlyingPrice = tick.underlyingPrice
        return computation
    }

    private func header(_ type: Int32, _ flags: TickFlags, _ time: Timestamp) -> TickHeader {
        var flags = flags.union(.conflated)
        if isDelayed || TickType.isDelayed(type) { flags.insert(.delayed) }
        return TickHeader(
            symbol: symbol, flags: flags, providerTime: .undefined, receiveTime: time)
    }
}
