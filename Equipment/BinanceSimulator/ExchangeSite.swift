package import Primitives
package import VenueWeb

/// A server of the exchange's public streams and requests without sockets.
package typealias SimulatedExchange = WebVenue<ExchangeSite>

extension WebVenue where Site == ExchangeSite {
    package init(
        _ settings: WebSettings, market: ExchangeMarket, start: Timestamp,
        marketDataStatus: Int = ExchangeLimits.marketDataStatuses[0]
    ) {
        self.init(
            ExchangeSite(settings, market: market, marketDataStatus: marketDataStatus),
            start: start)
    }
}

/// The exchange's streams, requests and trades.
package struct ExchangeSite: WebSite {
    package typealias Session = ExchangeSession

    package let settings: WebSettings
    package let market: ExchangeMarket
    /// What `historicalTrades` is answered with at the address of market data alone.
    private let marketDataStatus: Int
    private var marketLog: VenueLog
    /// So many of the next trades are sent to nobody.
    private var tradesToLose = 0

    package init(
        _ settings: WebSettings, market: ExchangeMarket,
        marketDataStatus: Int = ExchangeLimits.marketDataStatuses[0]
    ) {
        var settings = settings
        self.marketDataStatus = marketDataStatus
        settings.framesPerSecondMax = ExchangeLimits.framesPerSecond
        self.settings = settings
        self.market = market
        marketLog = VenueLog(isWanted: settings.keepsMarketLog)
    }

    package static var ownCommands: String { "lose N" }
    package var seed: UInt64 { market.seed }

    package func newSession() -> ExchangeSession { ExchangeSession() }

    package func answer(_ request: VenueRequest, now: Timestamp) -> HTTPAnswer {
        ExchangeRequests(market: market, now: now, marketDataStatus: marketDataStatus)
            .answer(request)
    }

    package func refusal(_ request: VenueRequest, status: Int) -> HTTPAnswer {
        let text = [418: "Way too many requests; IP banned.", 429: "Too many requests."][status]
        guard let text else { return .error(status, code: -1_000, "An unknown error occurred.") }
        return .error(status, code: -1_003, text)
    }

    package func upgrade(
        _ request: VenueRequest, of session: inout ExchangeSession
    ) -> HTTPAnswer {
        session.upgrade(request)
    }

    package func received(
        _ message: [UInt8], from connection: inout Connection, now: Timestamp
    ) {
        let answer = connection.session.answer(to: message)
        guard !connection.isMute(now) else { return }
        connection.send(.text(answer), QueuedMessage(kind: "answer"))
    }

    package func badFrame(for session: ExchangeSession) -> WebSocketFrame {
        .text(Array("{\"e\":\"trade\",\"s\":\"".utf8))
    }

    package func shutdownFrame(
        for session: ExchangeSession, now: Timestamp
    ) -> WebSocketFrame? {
        .text(ExchangeMessages.shutdown(now, isCombined: session.isCombined))
    }

    package func streams(of session: ExchangeSession) -> Int { session.streams.count }

    package mutating func control(
        _ name: String, _ numbers: [Int], now: Timestamp
    ) -> String? {
        guard name == "lose", numbers.count == 1,
            (1...ExchangeLimits.lostTradesMax).contains(numbers[0])
        else { return nil }
        tradesToLose += numbers[0]
        return "ok"
    }

    package mutating func takeMarketLog() -> [UInt8] { marketLog.takeLines() }

    package mutating func publish(
        after: Timestamp, until: Timestamp, to connections: inout [Connection]
    ) {
        for trade in market.trades(after: after, until: until) {
            publish(trade, until, to: &connections)
            publishQuote(after: trade, until, to: &connections)
        }
        publishSides(after: after, until: until, to: &connections)
    }

    private mutating func publish(
        _ trade: ExchangeTrade, _ now: Timestamp, to connections: inout [Connection]
    ) {
        let symbol = market.symbols[trade.symbol]
        marketLog.add { $0.members(of: trade, symbol) }
        guard tradesToLose == 0 else {
            tradesToLose -= 1
            return
        }
        let isLogged = settings.keepsTruth
        for place in connections.indices
        where connections[place].session.streams.contains(symbol.stream)
            && connections[place].isDelivering(now)
        {
            let bytes = ExchangeMessages.trade(
                trade, of: symbol, sent: now, isCombined: connections[place].session.isCombined)
            let message = QueuedMessage(record: "trade", isLogged: isLogged) {
                $0.members(of: trade, symbol)
            }
            connections[place].send(.text(bytes), message)
        }
    }
}

extension JSONWriter {
    /// Writes what the logs say about a trade.
    fileprivate mutating func members(of trade: ExchangeTrade, _ symbol: ExchangeSymbol) {
        member("symbol", symbol.name)
        member("id", trade.id)
        member("trade_time", trade.milliseconds)
        member("price", symbol.priceText(trade.price))
        member("quantity", symbol.quantityText(trade.quantity))
        member("is_buyer_maker", trade.isBuyerMaker)
    }
}

extension HTTPAnswer {
    /// An error as the exchange writes it.
    static func error(_ status: Int, code: Int, _ text: String) -> HTTPAnswer {
        json(status) { writer in
            writer.object { json in
                json.member("code", code)
                json.member("msg", text)
            }
        }
    }
}
