package import MarketModel
package import Primitives

/// A message from the server, by who handles it. Ticks are frequent, and are stored in the value
/// itself, the others on the heap.
package enum IBMessage: Hashable, Sendable {
    case tick(TickMessage)
    indirect case feed(FeedMessage)
    indirect case history(HistoryAnswer)
    indirect case contract(ContractAnswer)
    indirect case notice(IBNotice)
    indirect case session(SessionMessage)

    /// The request that this message answers; `nil` for messages that belong to no request. A
    /// notice about the complete connection has the number -1.
    package var request: Int32? {
        switch self {
        case .tick(let tick): tick.request
        case .feed(let message): message.request
        case .history(let answer): answer.request
        case .contract(let answer): answer.request
        case .notice(let notice): notice.request
        case .session: nil
        }
    }
}

/// A value of a subscription, or a complete tick.
package enum TickMessage: Hashable, Sendable {
    case price(TickPrice)
    case size(TickSize)
    case generic(TickGeneric)
    case exchange(TickExchange)
    case time(TickTime)
    case realTimeVolume(RealTimeVolume)
    case option(TickOption)
    case depth(DepthMessage)
    /// `all`: unreported trades come as well.
    case trade(request: Int32, all: Bool, TradeTick)
    case quote(request: Int32, QuoteTick)
    case midpoint(request: Int32, MidpointTick)
    case bar(RealTimeBar)

    package var request: Int32 {
        switch self {
        case .price(let tick): tick.request
        case .size(let tick): tick.request
        case .generic(let tick): tick.request
        case .exchange(let tick): tick.request
        case .time(let tick): tick.request
        case .realTimeVolume(let tick): tick.request
        case .option(let tick): tick.request
        case .depth(let row): row.request
        case .trade(let request, _, _), .quote(let request, _), .midpoint(let request, _): request
        case .bar(let bar): bar.request
        }
    }
}

/// What else comes of a subscription, and the answer to the request for a document.
package enum FeedMessage: Hashable, Sendable {
    case text(TickString)
    /// A subscription begins. It contains no data: the step of prices, and the key of the letters
    /// of exchanges.
    case parameters(request: Int32)
    /// From here on the request's ticks are of this mode.
    case mode(request: Int32, FeedMode)
    /// The provider keeps the requested data under another contract, and ends the request.
    case rerouteMarketData(Reroute)
    case rerouteDepth(Reroute)
    case news(TickNews)
    case headline(HistoricalHeadline)
    /// All headlines of the answer have come. `hasMore`: the answer leaves some out.
    case headlinesEnd(request: Int32, hasMore: Bool)
    case fundamentals(FundamentalDocument)
    case headTimestamp(HeadTimestamp)

    package var request: Int32 {
        switch self {
        case .text(let tick): tick.request
        case .parameters(let request), .mode(let request, _), .headlinesEnd(let request, _): request
        case .rerouteMarketData(let reroute), .rerouteDepth(let reroute): reroute.request
        case .news(let news): news.request
        case .headline(let headline): headline.request
        case .fundamentals(let document): document.request
        case .headTimestamp(let head): head.request
        }
    }
}

/// A part of history.
package enum HistoryAnswer: Hashable, Sendable {
    case bars(HistoricalBars)
    case midpoints(HistoricalTicks<MidpointTick>)
    case quotes(HistoricalTicks<QuoteTick>)
    case trades(HistoricalTicks<TradeTick>)

    package var request: Int32 {
        switch self {
        case .bars(let bars): bars.request
        case .midpoints(let ticks): ticks.request
        case .quotes(let ticks): ticks.request
        case .trades(let ticks): ticks.request
        }
    }
}

/// The answer to a request for contracts.
package enum ContractAnswer: Hashable, Sendable {
    case details(ContractDetails)
    /// All contracts that answer have come.
    case end(request: Int32)

    package var request: Int32 {
        switch self {
        case .details(let details): details.request
        case .end(let request): request
        }
    }
}

/// What belongs to the connection, and to no single request.
package enum SessionMessage: Hashable, Sendable {
    case bulletin(BulletinMessage)
    case newsProviders([NewsProvider])
    /// The first number that is free for a request.
    case nextValidID(Int32)
    case managedAccounts([String])
    case currentTime(Timestamp)
}

/// The result of decoding one frame.
package enum Decoded: Hashable, Sendable {
    case message(IBMessage)
    /// A kind of message that this client does not read.
    case unknown(id: Int32)
    /// No message, or one whose fields do not match its kind.
    case skipped(id: Int32, FieldFault)
}
