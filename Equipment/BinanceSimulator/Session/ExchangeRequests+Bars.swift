internal import Primitives
internal import VenueWeb

extension ExchangeRequests {
    /// The bars that begin at `startTime` or later, else the latest ones that begin at `endTime` or
    /// before. The last one may not be over. The first one is that of the first trade, and none is
    /// missing.
    func bars(_ request: VenueRequest) -> HTTPAnswer {
        let symbol: Int
        switch place(of: request.query["symbol"]) {
        case .found(let place): symbol = place
        case .refused(let answer): return answer
        }
        guard
            Set(["symbol", "interval", "limit", "startTime", "endTime"])
                .isSuperset(of: request.query.keys)
        else { return .error(400, code: -1_101, "Too many parameters.") }
        guard
            let length = ExchangeBar.lengths.first(where: { $0.name == request.query["interval"] })
        else { return .error(400, code: -1_120, "Invalid interval.") }
        guard let limit = number(request.query["limit"], or: UInt64(Self.limitDefault)), limit > 0,
            let start = number(request.query["startTime"], or: 0),
            let end = number(request.query["endTime"], or: Self.timeMax)
        else { return .error(400, code: -1_100, "Illegal characters found in a parameter.") }
        let span = length.length
        let last = ExchangeBar.open(
            of: min(Int64(min(end, Self.timeMax)), milliseconds), length: span)
        let count = Int64(min(limit, UInt64(ExchangeLimits.barsPerAnswerMax)))
        var first = max(0, last - (count - 1) * span)
        if request.query["startTime"] != nil {
            first = ExchangeBar.open(of: Int64(min(start, Self.timeMax)) + span - 1, length: span)
        }
        guard market.lastID(of: symbol, at: now) > 0 else { return .json { $0.array { _ in } } }
        first = max(first, ExchangeBar.open(of: market.trade(symbol, 1).milliseconds, length: span))
        return .json { json in
            json.array { list in
                for open in stride(from: first, through: last, by: Int(span)).prefix(Int(count)) {
                    write(market.bar(symbol, open: open, length: span, now: now), into: &list)
                }
            }
        }
    }

    private func write(_ bar: ExchangeBar, into list: inout JSONWriter) {
        let what = market.symbols[bar.symbol]
        list.array { row in
            row.value(bar.open)
            for price in bar.prices { row.value(what.priceText(price)) }
            row.value(what.quantityText(bar.quantity))
            row.value(bar.open + bar.length - 1)
            row.value("0.00000000")
            row.value(bar.ids.map(\.count) ?? 0)
            for _ in 0..<2 { row.value("0.00000000") }
            row.value("0")
        }
    }
}
