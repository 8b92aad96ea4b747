/// Writes the messages of a server of one version. This file has the connection and the streams.
package struct MessageWriter: Sendable {
    package static let versions: ClosedRange<Int32> = 157...187

    let serverVersion: Int32

    init(serverVersion: Int32) { self.serverVersion = serverVersion }

    // MARK: the connection

    func error(_ request: Int32, code: Int32, _ text: String) -> ServerMessage {
        var values = [String(code), Self.escaped(text)]
        if serverVersion >= 166 { values.append("") }
        return ServerMessage(4, "error", version: 2, request: request, values)
    }

    func nextValidID(_ id: Int32) -> ServerMessage {
        ServerMessage(9, "nextValidId", version: 1, [String(id)])
    }

    func managedAccounts(_ accounts: [String]) -> ServerMessage {
        ServerMessage(15, "managedAccounts", version: 1, [accounts.joined(separator: ",")])
    }

    func currentTime(seconds: Int64) -> ServerMessage {
        ServerMessage(49, "currentTime", version: 1, [String(seconds)])
    }

    /// Returns the text with non-ASCII characters as UTF-16 units in hexadecimal.
    static func escaped(_ text: String) -> String {
        guard text.utf8.contains(where: { $0 >= 0x80 }) else { return text }
        return text.utf16.map { unit in
            if unit < 0x80, let scalar = Unicode.Scalar(unit) { return String(Character(scalar)) }
            let digits = String(unit, radix: 16)
            return "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
        }.joined()
    }

    // MARK: level 1

    func tickPrice(
        _ request: Int32, type: Int32, price: String, size: String, mask: Int32 = 0
    ) -> ServerMessage {
        ServerMessage(
            1, "tickPrice", version: 6, request: request,
            [String(type), price, size, String(mask)])
    }

    func tickSize(_ request: Int32, type: Int32, size: String) -> ServerMessage {
        ServerMessage(2, "tickSize", version: 6, request: request, [String(type), size])
    }

    func tickGeneric(_ request: Int32, type: Int32, value: String) -> ServerMessage {
        ServerMessage(45, "tickGeneric", version: 6, request: request, [String(type), value])
    }

    func tickString(_ request: Int32, type: Int32, text: String) -> ServerMessage {
        ServerMessage(46, "tickString", version: 6, request: request, [String(type), text])
    }

    /// The values are basis points, their text, implied price, hold days, date and two dividends.
    func tickEFP(_ request: Int32, type: Int32, _ values: [String]) -> ServerMessage {
        ServerMessage(47, "tickEFP", version: 6, request: request, [String(type)] + values)
    }

    func tickOptionComputation(
        _ request: Int32, type: Int32, _ numbers: OptionNumbers
    ) -> ServerMessage {
        let values = [
            String(type), numbers.isPriceBased ? "1" : "0", numbers.impliedVolatility,
            numbers.delta, numbers.price, numbers.dividend, numbers.gamma, numbers.vega,
            numbers.theta, numbers.underlying,
        ]
        return ServerMessage(21, "tickOptionComputation", request: request, values)
    }

    func tickRequestParameters(
        _ request: Int32, minTick: String, exchangeKey: String, permissions: Int32
    ) -> ServerMessage {
        ServerMessage(
            81, "tickReqParams", request: request, [minTick, exchangeKey, String(permissions)])
    }

    func marketDataType(_ request: Int32, _ type: Int32) -> ServerMessage {
        ServerMessage(58, "marketDataType", version: 1, request: request, [String(type)])
    }

    func snapshotEnd(_ request: Int32) -> ServerMessage {
        ServerMessage(57, "tickSnapshotEnd", version: 1, request: request, [])
    }

    func tickNews(_ request: Int32, _ item: NewsItem) -> ServerMessage {
        ServerMessage(
            84, "tickNews", request: request,
            [
                String(item.second * 1_000), item.provider, item.articleID, item.headline,
                item.extra,
            ])
    }

    func reroute(
        _ request: Int32, isDepth: Bool, conID: Int32, exchange: String
    ) -> ServerMessage {
        ServerMessage(
            isDepth ? 92 : 91, isDepth ? "rerouteMktDepthReq" : "rerouteMktDataReq",
            request: request, [String(conID), exchange])
    }

    // MARK: tick by tick, bars of five seconds

    func tickByTickTrade(
        _ request: Int32, isAll: Bool, second: Int64, _ trade: TradeTexts
    ) -> ServerMessage {
        ServerMessage(
            99, "tickByTick", request: request,
            [
                isAll ? "2" : "1", String(second), trade.price, trade.size, String(trade.mask),
                trade.exchange, trade.conditions,
            ])
    }

    func tickByTickQuote(
        _ request: Int32, second: Int64, _ quote: QuoteTexts, isPastLow: Bool, isPastHigh: Bool
    ) -> ServerMessage {
        let mask = (isPastLow ? 1 : 0) + (isPastHigh ? 2 : 0)
        return ServerMessage(
            99, "tickByTick", request: request,
            [
                "3", String(second), quote.bid, quote.ask, quote.bidSize, quote.askSize,
                String(mask),
            ])
    }

    func tickByTickMidpoint(
        _ request: Int32, second: Int64, price: String
    ) -> ServerMessage {
        ServerMessage(99, "tickByTick", request: request, ["4", String(second), price])
    }

    func realTimeBar(_ request: Int32, second: Int64, _ bar: BarTexts) -> ServerMessage {
        ServerMessage(
            50, "realtimeBar", version: 3, request: request,
            [
                String(second), bar.open, bar.high, bar.low, bar.close, bar.volume, bar.average,
                bar.count,
            ])
    }

    // MARK: depth

    /// `maker` is nil in books without market makers.
    func depth(_ request: Int32, _ change: DepthChange) -> ServerMessage {
        let row = String(change.row)
        let rest = [
            String(change.operation.rawValue), change.isBid ? "1" : "0", change.price,
            change.size,
        ]
        guard let maker = change.maker else {
            return ServerMessage(12, "marketDepth", version: 1, request: request, [row] + rest)
        }
        return ServerMessage(
            13, "marketDepthL2", version: 1, request: request,
            [row, maker] + rest + [change.isSmart ? "1" : "0"])
    }

    func bulletin(
        id: Int32, type: Int32, text: String, exchange: String
    ) -> ServerMessage {
        ServerMessage(14, "newsBulletin", version: 1, [String(id), String(type), text, exchange])
    }
}
