/// The kinds of messages that this client reads, by the number that begins each of them.
enum MessageID: Int32 {
    case tickPrice = 1
    case tickSize = 2
    case notice = 4
    case nextValidID = 9
    case contractDetails = 10
    case depth = 12
    case depthOfMarketMakers = 13
    case bulletin = 14
    case managedAccounts = 15
    case historicalBars = 17
    case bondDetails = 18
    case tickOption = 21
    case tickGeneric = 45
    case tickString = 46
    case currentTime = 49
    case realTimeBar = 50
    case fundamentals = 51
    case contractDetailsEnd = 52
    case marketDataType = 58
    case tickRequestParameters = 81
    case news = 84
    case newsProviders = 85
    case historicalNews = 86
    case historicalNewsEnd = 87
    case headTimestamp = 88
    case rerouteMarketData = 91
    case rerouteDepth = 92
    case historicalMidpoints = 96
    case historicalQuotes = 97
    case historicalTrades = 98
    case tickByTick = 99

    /// The fields between the number of the kind and the number of the request.
    enum BeforeRequest {
        case nothing
        /// A version of the message.
        case version
        /// A version of the message, from servers before 164.
        case versionBefore164
        /// The message belongs to no single request.
        case noRequest
    }

    var beforeRequest: BeforeRequest {
        switch self {
        case .tickPrice, .tickSize, .notice, .depth, .depthOfMarketMakers, .tickGeneric,
            .tickString, .realTimeBar, .fundamentals, .contractDetailsEnd, .marketDataType:
            .version
        case .contractDetails, .bondDetails: .versionBefore164
        case .historicalBars, .tickOption, .tickRequestParameters, .news, .historicalNews,
            .historicalNewsEnd, .headTimestamp, .rerouteMarketData, .rerouteDepth,
            .historicalMidpoints, .historicalQuotes, .historicalTrades, .tickByTick:
            .nothing
        case .nextValidID, .bulletin, .managedAccounts, .currentTime, .newsProviders: .noRequest
        }
    }
}
