internal import Primitives

/// The messages of the streams, as Alpaca documents them.
enum AlpacaMessages {
    static func success(_ text: String) -> WireMessage {
        var message = WireMessage("success")
        message["msg"] = .text(text)
        return message
    }

    static func error(_ error: AlpacaError) -> WireMessage {
        var message = WireMessage("error")
        message["code"] = .integer(Int64(error.rawValue))
        message["msg"] = .text(error.text)
        return message
    }

    /// The whole list of what a client has subscribed to.
    static func subscription(
        _ channels: [AlpacaChannel], _ symbols: [AlpacaChannel: Set<String>]
    ) -> WireMessage {
        var message = WireMessage("subscription")
        for channel in channels {
            message[channel.rawValue] = .texts(symbols[channel, default: []].sorted())
        }
        return message
    }

    /// Returns the message of a record of the market.
    static func message(of record: AlpacaRecord, in market: AlpacaMarket) -> WireMessage {
        switch record.what {
        case .trade(let trade): message(trade, market.symbols[trade.symbol])
        case .correction(let trade, let change), .cancel(let trade, let change):
            message(trade, change, market.symbols[trade.symbol])
        case .quote(let quote): message(quote, market.symbols[quote.symbol])
        case .bar(let kind, let bar, _): message(kind, bar, market.symbols[bar.symbol])
        case .status(let status): message(status, market.symbols[status.symbol])
        case .news(let article): message(article)
        }
    }

    static func message(_ trade: AlpacaTrade, _ symbol: AlpacaSymbol) -> WireMessage {
        var message = WireMessage("t")
        message["S"] = .text(symbol.name)
        message["i"] = .integer(Int64(clamping: trade.id))
        if symbol.tape.isEmpty {
            message["tks"] = .text(trade.isBuy ? "B" : "S")
        } else {
            message["x"] = .text(trade.exchange)
        }
        message["p"] = symbol.price(trade.price)
        message["s"] = symbol.size(trade.size)
        if !symbol.tape.isEmpty {
            message["c"] = .texts(trade.size < 100 ? ["@", "I"] : ["@"])
            message["z"] = .text(symbol.tape)
        }
        message["t"] = .time(trade.time)
        return message
    }

    private static func message(
        _ trade: AlpacaTrade, _ change: VenueChange, _ symbol: AlpacaSymbol
    ) -> WireMessage {
        switch change.kind {
        case .corrected(let id, let price, let size):
            var message = WireMessage("c")
            message["S"] = .text(symbol.name)
            message["x"] = .text(trade.exchange)
            message["oi"] = .integer(Int64(clamping: trade.id))
            message["op"] = symbol.price(trade.price)
            message["os"] = symbol.size(trade.size)
            message["oc"] = .texts(trade.size < 100 ? ["@", "I"] : ["@"])
            message["ci"] = .integer(Int64(clamping: id))
            message["cp"] = symbol.price(price)
            message["cs"] = symbol.size(size)
            message["cc"] = .texts(size < 100 ? ["@", "I"] : ["@"])
            message["z"] = .text(symbol.tape)
            message["t"] = .time(change.time)
            return message
        case .cancelled(let action):
            var message = WireMessage("x")
            message["S"] = .text(symbol.name)
            message["i"] = .integer(Int64(clamping: trade.id))
            message["x"] = .text(trade.exchange)
            message["p"] = symbol.price(trade.price)
            message["s"] = symbol.size(trade.size)
            message["a"] = .text(action)
            message["z"] = .text(symbol.tape)
            message["t"] = .time(change.time)
            return message
        }
    }

    static func message(_ quote: AlpacaQuote, _ symbol: AlpacaSymbol) -> WireMessage {
        var message = WireMessage("q")
        message["S"] = .text(symbol.name)
        if !symbol.tape.isEmpty { message["bx"] = .text(quote.bidExchange) }
        message["bp"] = symbol.price(quote.bid)
        message["bs"] = symbol.size(quote.bidSize)
        if !symbol.tape.isEmpty { message["ax"] = .text(quote.askExchange) }
        message["ap"] = symbol.price(quote.ask)
        message["as"] = symbol.size(quote.askSize)
        if !symbol.tape.isEmpty {
            message["c"] = .texts(["R"])
            message["z"] = .text(symbol.tape)
        }
        message["t"] = .time(quote.time)
        return message
    }

    static func message(
        _ kind: BarKind, _ bar: AlpacaBar, _ symbol: AlpacaSymbol
    ) -> WireMessage {
        var message = WireMessage(kind.rawValue)
        message["S"] = .text(symbol.name)
        message["o"] = symbol.price(bar.open)
        message["h"] = symbol.price(bar.high)
        message["l"] = symbol.price(bar.low)
        message["c"] = symbol.price(bar.close)
        message["v"] = symbol.size(bar.volume)
        message["n"] = .integer(bar.trades)
        message["vw"] = .decimal(bar.average, decimals: symbol.priceDecimals + 2)
        message["t"] = .time(bar.start)
        return message
    }

    private static func message(_ status: AlpacaStatus, _ symbol: AlpacaSymbol) -> WireMessage {
        var message = WireMessage("s")
        message["S"] = .text(symbol.name)
        message["sc"] = .text(status.isHalt ? "H" : "T")
        message["sm"] = .text(status.isHalt ? "Trading Halt" : "Trading Resumption")
        message["rc"] = .text(status.isHalt ? "LUDP" : "")
        message["rm"] = .text(status.isHalt ? "Volatility Trading Pause" : "")
        message["z"] = .text(symbol.tape)
        message["t"] = .time(status.time)
        return message
    }

    private static func message(_ article: AlpacaArticle) -> WireMessage {
        var message = WireMessage("n")
        message["id"] = .integer(Int64(clamping: article.id))
        message["headline"] = .text(article.headline)
        message["summary"] = .text("")
        message["author"] = .text("A simulator")
        message["created_at"] = .time(article.time)
        message["updated_at"] = .time(article.time)
        message["url"] = .text("http://127.0.0.1/news/\(article.id)")
        message["content"] = .text("")
        message["symbols"] = .texts(article.symbols)
        message["source"] = .text("simulator")
        return message
    }
}

extension AlpacaSymbol {
    func price(_ units: Int64) -> WireMessage.Value { .decimal(units, decimals: priceDecimals) }

    func size(_ units: Int64) -> WireMessage.Value {
        sizeDecimals == 0 ? .integer(units) : .decimal(units, decimals: sizeDecimals)
    }
}
