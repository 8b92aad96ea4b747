package import MarketModel
package import Primitives

/// A message from the server. Frequent messages are stored in the value itself, the others on the
/// heap.
package enum IBMessage: Hashable, Sendable {
    case tickPrice(TickPrice)
    case tickSize(TickSize)
    case tickGeneric(TickGeneric)
    case tickExchange(TickExchange)
    case tickTime(TickTime)
    case realTimeVolume(RealTimeVolume)
    case tickOption(TickOption)
    case depth(DepthMessage)
    /// `all`: unreported trades come as well.
    case tickByTickTrade(request: Int32, all: Bool, TradeTick)
    case tickByTickQuote(request: Int32, QuoteTick)
    case tickByTickMidpoint(request: Int32, MidpointTick)
    case realTimeBar(RealTimeBar)

    indirect case tickString(TickString)
    indirect case tickRequestParameters(TickRequestParameters)
    /// From here on the request's ticks are of this mode.
    case marketDataType(request: Int32, FeedMode)
    /// The provider keeps the requested data under another contract, and ends the request.
    indirect case rerouteMarketData(Reroute)
    indirect case rerouteDepth(Reroute)

    indirect case historicalBars(HistoricalBars)
    indirect case historicalMidpoints(HistoricalTicks<MidpointTick>)
    indirect case historicalQuotes(HistoricalTicks<QuoteTick>)
    indirect case historicalTrades(HistoricalTicks<TradeTick>)
    indirect case headTimestamp(HeadTimestamp)

    indirect case contractDetails(ContractDetails)
    /// All contracts that answer have come.
    case contractDetailsEnd(request: Int32)

    indirect case news(TickNews)
    indirect case bulletin(BulletinMessage)
    indirect case newsProviders([NewsProvider])
    indirect case historicalNews(HistoricalHeadline)
    /// All headlines of the answer have come. `hasMore`: the answer leaves some out.
    case historicalNewsEnd(request: Int32, hasMore: Bool)
    indirect case fundamentals(FundamentalDocument)

    indirect case notice(IBNotice)
    /// The first number that is free for a request.
    case nextValidID(Int32)
    indirect case managedAccounts([String])
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
