internal import Primitives
internal import VenueWeb

/// One page of what has happened, symbol by symbol.
struct AlpacaPage {
    let kind: PageKind
    let market: AlpacaMarket
    let feed: AlpacaFeed
    let start: Timestamp
    let end: Timestamp
    /// What was reported after this time is unknown.
    let now: Timestamp
    let limit: Int

    private var entries: [(symbol: Int, entries: [WireMessage])] = []
    private var count = 0
    private var tradesLeft = Int64(AlpacaLimits.tradesPerAnswerMax)
    private var next: Token?

    /// Where the next page begins.
    struct Token: Equatable {
        let symbol: Int
        /// Of the trade or quote, or of the bar's minute since 1970.
        let number: UInt64
        /// The trade itself was on the page before, and its correction was not.
        let isCorrection: Bool

        init(symbol: Int, number: UInt64, isCorrection: Bool = false) {
            (self.symbol, self.number, self.isCorrection) = (symbol, number, isCorrection)
        }

        init?(_ text: String, _ market: AlpacaMarket) {
            guard let bytes = Base64.decode(text) else { return nil }
            let parts = String(decoding: bytes, as: UTF8.self).split(separator: "|")
            guard parts.count == 3, let symbol = market.place(of: String(parts[0])),
                let number = UInt64(parts[1])
            else { return nil }
            self.init(symbol: symbol, number: number, isCorrection: parts[2] == "1")
        }

        func text(_ market: AlpacaMarket) -> String {
            let name = market.symbols[symbol].name
            return Base64.encode(Array("\(name)|\(number)|\(isCorrection ? 1 : 0)".utf8))
        }
    }

    init(
        kind: PageKind, market: AlpacaMarket, feed: AlpacaFeed, start: Timestamp, end: Timestamp,
        now: Timestamp, limit: Int
    ) {
        (self.kind, self.market, self.feed) = (kind, market, feed)
        (self.start, self.end, self.now, self.limit) = (start, end, now, limit)
    }

    /// Fills the page with these symbols, from a token on.
    mutating func fill(_ places: [Int], from token: Token?) {
        var rest = places[...]
        if let token { rest = rest.drop { $0 != token.symbol } }
        for place in rest where next == nil {
            entries.append((place, []))
            let first = place == token?.symbol ? token : nil
            switch kind {
            case .trades: fillTrades(place, first)
            case .quotes: fillQuotes(place, first)
            case .bars: fillBars(place, first)
            }
        }
        entries.removeAll { $0.entries.isEmpty }
    }

    private var before: Timestamp { start.advanced(byNanoseconds: -1) }

    /// Returns false if the page is full.
    private mutating func add(_ message: WireMessage, _ token: Token) -> Bool {
        guard count < limit else {
            next = token
            return false
        }
        count += 1
        entries[entries.count - 1].entries.append(message.withoutHead)
        return true
    }

    private mutating func fillTrades(_ place: Int, _ token: Token?) {
        let numbers = market.tradeNumbers(place, after: before, until: end)
        // A token may be of a time after the end.
        let first = min(max(numbers.lowerBound, token?.number ?? 0), numbers.upperBound)
        for number in first..<numbers.upperBound {
            if next != nil { return }
            guard let trade = market.trade(place, number), feed == .all || trade.isOfIEX,
                trade.published <= now
            else { continue }
            add(trade, isFirstDone: token?.number == number && token?.isCorrection == true)
        }
    }

    /// Adds a trade with what has become of it, and the trade that corrects it.
    private mutating func add(_ trade: AlpacaTrade, isFirstDone: Bool) {
        let symbol = market.symbols[trade.symbol]
        let change = market.change(of: trade).flatMap { $0.time <= now ? $0 : nil }
        var message = AlpacaMessages.message(trade, symbol)
        switch change?.kind {
        case .corrected: message["u"] = .text("incorrect")
        case .cancelled: message["u"] = .text("canceled")
        case nil: break
        }
        let token = Token(symbol: trade.symbol, number: trade.number)
        guard isFirstDone || add(message, token) else { return }
        guard case .corrected(let id, let price, let size) = change?.kind else { return }
        var later = AlpacaMessages.message(
            AlpacaTrade(
                symbol: trade.symbol, number: trade.number, id: id, exchange: trade.exchange,
                time: trade.time, published: trade.published, price: price, size: size,
                isBuy: trade.isBuy), symbol)
        later["u"] = .text("corrected")
        _ = add(later, Token(symbol: trade.symbol, number: trade.number, isCorrection: true))
    }

    private mutating func fillQuotes(_ place: Int, _ token: Token?) {
        let numbers = market.quoteNumbers(place, after: before, until: end)
        // A token may be of a time after the end.
        let first = min(max(numbers.lowerBound, token?.number ?? 0), numbers.upperBound)
        for number in first..<numbers.upperBound {
            if next != nil { return }
            let quote = market.quote(place, number)
            guard feed == .all || quote.isOfIEX else { continue }
            let message = AlpacaMessages.message(quote, market.symbols[place])
            _ = add(message, Token(symbol: place, number: number))
        }
    }

    /// The bars of minutes that have ended.
    private mutating func fillBars(_ place: Int, _ token: Token?) {
        let width = AlpacaMarket.minuteNanoseconds
        let first = max(
            UInt64(clamping: (max(0, start.nanoseconds) + width - 1) / width), token?.number ?? 0)
        let latest = min(end.nanoseconds, now.nanoseconds - width) / width
        guard latest >= 0, first <= UInt64(clamping: latest) else { return }
        for minute in first...UInt64(latest) {
            if next != nil { return }
            let here = Token(symbol: place, number: minute)
            guard tradesLeft > 0 else {
                next = here
                return
            }
            let time = Timestamp(nanoseconds: Int64(clamping: minute) * width)
            let trades = market.tradeNumbers(
                place, after: time.advanced(byNanoseconds: -1),
                until: time.advanced(byNanoseconds: width - 1))
            // A minute without trades takes time, too.
            tradesLeft -= 1 + Int64(clamping: trades.count)
            guard let bar = market.bar(place, minute: time, of: feed, at: now) else { continue }
            _ = add(AlpacaMessages.message(.minute, bar, market.symbols[place]), here)
        }
    }

    var answer: HTTPAnswer {
        .json { writer in
            writer.object { json in
                json.key(kind.rawValue)
                json.object { json in
                    for (symbol, messages) in entries {
                        json.key(market.symbols[symbol].name)
                        json.array { list in
                            for message in messages { message.write(to: &list) }
                        }
                    }
                }
                json.key("next_page_token")
                if let next { json.value(next.text(market)) } else { json.null() }
            }
        }
    }
}
