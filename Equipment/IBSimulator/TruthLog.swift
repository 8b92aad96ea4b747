internal import Primitives

/// The messages that were sent, in order, as lines of JSON. The caller takes the lines and stores
/// them.
package struct TruthLog: Sendable {
    private var writer = JSONWriter(capacity: 512)
    package private(set) var lines: [UInt8] = []
    private var sequence: Int64 = 0
    var isWanted: Bool

    init(isWanted: Bool) { self.isWanted = isWanted }

    mutating func add(
        _ queued: QueuedMessage, connection: Int, client: Int32,
        of instruments: [SimulatedInstrument], now: Timestamp
    ) {
        guard isWanted else { return }
        sequence += 1
        let number = sequence
        writer.removeAll()
        writer.object { json in
            json.member("sequence", number)
            json.member("time", now.nanoseconds)
            json.member("connection", connection)
            json.member("client", client)
            json.member("kind", queued.message.name)
            json.member("request", queued.message.request ?? -1)
            if let index = queued.instrument {
                json.member("symbol", instruments[index].symbol)
                json.member("contract", instruments[index].conID)
            }
            json.member("fields", values: queued.message.values)
        }
        lines += writer.bytes
        lines.append(UInt8(ascii: "\n"))
    }

    package mutating func takeLines() -> [UInt8] {
        defer { lines.removeAll(keepingCapacity: true) }
        return lines
    }
}

/// All events of the market, whether sent to a client or not.
package struct MarketLog: Sendable {
    private var writer = JSONWriter(capacity: 512)
    private var lines: [UInt8] = []
    let isWanted: Bool

    init(isWanted: Bool) { self.isWanted = isWanted }

    mutating func add(_ event: MarketEvent, of instruments: [SimulatedInstrument]) {
        guard isWanted else { return }
        let instrument = instruments[event.instrument]
        writer.removeAll()
        writer.object { json in
            json.member("time", event.time.nanoseconds)
            json.member("symbol", instrument.symbol)
            json.member("contract", instrument.conID)
            switch event.kind {
            case .trade(let trade):
                let texts = instrument.texts(trade, version: 187, isPast: false)
                json.member("kind", "trade")
                json.member("price", texts.price)
                json.member("size", texts.size)
                json.member("exchange", texts.exchange)
                json.member("conditions", texts.conditions)
                json.member("mask", texts.mask)
            case .quote(let quote):
                let texts = instrument.texts(quote, version: 187, isPast: false)
                json.member("kind", "quote")
                json.member("bid", texts.bid)
                json.member("ask", texts.ask)
                json.member("bid_size", texts.bidSize)
                json.member("ask_size", texts.askSize)
            case .book: json.member("kind", "book")
            }
        }
        lines += writer.bytes
        lines.append(UInt8(ascii: "\n"))
    }

    package mutating func takeLines() -> [UInt8] {
        defer { lines.removeAll(keepingCapacity: true) }
        return lines
    }
}

extension SimulatedInstrument {
    func texts(_ trade: MarketTrade, version: Int32, isPast: Bool) -> TradeTexts {
        TradeTexts(
            price: priceText(trade.price),
            size: sizeText(trade.size, version: version, isPast: isPast),
            exchange: Self.exchanges[trade.exchange].name, conditions: trade.conditions,
            mask: (trade.isPastLimit ? 1 : 0) + (trade.isUnreported ? 2 : 0))
    }

    func texts(_ quote: MarketQuote, version: Int32, isPast: Bool) -> QuoteTexts {
        QuoteTexts(
            bid: priceText(quote.bid), ask: priceText(quote.ask),
            bidSize: sizeText(quote.bidSize, version: version, isPast: isPast),
            askSize: sizeText(quote.askSize, version: version, isPast: isPast))
    }
}
