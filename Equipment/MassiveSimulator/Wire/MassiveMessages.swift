internal import Primitives

/// The messages of the stream, as Massive documents them.
enum MassiveMessages {
    /// Returns the message of a record. A cancellation has one for the log alone.
    static func text(of record: MassiveRecord, in market: MassiveMarket) -> String {
        let symbol = market.symbols[record.symbol]
        return JSONWriter.made { json in
            json.member("ev", record.channel?.rawValue ?? "bust")
            json.member("sym", symbol.name)
            switch record.what {
            case .trade(let trade): write(trade, symbol, to: &json)
            case .quote(let quote): write(quote, symbol, to: &json)
            case .second(let bar, let totals):
                write(bar, totals, MassiveMarket.secondNanoseconds, to: &json)
            case .minute(let bar, let totals):
                write(bar, totals, MassiveMarket.minuteNanoseconds, to: &json)
            case .bust(let bust): write(bust, to: &json)
            }
        }.text
    }

    private static func write(
        _ trade: MassiveTrade, _ symbol: MassiveSymbol, to json: inout JSONWriter
    ) {
        json.member("x", trade.exchange)
        json.member("i", String(trade.id))
        json.member("z", symbol.tape)
        json.price("p", trade.price)
        json.member("s", trade.size / MassiveSymbol.share)
        json.member("ds", MassiveSymbol.text(ofSize: trade.size))
        json.codes("c", trade.conditions)
        json.member("t", trade.reported.milliseconds)
        json.member("pt", trade.happened.milliseconds)
        json.member("q", trade.sequence)
        if let facility = trade.facility {
            json.member("trfi", facility)
            json.member("trft", trade.reported.milliseconds)
        }
    }

    private static func write(
        _ quote: MassiveQuote, _ symbol: MassiveSymbol, to json: inout JSONWriter
    ) {
        json.member("bx", quote.bidExchange)
        json.price("bp", quote.bid)
        json.member("bs", quote.bidSize)
        json.member("ax", quote.askExchange)
        json.price("ap", quote.ask)
        json.member("as", quote.askSize)
        json.member("c", MassiveQuote.condition)
        json.codes("i", quote.indicators)
        json.member("t", quote.reported.milliseconds)
        json.member("pt", quote.happened.milliseconds)
        json.member("q", quote.sequence)
        json.member("z", symbol.tape)
    }

    private static func write(
        _ bar: MassiveBar, _ totals: MassiveTotals, _ width: Int64, to json: inout JSONWriter
    ) {
        json.member("v", bar.volume / MassiveSymbol.share)
        json.member("dv", MassiveSymbol.text(ofSize: bar.volume))
        json.member("av", totals.volume / MassiveSymbol.share)
        json.member("dav", MassiveSymbol.text(ofSize: totals.volume))
        json.price("op", totals.open ?? bar.open)
        json.average("vw", bar.average)
        json.price("o", bar.open)
        json.price("c", bar.close)
        json.price("h", bar.high)
        json.price("l", bar.low)
        json.average("a", totals.average)
        json.member("z", bar.volume / bar.trades / MassiveSymbol.share)
        json.member("s", bar.start.milliseconds)
        json.member("e", bar.start.advanced(byNanoseconds: width).milliseconds)
    }

    private static func write(_ bust: MassiveBust, to json: inout JSONWriter) {
        json.member("x", bust.trade.exchange)
        json.member("i", String(bust.trade.id))
        json.member("q", bust.trade.sequence)
        if let facility = bust.trade.facility { json.member("trfi", facility) }
        json.member("correction", bust.correction)
    }
}

extension MassiveQuote {
    /// Both sides are open.
    static let condition = 1
    var indicators: [Int] { hasIndicator ? [604] : [] }
}

extension MassiveSymbol {
    static func text(ofSize size: Int64) -> String {
        FixedPoint.text(size, decimals: sizeDecimals)
    }
}

extension Timestamp {
    var milliseconds: Int64 { nanoseconds / 1_000_000 }
}

extension JSONWriter {
    mutating func price(_ name: String, _ price: Int64) {
        key(name)
        literal(FixedPoint.text(price, decimals: MassiveSymbol.priceDecimals))
    }

    mutating func average(_ name: String, _ average: Int64) {
        key(name)
        literal(FixedPoint.text(average, decimals: MassiveSymbol.priceDecimals + 2))
    }

    /// Nothing is written if there is none.
    mutating func codes(_ name: String, _ codes: [Int]) {
        guard !codes.isEmpty else { return }
        array(name) { list in for code in codes { list.value(code) } }
    }
}
