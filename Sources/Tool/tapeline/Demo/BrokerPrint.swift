import IBSimulator
import MarketModel
import Primitives

/// A trade as the broker's history reports it: to the second, without an id. Several trades may be
/// equal, so their counts are compared.
struct BrokerPrint: Hashable, Sendable {
    typealias Counts = [BrokerPrint: Int]

    let symbol: String
    let second: Int64
    let price: String
    let size: String

    init(symbol: String, second: Int64, price: String, size: String) {
        self.symbol = symbol
        self.second = second
        self.price = Self.plain(price)
        self.size = Self.plain(size)
    }

    /// Returns the decimal number without trailing zeros.
    private static func plain(_ text: String) -> String {
        guard text.contains(".") else { return text }
        var digits = text[...]
        while digits.last == "0" { digits.removeLast() }
        if digits.last == "." { digits.removeLast() }
        return String(digits)
    }

    // MARK: what the broker sent

    /// Marks a message of one trade in a truth log. The trade is a text of price, size,
    /// milliseconds and more.
    private static let mark = Array("\"kind\":\"tickString\"".utf8)
    private static let tradeType = "48"

    /// Returns the trade in a line of a truth log. `nil` if the line reports no trade, or one that
    /// was not sent while it happened.
    static func sent(_ line: ArraySlice<UInt8>) -> BrokerPrint? {
        guard line.contains(mark), let document = parsedJSON(Array(line)),
            let symbol = document["symbol"]?.string,
            let fields = document["fields"]?.array, fields.first?.string == tradeType,
            let parts = fields.last?.string?.split(
                separator: ";", omittingEmptySubsequences: false), parts.count >= 3,
            // Without a price the message reports the day's volume, not a trade.
            !parts[0].isEmpty, let milliseconds = Int64(parts[2])
        else { return nil }
        return BrokerPrint(
            symbol: symbol, second: milliseconds / 1_000, price: String(parts[0]),
            size: String(parts[1]))
    }

    // MARK: what happened

    /// Returns all trades of the synthetic market in these seconds, sent or not. They follow from
    /// the seed.
    static func market(_ plan: DemoPlan, in seconds: Range<Int64>) -> Counts {
        let market = SimulatedMarket(
            instruments: InstrumentList.make(symbols: DemoPlan.symbols, others: false),
            seed: plan.seed, rate: plan.rate, firstSecond: 0)
        var counts: Counts = [:]
        for (index, instrument) in market.instruments.enumerated() {
            for second in seconds {
                for event in market.events(of: index, in: second) {
                    guard case .trade(let trade) = event.kind else { continue }
                    let print = BrokerPrint(
                        symbol: instrument.symbol, second: second,
                        price: instrument.priceText(trade.price),
                        size: instrument.sizeText(trade.size))
                    counts[print, default: 0] += 1
                }
            }
        }
        return counts
    }
}
