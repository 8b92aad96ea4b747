/// A request of a client.
enum ClientRequest: Equatable, Sendable {
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

enum TickByTickKind: String, Sendable {
    case last = "Last"
    case allLast = "AllLast"
    case bidAsk = "BidAsk"
    case midpoint = "MidPoint"
}

struct RequestedContract: Equatable, Sendable {
    /// 0 if not given.
    var conID: Int32 = 0
    var symbol = ""
    var securityType = ""
    var expiry = ""
    /// `nil` if not given.
    var strike: String?
    var right = ""
    var multiplier = ""
    var exchange = ""
    var primaryExchange = ""
    var currency = ""
    var localSymbol = ""
    var tradingClass = ""
}

struct MarketDataRequest: Equatable, Sendable {
    var id: Int32
    var contract: RequestedContract
    var genericTicks: [String]
    var isSnapshot: Bool
}

struct BarsRequest: Equatable, Sendable {
    var id: Int32
    var contract: RequestedContract
    var end, barSize, duration, show: String
    var format: Int32
    var keepsUpToDate: Bool
}

struct TicksRequest: Equatable, Sendable {
    var id: Int32
    var contract: RequestedContract
    var start, end, show: String
    var count: Int32
}

struct NewsRequest: Equatable, Sendable {
    var id: Int32
    var conID: Int32
    var providers: [String]
    var start, end: String
    var count: Int32
}

extension ClientRequest {
    /// The number under which answers and errors of the request are sent.
    var id: Int32 {
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
