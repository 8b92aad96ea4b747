package import Primitives

/// The data of a contract that a history request wants, in the vendor's letters.
package enum HistoryKind: String, Hashable, Sendable {
    case trades = "TRADES"
    case midpoint = "MIDPOINT"
    case bidAsk = "BID_ASK"
    /// Trades of crypto currencies. Their single trades are not available.
    case aggregatedTrades = "AGGTRADES"
}

/// The ticks of a tick-by-tick request, in the vendor's words.
package enum TickByTickKind: String, Hashable, Sendable {
    /// Trades that count for the last price.
    case last = "Last"
    /// All trades.
    case allLast = "AllLast"
    case bidAsk = "BidAsk"
    case midpoint = "MidPoint"
}

/// The beginning or the end of the time that a request for history covers.
package enum RequestTime: Hashable, Sendable {
    /// For an end: now. For a start: the beginning.
    case open
    /// Sent in UTC, in whole seconds.
    case at(Timestamp)
}

/// A request for bars of history.
package struct HistoryRequest: Hashable, Sendable {
    package var end = RequestTime.open
    /// Such as `1 D`, `1800 S`.
    package var duration: String
    /// Such as `1 min`.
    package var barSize: String
    package var kind = HistoryKind.trades
    package var regularHoursOnly = false
    package var includeExpired = false

    package init(duration: String, barSize: String) {
        self.duration = duration
        self.barSize = barSize
    }
}

/// A request for ticks of history.
package struct HistoryTicksRequest: Hashable, Sendable {
    package var start = RequestTime.open
    /// At most 1,000.
    package var count: Int32 = 1_000
    package var kind = HistoryKind.trades
    package var includeExpired = false

    package init() {}
}

/// What a subscription to level 1 requests beside prices and sizes.
package struct MarketDataRequest: Hashable, Sendable {
    /// The numbers of further values, such as `233`, `292:BRFG`.
    package var genericTicks: [String] = []

    package init(genericTicks: [String] = []) { self.genericTicks = genericTicks }
}

/// A request for headlines of the past.
package struct HistoricalNewsRequest: Hashable, Sendable {
    /// The provider's id of the contract.
    package var contract: Int32
    /// The codes of news providers.
    package var providers: [String]
    package var start = RequestTime.open
    /// The most headlines of the answer.
    package var count: Int32

    package init(contract: Int32, providers: [String], count: Int32) {
        self.contract = contract
        self.providers = providers
        self.count = count
    }
}

/// A request of a client. `id` is the request's number, which its answers carry.
package enum IBRequest: Hashable, Sendable {
    case startAPI(client: Int32)
    case currentTime
    /// Live, frozen, delayed or delayed frozen, for all later requests.
    case marketDataType(Int32)

    case marketData(id: Int32, Contract, MarketDataRequest)
    case cancelMarketData(id: Int32)
    case depth(id: Int32, Contract, rows: Int32, isSmart: Bool)
    case cancelDepth(id: Int32, isSmart: Bool)
    case tickByTick(id: Int32, Contract, TickByTickKind)
    case cancelTickByTick(id: Int32)
    case realTimeBars(id: Int32, Contract, HistoryKind, regularHoursOnly: Bool)
    case cancelRealTimeBars(id: Int32)

    case history(id: Int32, Contract, HistoryRequest)
    case cancelHistory(id: Int32)
    case historyTicks(id: Int32, Contract, HistoryTicksRequest)
    case headTimestamp(id: Int32, Contract, HistoryKind, regularHoursOnly: Bool)
    case cancelHeadTimestamp(id: Int32)

    case contractDetails(id: Int32, Contract, includeExpired: Bool = false)

    case bulletins(all: Bool)
    case newsProviders
    case historicalNews(id: Int32, HistoricalNewsRequest)
    case fundamentals(id: Int32, Contract, report: String)
    case cancelFundamentals(id: Int32)
}

/// Why a request cannot be sent.
package enum RequestError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The server reads printable ASCII only.
    case notASCII(field: String)
    case number(field: String)
    case tooLong

    package var description: String {
        switch self {
        case .notASCII(let field):
            "the field '\(field)' of a request is not printable ASCII: TWS does not read it"
        case .number(let field):
            "the field '\(field)' of a request is out of range"
        case .tooLong:
            "a request is longer than \(RequestWriter.bodyBytesMax) bytes"
        }
    }
}
