import IBEngine
import IBProtocol
import MarketModel
import Primitives
import Testing

/// Answers of a server, read as from the wire.
enum HistoryAnswers {
    struct Unreadable: Error {}

    private static func message(_ fields: [String]) throws -> HistoryAnswer {
        var decoder = MessageDecoder(version: 187)
        let body: [UInt8] = fields.flatMap { Array($0.utf8) + [0] }
        guard case .message(.history(let answer)) = body.withRawSpan({ decoder.decode($0) }) else {
            throw Unreadable()
        }
        return answer
    }

    static func trades(_ id: Int32, _ ticks: [MarketTick], isLast: Bool = true) throws
        -> HistoryAnswer
    {
        let head = ["98", "\(id)", "\(ticks.count)"]
        let body = ticks.flatMap {
            [
                "\($0.second)", $0.isUnreported ? "2" : "0", "\($0.price)", "\($0.size)",
                $0.exchange, $0.conditions,
            ]
        }
        return try message(head + body + [isLast ? "1" : "0"])
    }

    static func quotes(_ id: Int32, _ ticks: [MarketTick], isLast: Bool = true) throws
        -> HistoryAnswer
    {
        let head = ["97", "\(id)", "\(ticks.count)"]
        let body = ticks.flatMap {
            ["\($0.second)", "0", "\($0.price)", "\($0.price + 1)", "\($0.size)", "\($0.size + 1)"]
        }
        return try message(head + body + [isLast ? "1" : "0"])
    }

    /// Returns bars of one price, one per beginning, within the first minute of 1970.
    static func bars(_ id: Int32, _ seconds: [Int64]) throws -> HistoryAnswer {
        let head = ["17", "\(id)", "", "", "\(seconds.count)"]
        let body = seconds.flatMap {
            [
                "19700101 00:00:\($0 < 10 ? "0" : "")\($0) UTC", "10", "12", "9", "11", "500",
                "10.5", "7",
            ]
        }
        return try message(head + body)
    }
}

/// A trade of a market, or a quote, which has neither exchange nor conditions.
struct MarketTick: Hashable, Sendable {
    var second: Int64
    var price: Int
    var size: Int
    var exchange = "ARCA"
    var conditions = ""
    var isUnreported = false

    init(_ second: Int64, _ price: Int, _ size: Int = 100) {
        self.second = second
        self.price = price
        self.size = size
    }

    private func header(_ instrument: UInt32, _ flags: TickFlags = []) -> TickHeader {
        TickHeader(
            symbol: instrument, flags: flags, resolution: TimeResolution.second.rawValue,
            providerTime: wallSeconds(Double(second)), receiveTime: wallSeconds(Double(second)))
    }

    func trade(_ instrument: UInt32, isConflated: Bool = false) -> Trade {
        var trade = Trade(
            header: header(instrument, isConflated ? .conflated : []),
            price: Price(raw: Int64(price) * 1_000_000_000),
            size: Quantity(raw: Int64(size) * 100_000_000))
        if !isConflated {
            trade.exchange = ShortText(exchange) ?? .empty
            trade.conditions = ShortText(conditions) ?? .empty
        }
        return trade
    }

    func quote(_ instrument: UInt32) -> Quote {
        let trade = trade(instrument)
        return Quote(
            header: trade.header, bidPrice: trade.price, bidSize: trade.size,
            askPrice: Price(raw: trade.price.raw + 1_000_000_000),
            askSize: Quantity(raw: trade.size.raw + 100_000_000))
    }

    /// Returns the tick as it arrived at `time`; undefined: when it happened.
    func arrived(
        _ kind: DataKind, isConflated: Bool = false, at time: Timestamp = .undefined
    ) -> ArrivedTick {
        guard kind == .trade else { return .quote(quote(0)) }
        var trade = trade(0, isConflated: isConflated)
        if time.isDefined { trade.header.receiveTime = time }
        return .trade(trade)
    }

    init(_ trade: Trade) {
        self.init(
            trade.header.providerTime.nanoseconds / 1_000_000_000,
            Int(trade.price.raw / 1_000_000_000), Int(trade.size.raw / 100_000_000))
        exchange = trade.exchange.text
        conditions = trade.conditions.text
    }

    init(_ quote: Quote) {
        self.init(
            quote.header.providerTime.nanoseconds / 1_000_000_000,
            Int(quote.bidPrice.raw / 1_000_000_000), Int(quote.bidSize.raw / 100_000_000))
        exchange = ""
    }
}

func wallSeconds(_ value: Double) -> Timestamp {
    Timestamp(nanoseconds: Int64(value * 1_000) * 1_000_000)
}

extension ProviderRecord {
    var gapRecord: GapRecord? { if case .tape(.gap(let record)) = self { record } else { nil } }
    var addedTrade: MarketTick? {
        if case .tape(.trade(let trade)) = self { MarketTick(trade) } else { nil }
    }
    var addedQuote: MarketTick? {
        if case .tape(.quote(let quote)) = self { MarketTick(quote) } else { nil }
    }
}
