// Where a record belongs.
extension AlpacaRecord {
    /// The word that the logs have for it.
    var kind: String {
        switch what {
        case .trade: "trade"
        case .correction: "correction"
        case .cancel: "cancel"
        case .quote: "quote"
        case .bar(.minute, _, _): "bar"
        case .bar(.updated, _, _): "updated_bar"
        case .bar(.daily, _, _): "daily_bar"
        case .status: "status"
        case .news: "news"
        }
    }

    var channel: AlpacaChannel {
        switch what {
        case .trade: .trades
        case .correction: .corrections
        case .cancel: .cancelErrors
        case .quote: .quotes
        case .bar(.minute, _, _): .bars
        case .bar(.updated, _, _): .updatedBars
        case .bar(.daily, _, _): .dailyBars
        case .status: .statuses
        case .news: .news
        }
    }

    /// Clients of the endpoint see it.
    func isOf(_ endpoint: AlpacaEndpoint) -> Bool {
        switch what {
        case .trade(let trade), .correction(let trade, _), .cancel(let trade, _):
            endpoint != .iex || trade.isOfIEX
        case .quote(let quote): endpoint != .iex || quote.isOfIEX
        case .bar(_, _, let feed): (endpoint == .iex) == (feed == .iex)
        case .status, .news: true
        }
    }

    /// The symbols that it is about.
    func names(in market: AlpacaMarket) -> [String] {
        switch what {
        case .trade(let trade), .correction(let trade, _), .cancel(let trade, _):
            [market.symbols[trade.symbol].name]
        case .quote(let quote): [market.symbols[quote.symbol].name]
        case .bar(_, let bar, _): [market.symbols[bar.symbol].name]
        case .status(let status): [market.symbols[status.symbol].name]
        case .news(let article): article.symbols
        }
    }
}
