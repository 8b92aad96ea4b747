internal import Primitives
internal import VenueWeb

/// The answers to requests of the REST API that need no account.
struct ExchangeRequests {
    let market: ExchangeMarket
    let now: Timestamp
    /// What `historicalTrades` is answered with at the address of market data alone.
    var marketDataStatus = ExchangeLimits.marketDataStatuses[0]

    static let limitDefault = 500
    /// Here the exchange's address of market data alone is a path of the one address.
    private static let marketData = "/market-data"

    func answer(_ request: VenueRequest) -> HTTPAnswer {
        guard request.method == "GET" else { return HTTPAnswer(status: 405) }
        var path = request.path
        if path.hasPrefix(Self.marketData + "/") {
            path.removeFirst(Self.marketData.utf8.count)
            guard path != "/api/v3/historicalTrades" else { return elsewhere }
        }
        if path == "/api/v3/ping" { return .json { $0.object { _ in } } }
        if path == "/api/v3/time" {
            return .json { $0.object { $0.member("serverTime", milliseconds) } }
        }
        if path == "/api/v3/exchangeInfo" { return exchangeInfo(request) }
        if path == "/api/v3/aggTrades" { return aggregates(request) }
        if path == "/api/v3/klines" { return bars(request) }
        guard ["/api/v3/trades", "/api/v3/historicalTrades"].contains(path) else {
            return HTTPAnswer(status: 404)
        }
        return trades(request)
    }

    /// The exchange documents what it says to countries that it does not answer, and nothing of the
    /// other two.
    private var elsewhere: HTTPAnswer {
        guard marketDataStatus == 451 else { return HTTPAnswer(status: marketDataStatus) }
        return .error(
            451, code: 0,
            "Service unavailable from a restricted location according to 'b. Eligibility' in "
                + "https://www.binance.com/en/terms. Please contact customer service if you "
                + "believe you received this message in error.")
    }

    var milliseconds: Int64 { now.nanoseconds / 1_000_000 }

    // MARK: trades

    /// The trades of `fromId` and later ones; without it, the latest.
    private func trades(_ request: VenueRequest) -> HTTPAnswer {
        let symbol: Int
        switch place(of: request.query["symbol"]) {
        case .found(let place): symbol = place
        case .refused(let answer): return answer
        }
        let isHistory = request.path.hasSuffix("historicalTrades")
        let known: Set<String> = isHistory ? ["symbol", "limit", "fromId"] : ["symbol", "limit"]
        guard known.isSuperset(of: request.query.keys) else {
            return .error(400, code: -1_101, "Too many parameters.")
        }
        guard let limit = number(request.query["limit"], or: UInt64(Self.limitDefault)), limit > 0,
            let from = number(request.query["fromId"], or: 0)
        else { return .error(400, code: -1_100, "Illegal characters found in a parameter.") }
        let count = min(limit, UInt64(ExchangeLimits.tradesPerAnswerMax))
        let last = market.lastID(of: symbol, at: now)
        let what = market.symbols[symbol]
        return list(
            from: from > 0 ? from : Self.latest(count, of: last), to: last, count: count
        ) { id, list in
            write(market.trade(symbol, id), of: what, into: &list)
        }
    }

    /// The first id of the latest trades.
    private static func latest(_ count: UInt64, of last: UInt64) -> UInt64 {
        max(1, last > count ? last - count + 1 : 1)
    }

    private func list(
        from first: UInt64, to last: UInt64, count: UInt64,
        _ write: (UInt64, inout JSONWriter) -> Void
    ) -> HTTPAnswer {
        .json { json in
            json.array { list in
                guard first > 0, first <= last, count > 0 else { return }
                for id in first...min(last, first + count - 1) { write(id, &list) }
            }
        }
    }

    /// The aggregates of `fromId` or `startTime` and later ones; without both, the latest. Here
    /// each is made of one trade, whose id it has.
    private func aggregates(_ request: VenueRequest) -> HTTPAnswer {
        let symbol: Int
        switch place(of: request.query["symbol"]) {
        case .found(let place): symbol = place
        case .refused(let answer): return answer
        }
        guard
            Set(["symbol", "limit", "fromId", "startTime", "endTime"])
                .isSuperset(of: request.query.keys)
        else { return .error(400, code: -1_101, "Too many parameters.") }
        guard let limit = number(request.query["limit"], or: UInt64(Self.limitDefault)), limit > 0,
            let from = number(request.query["fromId"], or: 0),
            let start = number(request.query["startTime"], or: 0),
            let end = number(request.query["endTime"], or: UInt64(max(0, milliseconds)))
        else { return .error(400, code: -1_100, "Illegal characters found in a parameter.") }
        guard from == 0 || start == 0 else {
            return .error(400, code: -1_128, "Combination of optional parameters invalid.")
        }
        let count = min(limit, UInt64(ExchangeLimits.tradesPerAnswerMax))
        let last = lastID(of: symbol, before: end + 1)
        var first = from > 0 ? from : Self.latest(count, of: last)
        if start > 0 { first = lastID(of: symbol, before: start) + 1 }
        let what = market.symbols[symbol]
        return list(from: first, to: last, count: count) { id, list in
            writeAggregate(market.trade(symbol, id), of: what, into: &list)
        }
    }

