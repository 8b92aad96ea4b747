internal import Primitives

/// The results of requests, as Massive documents them.
enum MassiveRows {
    /// A trade, with what has become of it.
    static func write(
        _ trade: MassiveTrade, _ bust: MassiveBust?, _ symbol: MassiveSymbol,
        to json: inout JSONWriter
    ) {
        json.codes("conditions", trade.conditions)
        if let bust { json.member("correction", bust.correction) }
        json.member("decimal_size", MassiveSymbol.text(ofSize: trade.size))
        json.member("exchange", trade.exchange)
        json.member("id", String(trade.id))
        json.member("participant_timestamp", trade.happened.nanoseconds)
        json.price("price", trade.price)
        json.member("sequence_number", trade.sequence)
        json.member("sip_timestamp", trade.reported.nanoseconds)
        json.member("size", trade.size / MassiveSymbol.share)
        json.member("tape", symbol.tape)
        if let facility = trade.facility {
            json.member("trf_id", facility)
            json.member("trf_timestamp", trade.reported.nanoseconds)
        }
    }

    static func write(
        _ quote: MassiveQuote, _ symbol: MassiveSymbol, to json: inout JSONWriter
    ) {
        json.member("ask_exchange", quote.askExchange)
        json.price("ask_price", quote.ask)
        json.member("ask_size", quote.askSize)
        json.member("bid_exchange", quote.bidExchange)
        json.price("bid_price", quote.bid)
        json.member("bid_size", quote.bidSize)
        json.codes("conditions", [MassiveQuote.condition])
        json.codes("indicators", quote.indicators)
        json.member("participant_timestamp", quote.happened.nanoseconds)
        json.member("sequence_number", quote.sequence)
        json.member("sip_timestamp", quote.reported.nanoseconds)
        json.member("tape", symbol.tape)
    }

    static func write(_ bar: MassiveBar, to json: inout JSONWriter) {
        json.key("v")
        json.literal(MassiveSymbol.text(ofSize: bar.volume))
        json.average("vw", bar.average)
        json.price("o", bar.open)
        json.price("c", bar.close)
        json.price("h", bar.high)
        json.price("l", bar.low)
        json.member("t", bar.start.milliseconds)
        json.member("n", bar.trades)
    }
}
