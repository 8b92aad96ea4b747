internal import Primitives
internal import VenueWeb

// What is sent beside trades, to clients who asked for it.
extension ExchangeSite {
    /// How often books and bars that are not over are sent, in milliseconds.
    private static let bookInterval: Int64 = 100
    private static let barInterval: Int64 = 1_000

    func publishQuote(
        after trade: ExchangeTrade, _ now: Timestamp, to connections: inout [Connection]
    ) {
        let symbol = market.symbols[trade.symbol]
        let stream = "\(symbol.lowercased)@bookTicker"
        guard connections.contains(where: { $0.session.streams.contains(stream) }) else { return }
        let quote = market.quote(trade.symbol, after: trade.id)
        send("quote", on: stream, now, to: &connections) { json in
            json.member("u", quote.update)
            json.member("s", symbol.name)
            json.member("b", symbol.priceText(quote.bid.price))
            json.member("B", symbol.quantityText(quote.bid.quantity))
            json.member("a", symbol.priceText(quote.ask.price))
            json.member("A", symbol.quantityText(quote.ask.quantity))
        }
    }

    /// Sends the bars and books that are due after one time until another.
    func publishSides(after: Timestamp, until: Timestamp, to connections: inout [Connection]) {
        let streams = connections.reduce(into: Set<String>()) {
            $0.formUnion($1.session.streams.lazy.filter { !$0.hasSuffix("@trade") })
        }
        guard !streams.isEmpty else { return }
        for (number, symbol) in market.symbols.enumerated() {
            if streams.contains("\(symbol.lowercased)@depth20@100ms") {
                publishBook(number, after: after, until: until, to: &connections)
            }
            for (name, length) in ExchangeBar.lengths
            where streams.contains("\(symbol.lowercased)@kline_\(name)") {
                let bars = (name, length)
                publishBars(number, bars, after: after, until: until, to: &connections)
            }
        }
    }

    /// Returns the multiples of an interval after one time until another, in milliseconds.
    private static func multiples(
        of interval: Int64, after: Timestamp, until: Timestamp
    ) -> StrideThrough<Int64> {
        let (last, end) = (after.nanoseconds / 1_000_000, until.nanoseconds / 1_000_000)
        return stride(from: (last / interval + 1) * interval, through: end, by: Int(interval))
    }

    private func publishBook(
        _ number: Int, after: Timestamp, until: Timestamp, to connections: inout [Connection]
    ) {
        let symbol = market.symbols[number]
        for time in Self.multiples(of: Self.bookInterval, after: after, until: until) {
            let moment = Timestamp(nanoseconds: time * 1_000_000)
            let id = market.lastID(of: number, at: moment)
            guard id > 0 else { continue }
            let book = market.book(number, after: id)
            send(
                "book", on: "\(symbol.lowercased)@depth20@100ms", until, to: &connections
            ) { json in
                json.member("lastUpdateId", book.update)
                json.array("bids") { $0.rows(book.bids, symbol) }
                json.array("asks") { $0.rows(book.asks, symbol) }
            }
        }
    }

    private func publishBars(
        _ number: Int, _ bars: (name: String, length: Int64), after: Timestamp, until: Timestamp,
        to connections: inout [Connection]
    ) {
        for time in Self.multiples(of: Self.barInterval, after: after, until: until) {
            // The bar of the millisecond before this time may be over.
            let open = ExchangeBar.open(of: time - 1, length: bars.length)
            let isOver = open + bars.length == time
            let moment = Timestamp(nanoseconds: time * 1_000_000)
            let bar = market.bar(number, open: open, length: bars.length, now: moment)
            let symbol = market.symbols[number]
            send(
                "bar", on: "\(symbol.lowercased)@kline_\(bars.name)", until, to: &connections
            ) { json in
                json.members(of: bar, symbol, bars.name, isOver: isOver, sent: until)
            }
        }
    }

    /// Sends a message to all who asked for its stream.
    private func send(
        _ kind: String, on stream: String, _ now: Timestamp, to connections: inout [Connection],
        _ members: (inout JSONWriter) -> Void
    ) {
        for place in connections.indices
        where connections[place].session.streams.contains(stream)
            && connections[place].isDelivering(now)
        {
            let bytes = ExchangeMessages.event(
                stream, isCombined: connections[place].session.isCombined, members)
            let message = QueuedMessage(record: kind, isLogged: settings.keepsTruth) { json in
                json.member("stream", stream)
                members(&json)
            }
            connections[place].send(.text(bytes), message)
        }
    }
}

extension JSONWriter {
    fileprivate mutating func rows(_ rows: [ExchangeRow], _ symbol: ExchangeSymbol) {
        for row in rows {
            array { json in
                json.value(symbol.priceText(row.price))
                json.value(symbol.quantityText(row.quantity))
            }
        }
    }

    fileprivate mutating func members(
        of bar: ExchangeBar, _ symbol: ExchangeSymbol, _ name: String, isOver: Bool,
        sent: Timestamp
    ) {
        member("e", "kline")
        member("E", sent.nanoseconds / 1_000_000)
        member("s", symbol.name)
        object("k") { json in
            json.member("t", bar.open)
            json.member("T", bar.open + bar.length - 1)
            json.member("s", symbol.name)
            json.member("i", name)
            json.member("f", bar.ids.map { Int64(clamping: $0.lowerBound) } ?? -1)
            json.member("L", bar.ids.map { Int64(clamping: $0.upperBound) } ?? -1)
            json.member("o", symbol.priceText(bar.prices[0]))
            json.member("c", symbol.priceText(bar.prices[3]))
            json.member("h", symbol.priceText(bar.prices[1]))
            json.member("l", symbol.priceText(bar.prices[2]))
            json.member("v", symbol.quantityText(bar.quantity))
            json.member("n", bar.ids.map(\.count) ?? 0)
            json.member("x", isOver)
        }
    }
}