    /// The last id of a trade before a time in milliseconds; 0: there is none.
    private func lastID(of symbol: Int, before time: UInt64) -> UInt64 {
        let end = Timestamp(nanoseconds: Int64(min(time, Self.timeMax)) * 1_000_000 - 1)
        return market.lastID(of: symbol, at: min(now, end))
    }

    /// A time in milliseconds that fits into nanoseconds.
    static let timeMax: UInt64 = 9_000_000_000_000

    private func writeAggregate(
        _ trade: ExchangeTrade, of symbol: ExchangeSymbol, into list: inout JSONWriter
    ) {
        list.object { json in
            for key in ["a", "f", "l"] { json.member(key, trade.id) }
            json.member("p", symbol.priceText(trade.price))
            json.member("q", symbol.quantityText(trade.quantity))
            json.member("T", trade.milliseconds)
            json.member("m", trade.isBuyerMaker)
            json.member("M", true)
        }
    }

    private func write(
        _ trade: ExchangeTrade, of symbol: ExchangeSymbol, into list: inout JSONWriter
    ) {
        let (price, quantity) = (Int128(trade.price), Int128(trade.quantity))
        let decimals = symbol.priceDecimals + symbol.quantityDecimals
        list.object { json in
            json.member("id", trade.id)
            json.member("price", symbol.priceText(trade.price))
            json.member("qty", symbol.quantityText(trade.quantity))
            json.member("quoteQty", FixedPoint.text(price * quantity, decimals: decimals))
            json.member("time", trade.milliseconds)
            json.member("isBuyerMaker", trade.isBuyerMaker)
            json.member("isBestMatch", true)
        }
    }

    // MARK: symbols

    enum Found {
        case found(Int)
        case refused(HTTPAnswer)
    }

    func place(of name: String?) -> Found {
        guard let name, !name.isEmpty else {
            return .refused(
                .error(
                    400, code: -1_102,
                    "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed."))
        }
        guard let place = market.place(of: name) else {
            return .refused(.error(400, code: -1_121, "Invalid symbol."))
        }
        return .found(place)
    }

    func number(_ text: String?, or usual: UInt64) -> UInt64? {
        guard let text else { return usual }
        return UInt64(text).flatMap { $0 <= UInt64(Int64.max) ? $0 : nil }
    }

    private func exchangeInfo(_ request: VenueRequest) -> HTTPAnswer {
        var wanted = Array(market.symbols.indices)
        if let names = names(request) {
            wanted = []
            for name in names {
                switch place(of: name) {
                case .found(let place): wanted.append(place)
                case .refused(let answer): return answer
                }
            }
        }
        return .json { json in
            json.object { json in
                json.member("timezone", "UTC")
                json.member("serverTime", milliseconds)
                json.array("rateLimits", Self.writeLimits)
                json.array("exchangeFilters") { _ in }
                json.array("symbols") { list in
                    for place in wanted { market.symbols[place].write(into: &list) }
                }
            }
        }
    }

    /// The symbols that are asked for by `symbol` or by the list `symbols`; `nil`: all.
    private func names(_ request: VenueRequest) -> [String]? {
        if let name = request.query["symbol"] { return [name] }
        guard let list = request.query["symbols"] else { return nil }
        return list.split { "[]\", ".contains($0) }.map(String.init)
    }

    private static func writeLimits(into list: inout JSONWriter) {
        for (kind, interval, count, limit) in [
            ("REQUEST_WEIGHT", "MINUTE", 1, 6_000), ("RAW_REQUESTS", "MINUTE", 5, 61_000),
        ] {
            list.object { json in
                json.member("rateLimitType", kind)
                json.member("interval", interval)
                json.member("intervalNum", count)
                json.member("limit", limit)
            }
        }
    }
}

extension ExchangeSymbol {
    /// Writes its entry of `exchangeInfo`.
    func write(into list: inout JSONWriter) {
        let orders = ["LIMIT", "MARKET"]
        list.object { json in
            json.member("symbol", name)
            json.member("status", "TRADING")
            for (key, asset) in [("baseAsset", base), ("quoteAsset", quote)] {
                json.member(key, asset)
                json.member("\(key)Precision", 8)
            }
            json.member("quotePrecision", 8)
            json.member("baseCommissionPrecision", 8)
            json.member("quoteCommissionPrecision", 8)
            json.member("orderTypes", values: orders)
            for key in ["icebergAllowed", "ocoAllowed", "quoteOrderQtyMarketAllowed"] {
                json.member(key, true)
            }
            json.member("isSpotTradingAllowed", true)
            json.member("isMarginTradingAllowed", false)
            json.array("filters", writeFilters)
            json.array("permissions") { _ in }
            json.array("permissionSets") { $0.array { $0.value("SPOT") } }
        }
    }

    private func writeFilters(into list: inout JSONWriter) {
        list.object { json in
            json.member("filterType", "PRICE_FILTER")
            json.member("minPrice", priceText(1))
            json.member("maxPrice", priceText(level * 100))
            json.member("tickSize", priceText(1))
        }
        list.object { json in
            json.member("filterType", "LOT_SIZE")
            json.member("minQty", quantityText(1))
            json.member("maxQty", quantityText(1_000_000_000))
            json.member("stepSize", quantityText(1))
        }
    }
}
