public import MarketModel
public import Primitives

/// What a provider has to say, in the order in which it says it.
///
/// `header.symbol` is the number of the instrument in the source's `InstrumentBook`, or
/// `TickHeader.noSymbol`. Ticks with their fields in place are copied without the heap.
public enum ProviderRecord: Hashable, Sendable {
    case trade(Trade)
    case quote(Quote)
    case depth(DepthUpdate)
    case depthReset(DepthReset)
    case bar(ProviderBar)
    case option(OptionComputation)
    case indicator(IndicatorValue)
    case news(NewsHeadline)
    case bulletin(NewsBulletin)
    case fundamental(FundamentalPart)
    case subscription(SubscriptionRecord)
    case gap(GapRecord)
    /// Not for the tape: what the router decides by.
    case feed(FeedState)
    /// No record of its own: what the symbol's definition on the tape says from here on.
    case definition(FeedDefinition)
}

/// Who feeds an instrument, and since when. Only of a provider that hands on what others have
/// delivered: else subscriptions say it.
public struct FeedDefinition: Hashable, Sendable {
    public var instrument: UInt32
    public var provider: String
    public var since: Timestamp

    public init(instrument: UInt32, provider: String, since: Timestamp) {
        self.instrument = instrument
        self.provider = provider
        self.since = since
    }
}

/// Whether a provider delivers an instrument at the moment.
public struct FeedState: Hashable, Sendable {
    public enum State: UInt8, Sendable {
        /// Asked for, and nothing says yet that data come.
        case starting
        case live
        /// Nothing comes; the provider tries again by itself.
        case down
        /// Nothing will come unless something is changed: no such contract, no permission.
        case refused
    }

    public var instrument: UInt32
    public var state: State
    /// Since when.
    public var time: Timestamp

    public init(instrument: UInt32, state: State, time: Timestamp) {
        self.instrument = instrument
        self.state = state
        self.time = time
    }
}

extension ProviderRecord {
    /// Nil: it is no tick and no record for the tape.
    public var header: TickHeader? {
        switch self {
        case .trade(let tick): tick.header
        case .quote(let tick): tick.header
        case .depth(let tick): tick.header
        case .depthReset(let tick): tick.header
        case .bar(let tick): tick.header
        case .option(let tick): tick.header
        case .indicator(let value): value.header
        case .news(let news): news.header
        case .bulletin(let bulletin): bulletin.header
        case .fundamental(let part): part.header
        case .subscription(let record): record.header
        case .gap(let record): record.header
        case .feed, .definition: nil
        }
    }

    /// What policies and gaps call it; nil: a record that no policy leaves out. Nor is a reset of a
    /// book: it may come later than it did, and with those of the same book that followed it as
    /// one.
    public var kind: DataKind? {
        switch self {
        case .trade: .trade
        case .quote: .quote
        case .depth, .depthReset: .depth
        case .bar: .providerBar
        case .option: .optionComputation
        case .indicator: .indicator
        case .news, .bulletin: .news
        case .fundamental: .fundamental
        case .subscription, .gap, .feed, .definition: nil
        }
    }

    /// The same for another symbol, or at another time.
    public func changed(_ change: (inout TickHeader) -> Void) -> Self {
        switch self {
        case .trade(var tick):
            change(&tick.header)
            return .trade(tick)
        case .quote(var tick):
            change(&tick.header)
            return .quote(tick)
        case .depth(var tick):
            change(&tick.header)
            return .depth(tick)
        case .depthReset(var tick):
            change(&tick.header)
            return .depthReset(tick)
        case .bar(var tick):
            change(&tick.header)
            return .bar(tick)
        case .option(var tick):
            change(&tick.header)
            return .option(tick)
        case .indicator(var value):
            change(&value.header)
            return .indicator(value)
        case .news(var news):
            change(&news.header)
            return .news(news)
        case .bulletin(var bulletin):
            change(&bulletin.header)
            return .bulletin(bulletin)
        case .fundamental(var part):
            change(&part.header)
            return .fundamental(part)
        case .subscription(var record):
            change(&record.header)
            return .subscription(record)
        case .gap(var record):
            change(&record.header)
            return .gap(record)
        case .feed, .definition: return self
        }
    }
}
