internal import Primitives

/// One symbol of the exchange, with the steps of its numbers.
package struct ExchangeSymbol: Equatable, Sendable {
    package let name: String
    package let base: String
    package let quote: String
    /// Its name in the names of streams.
    let lowercased: String
    /// The name of its stream of trades.
    let stream: String
    /// The middle of its prices, in ticks.
    let level: Int64
    /// Decimals of a price and of a quantity. The wire always shows 8.
    let priceDecimals: Int
    let quantityDecimals: Int

    /// The symbols of a market if none are named.
    package static let defaultNames = [
        "BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT", "BNBUSDT", "DOGEUSDT",
    ]

    private static let levels: [String: (Int64, Int, Int)] = [
        "BTC": (6_500_000, 2, 5), "ETH": (320_000, 2, 4), "SOL": (15_000, 2, 3),
        "XRP": (6_000, 4, 1), "BNB": (58_000, 2, 3), "DOGE": (12_000, 5, 0),
    ]
    private static let quotes = ["USDT", "USDC", "FDUSD", "EUR", "TRY", "BTC", "ETH", "BNB"]

    /// Returns `nil` for a name that is none: letters and digits, with a known currency at its end.
    package init?(_ name: String) {
        guard (1...ExchangeLimits.symbolBytesMax).contains(name.utf8.count),
            name.utf8.allSatisfy({ (0x41...0x5a).contains($0) || (0x30...0x39).contains($0) }),
            let quote = Self.quotes.first(where: { name.hasSuffix($0) && name != $0 })
        else { return nil }
        self.name = name
        self.quote = quote
        lowercased = name.lowercased()
        stream = lowercased + "@trade"
        base = String(name.dropLast(quote.count))
        let seed = Array(name.utf8).reduce(UInt64(7)) { SeededRandom.mixed($0 ^ UInt64($1)) }
        (level, priceDecimals, quantityDecimals) =
            Self.levels[base] ?? (1_000 + Int64(seed % 100_000), 4, 2)
    }

    /// Returns a number of ticks or steps as the exchange writes it, with 8 decimals.
    private static func text(_ number: Int64, decimals: Int) -> String {
        let digits = String(number)
        let all = String(repeating: "0", count: max(0, decimals + 1 - digits.count)) + digits
        let zeros = String(repeating: "0", count: 8 - decimals)
        return "\(all.dropLast(decimals)).\(all.suffix(decimals))\(zeros)"
    }

    func priceText(_ ticks: Int64) -> String { Self.text(ticks, decimals: priceDecimals) }
    func quantityText(_ steps: Int64) -> String { Self.text(steps, decimals: quantityDecimals) }
}
