public import MarketModel
public import Primitives

/// What one message of a market data request amounts to.
public enum MarketDataEvent: Hashable, Sendable {
    /// Nothing that was not known already.
    case none
    case quote(Quote)
    case trade(Trade)
    case option(OptionComputation)
    case indicator(IndicatorValue)
}

/// Puts the single values of one market data request together: prices and sizes come one by one,
/// and some of them twice.
///
/// Everything here is conflated by the provider, and marked so. Prices and sizes have no time;
/// only `RTVolume` has one.
public struct MarketDataAssembler: Sendable {
    /// Which of the messages that tell of trades make trades; the others would count them twice.
    public enum TradeSource: Hashable, Sendable {
        /// Last price and size.
        case last
        /// `RTVolume` (generic tick 233): all prints.
        case realTimeVolume
        /// `RT trade volume` (375): without the unreportable ones.
        case realTimeTradeVolume
    }

    public struct Counters: Hashable, Sendable {
        /// Sizes that came a second time behind their price.
        public fileprivate(set) var repeatedSizes: UInt64 = 0
        /// Tells of trades by messages that are not the source of trades.
        public fileprivate(set) var otherTrades: UInt64 = 0
        /// Trades without a price or a size.
        public fileprivate(set) var incomplete: UInt64 = 0
        /// Types that have no place on the tape.
        public fileprivate(set) var ignored: UInt64 = 0
    }

    /// A price and its size, and whether the message that repeats the size is still to come.
    private struct Side {
        var price = Price.undefined
        var size = Quantity.undefined
        var isKnown = false
        var expectsRepeat = false

        enum Change {
            /// The size of the price before, told again.
            case repeated
            case same
            case changed
        }

        mutating func take(_ newSize: Quantity) -> Change {
            let isSame = size == newSize
            defer {
                size = newSize
                expectsRepeat = false
            }
            return isSame ? (expectsRepeat ? .repeated : .same) : .changed
        }
    }

    public let symbol: UInt32
    public let trades: TradeSource
    /// When the request was made. What is older is the state then, not an event.
    public let since: Timestamp
    public private(set) var mode = FeedMode.unknown
    /// The last halt that was told: 0 none, 1 general, 2 by volatility.
    public private(set) var halt: Int64?
    /// When the last trade was, by the provider, in whole seconds.
    public private(set) var lastTradeTime = Timestamp.undefined
    public private(set) var counters = Counters()

    private var bid = Side()
    private var ask = Side()
    private var last = Side()
    private var bidExchange = ShortText.empty
    private var askExchange = ShortText.empty
    private var lastExchange = ShortText.empty

    public init(symbol: UInt32, trades: TradeSource, since: Timestamp) {
        self.symbol = symbol
        self.trades = trades
        self.since = since
    }

