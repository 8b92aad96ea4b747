/// A request of a client.
package enum ClientRequest: Equatable, Sendable {
    case startAPI(clientID: Int32, capabilities: String)
    case marketData(MarketDataRequest)
    case cancelMarketData(Int32)
    case contractDetails(Int32, RequestedContract)
    case depth(Int32, RequestedContract, rows: Int32, isSmart: Bool)
    case cancelDepth(Int32, isSmart: Bool)
    case bulletins(all: Bool)
    case cancelBulletins
    case historicalData(BarsRequest)
    case cancelHistoricalData(Int32)
    case currentTime
    case realTimeBars(Int32, RequestedContract, show: String)
    case cancelRealTimeBars(Int32)
    case fundamentalData(Int32, RequestedContract, report: String)
    case cancelFundamentalData(Int32)
    case marketDataType(Int32)
    case optionChain(Int32, symbol: String, conID: Int32)
    case matchingSymbols(Int32, pattern: String)
    case depthExchanges
    case smartComponents(Int32, key: String)
    case newsArticle(Int32, provider: String, article: String)
    case newsProviders
    case historicalNews(NewsRequest)
    case headTimestamp(Int32, RequestedContract, show: String, format: Int32)
    case cancelHeadTimestamp(Int32)
    case histogram(Int32, RequestedContract, period: String)
    case cancelHistogram(Int32)
    case marketRule(Int32)
    case historicalTicks(TicksRequest)
    case tickByTick(Int32, RequestedContract, kind: TickByTickKind, past: Int32)
    case cancelTickByTick(Int32)
}

package enum TickByTickKind: String, Sendable {
    case last = "Last"
    case allLast = "AllLast"
    case bidAsk = "BidAsk"
    case midpoint = "MidPoint"
}

package struct RequestedContract: Equatable, Sendable {
    /// 0 if not given.
    package var conID: Int32 = 0
    package var symbol = ""
    package var securityType = ""
    package var expiry = ""
    /// `nil` if not given.
    package var strike: String?
    package var right = ""
    package var multiplier = ""
    package var exchange = ""
    package var primaryExchange = ""
    package var currency = ""
    package var localSymbol = ""
    package var tradingClass = ""

    package init() {}
}

package struct MarketDataRequest: Equatable, Sendable {
    package var id: Int32
    package var contract: RequestedContract
    package var genericTicks: [String]
    package var isSnapshot: Bool
}

package struct BarsRequest: Equatable, Sendable {
    package var id: Int32
    package var contract: RequestedContract
    package var end, barSize, duration, show: String
    package var format: Int32
    package var keepsUpToDate: Bool
}

package struct TicksRequest: Equatable, Sendable {
    package var id: Int32
    package var contract: RequestedContract
    package var start, end, show: String
    package var count: Int32
}

package struct NewsRequest: Equatable, Sendable {
    package var id: Int32
    package var conID: Int32
    package var providers: [String]
    package var start, end: String
    package var count: Int32
}

extension ClientRequest {
    /// The number under which answers and errors of the request are sent.
    package var id: Int32 {
        switch self {
        case .startAPI, .bulletins, .cancelBulletins, .currentTime, .marketDataType,
            .depthExchanges, .newsProviders, .marketRule:
            return -1
        case .marketData(let request): return request.id
        case .historicalData(let request): return request.id
        case .historicalTicks(let request): return request.id
        case .historicalNews(let request): return request.id
        case .contractDetails(let id, _), .depth(let id, _, _, _), .cancelDepth(let id, _),
            .realTimeBars(let id, _, _), .fundamentalData(let id, _, _),
            .optionChain(let id, _, _), .matchingSymbols(let id, _),
            .smartComponents(let id, _), .newsArticle(let id, _, _),
            .headTimestamp(let id, _, _, _), .histogram(let id, _, _),
            .tickByTick(let id, _, _, _):
            return id
        case .cancelMarketData(let id), .cancelHistoricalData(let id),
            .cancelRealTimeBars(let id), .cancelFundamentalData(let id),
            .cancelHeadTimestamp(let id), .cancelHistogram(let id), .cancelTickByTick(let id):
            return id
        }
    }
}
