/// Messages about the past: bars, ticks, schedules, headlines.
extension MessageWriter {
    struct DatedBar: Equatable, Sendable {
        var date: String
        var bar: BarTexts
    }

    func historicalData(
        _ request: Int32, start: String, end: String, _ bars: [DatedBar]
    ) -> ServerMessage {
        var values = [start, end, String(bars.count)]
        values.reserveCapacity(3 + bars.count * 8)
        for entry in bars {
            let bar = entry.bar
            values += [
                entry.date, bar.open, bar.high, bar.low, bar.close, bar.volume, bar.average,
                bar.count,
            ]
        }
        return ServerMessage(17, "historicalData", request: request, values)
    }

    /// The bar in progress. Its fields have a different order.
    func historicalDataUpdate(_ request: Int32, _ entry: DatedBar) -> ServerMessage {
        let bar = entry.bar
        return ServerMessage(
            90, "historicalDataUpdate", request: request,
            [
                bar.count, entry.date, bar.open, bar.close, bar.high, bar.low, bar.average,
                bar.volume,
            ])
    }

    func historicalMidpoints(
        _ request: Int32, _ ticks: [(second: Int64, price: String)], isLast: Bool
    ) -> ServerMessage {
        let rows = ticks.flatMap { [String($0.second), "0", $0.price, "0"] }
        return ServerMessage(
            96, "historicalTicks", request: request,
            [String(ticks.count)] + rows + [isLast ? "1" : "0"])
    }

    struct PastQuote: Equatable, Sendable {
        var second: Int64
        var quote: QuoteTexts
        var isPastLow = false
        var isPastHigh = false
    }

    /// The bits of the mask are swapped compared with live ticks.
    func historicalQuotes(
        _ request: Int32, _ ticks: [PastQuote], isLast: Bool
    ) -> ServerMessage {
        let rows = ticks.flatMap { tick in
            let mask = (tick.isPastHigh ? 1 : 0) + (tick.isPastLow ? 2 : 0)
            return [
                String(tick.second), String(mask), tick.quote.bid, tick.quote.ask,
                tick.quote.bidSize, tick.quote.askSize,
            ]
        }
        return ServerMessage(
            97, "historicalTicksBidAsk", request: request,
            [String(ticks.count)] + rows + [isLast ? "1" : "0"])
    }

    func historicalTrades(
        _ request: Int32, _ ticks: [(second: Int64, trade: TradeTexts)], isLast: Bool
    ) -> ServerMessage {
        let rows = ticks.flatMap { tick in
            [
                String(tick.second), String(tick.trade.mask), tick.trade.price, tick.trade.size,
                tick.trade.exchange, tick.trade.conditions,
            ]
        }
        return ServerMessage(
            98, "historicalTicksLast", request: request,
            [String(ticks.count)] + rows + [isLast ? "1" : "0"])
    }

    struct TradingSession: Equatable, Sendable {
        var start, end, date: String
    }

    /// Exists from version 165 on.
    func historicalSchedule(
        _ request: Int32, zone: String, _ sessions: [TradingSession]
    ) -> ServerMessage {
        let ends = [sessions.first?.start ?? "", sessions.last?.end ?? ""]
        return ServerMessage(
            106, "historicalSchedule", request: request,
            ends + [zone, String(sessions.count)]
                + sessions.flatMap { [$0.start, $0.end, $0.date] })
    }

    func headTimestamp(_ request: Int32, _ text: String) -> ServerMessage {
        ServerMessage(88, "headTimestamp", request: request, [text])
    }

    func histogram(
        _ request: Int32, _ rows: [(price: String, size: String)]
    ) -> ServerMessage {
        ServerMessage(
            89, "histogramData", request: request,
            [String(rows.count)] + rows.flatMap { [$0.price, $0.size] })
    }

    func historicalNews(
        _ request: Int32, time: String, _ item: NewsItem
    ) -> ServerMessage {
        ServerMessage(
            86, "historicalNews", request: request,
            [time, item.provider, item.articleID, item.headline])
    }

    func historicalNewsEnd(_ request: Int32, hasMore: Bool) -> ServerMessage {
        ServerMessage(87, "historicalNewsEnd", request: request, [hasMore ? "1" : "0"])
    }
}