    /// Takes one message of this request; others are nothing to it.
    public mutating func take(_ message: IBMessage, at time: Timestamp) -> MarketDataEvent {
        switch message {
        case .tickPrice(let tick): return price(tick, time)
        case .tickSize(let tick): return size(tick, time)
        case .realTimeVolume(let tick): return realTimeVolume(tick, time)
        case .tickGeneric(let tick): return generic(tick, time)
        case .tickOption(let tick): return .option(option(tick, time))
        case .tickExchange(let tick): return exchange(tick, time)
        case .tickTime(let tick): lastTradeTime = tick.time
        case .marketDataType(_, let mode): self.mode = mode
        default: break
        }
        return .none
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
                price: tick.price, size: tick.size, isKnown: true,
                expectsRepeat: tick.size.isDefined)
            return trade(tick.type, isFirst, time)
        default:
            guard tick.price.isDefined else { return .none }
            return indicator(tick.type, Int128(tick.price.raw), time)
        }
    }

    /// nil when nothing changed; else whether the side was not known before.
    private static func set(_ tick: TickPrice, _ side: inout Side) -> Bool? {
        let isFirst = !side.isKnown
        let isSame = side.price == tick.price && side.size == tick.size
        side = Side(
            price: tick.price, size: tick.size, isKnown: true, expectsRepeat: tick.size.isDefined)
        return isSame && !isFirst ? nil : isFirst
    }

    private mutating func size(_ tick: TickSize, _ time: Timestamp) -> MarketDataEvent {
        switch tick.type {
        case TickType.bidSize, TickType.delayedBidSize:
            guard note(bid.take(tick.size)) else { return .none }
            return bid.price.isDefined ? quote(tick.type, false, time) : .none
        case TickType.askSize, TickType.delayedAskSize:
            guard note(ask.take(tick.size)) else { return .none }
            return ask.price.isDefined ? quote(tick.type, false, time) : .none
        case TickType.lastSize, TickType.delayedLastSize:
            let change = last.take(tick.size)
            if change == .repeated {
                counters.repeatedSizes &+= 1
                return .none
            }
            // The same size once more is another trade. A size without a price belongs to none: a
            // price is on its way.
            return last.isKnown ? trade(tick.type, false, time) : .none
        default:
            guard tick.size.isDefined else { return .none }
            return indicator(tick.type, Int128(tick.size.raw) * 10, time)
        }
    }

    /// Whether a quote changed by it.
    private mutating func note(_ change: Side.Change) -> Bool {
        if change == .repeated { counters.repeatedSizes &+= 1 }
        return change == .changed
    }

    private func quote(_ type: Int32, _ isFirst: Bool, _ time: Timestamp) -> MarketDataEvent {
        .quote(
            Quote(
                header: header(type, isFirst ? .snapshot : [], time), bidPrice: bid.price,
                bidSize: bid.price.isDefined ? bid.size : .undefined, askPrice: ask.price,
                askSize: ask.price.isDefined ? ask.size : .undefined,
                bidExchange: bidExchange, askExchange: askExchange))
    }

    private mutating func trade(
        _ type: Int32, _ isFirst: Bool, _ time: Timestamp
    ) -> MarketDataEvent {
        // The first one is the last trade before the request, whoever else tells of trades.
        guard trades == .last || isFirst else {
            counters.otherTrades &+= 1
            return .none
        }
        guard last.price.isDefined else {
            counters.incomplete &+= 1
            return .none
        }
        return .trade(
            Trade(
                header: header(type, isFirst ? .snapshot : [], time), price: last.price,
                size: last.size, exchange: lastExchange))
    }

    private mutating func realTimeVolume(
        _ tick: RealTimeVolume, _ time: Timestamp
    ) -> MarketDataEvent {
        let isSource =
            tick.type == TickType.realTimeVolume && trades == .realTimeVolume
            || tick.type == TickType.realTimeTradeVolume && trades == .realTimeTradeVolume
        guard isSource else {
            counters.otherTrades &+= 1
            return .none
        }
        guard tick.price.isDefined, tick.size.isDefined else {
            counters.incomplete &+= 1
            return .none
        }
        var header = header(tick.type, tick.time < since ? .snapshot : [], time)
        header.providerTime = tick.time
        header.resolution =
            (tick.time.isDefined ? TimeResolution.millisecond : .unknown).rawValue
        // Without an exchange: the letter that was told last belongs to another trade.
        return .trade(Trade(header: header, price: tick.price, size: tick.size))
    }

    private mutating func exchange(_ tick: TickExchange, _ time: Timestamp) -> MarketDataEvent {
        switch tick.type {
        case TickType.lastExchange:
            lastExchange = tick.exchange
            return .none
        case TickType.bidExchange:
            guard bidExchange != tick.exchange else { return .none }
            bidExchange = tick.exchange
        default:
            guard askExchange != tick.exchange else { return .none }
            askExchange = tick.exchange
        }
        guard bid.isKnown || ask.isKnown else { return .none }
        return quote(tick.type, false, time)
    }
}

// Everything else.
extension MarketDataAssembler {
    private mutating func generic(_ tick: TickGeneric, _ time: Timestamp) -> MarketDataEvent {
        if tick.type == TickType.halted || tick.type == TickType.delayedHalted {
            // -1: the provider does not know.
            halt =
                tick.value.isDefined && tick.value.raw >= 0
                ? tick.value.raw / 1_000_000_000 : nil
            guard halt != nil else { return .none }
        }
        guard tick.value.isDefined else { return .none }
        return indicator(tick.type, Int128(tick.value.raw), time)
    }

    /// The value in 1e-9.
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
        let isDelayed = mode == .delayed || mode == .delayedFrozen || TickType.isDelayed(type)
        if isDelayed { flags.insert(.delayed) }
        return TickHeader(
            symbol: symbol, flags: flags, providerTime: .undefined, receiveTime: time)
    }
}
