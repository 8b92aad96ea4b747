internal import Primitives

/// One symbol, with the scale of its numbers.
package struct AlpacaSymbol: Equatable, Sendable {
    package let name: String
    /// The tape: A of NYSE, B of other exchanges, C of Nasdaq. Empty for crypto.
    let tape: String
    /// The middle of its prices, in units.
    let level: Int64
    /// Decimals of a price's unit and of a size's.
    let priceDecimals: Int
    let sizeDecimals: Int
    /// How many units a price moves at least.
    let tick: Int64

    package static let stocks = ["AAPL", "MSFT", "NVDA", "SPY", "AMD", "KO"]
    package static let coins = ["BTC/USD", "ETH/USD"]
    /// The symbol of the endpoint for tests.
    package static let test = "FAKEPACA"

    /// Prices in cents.
    private static let levels: [String: (cents: Int64, tape: String)] = [
        "AAPL": (21_000, "C"), "MSFT": (42_000, "C"), "NVDA": (13_000, "C"), "SPY": (58_000, "B"),
        "AMD": (14_000, "C"), "KO": (6_200, "A"), "FAKEPACA": (13_300, "N"),
        "BTC/USD": (6_500_000, ""), "ETH/USD": (320_000, ""),
    ]

    /// Returns `nil` for a name that is none: capital letters and digits, with dots; a coin has a
    /// slash before its currency.
    package init?(_ name: String) {
        guard (1...AlpacaLimits.symbolBytesMax).contains(name.utf8.count), Self.isName(name)
        else { return nil }
        self.name = name
        let isCoin = name.contains("/")
        let seed = Array(name.utf8).reduce(UInt64(7)) { SeededRandom.mixed($0 ^ UInt64($1)) }
        let known = Self.levels[name] ?? (1_000 + Int64(seed % 50_000), "C")
        tape = isCoin ? "" : known.tape
        level = known.cents * 100
        priceDecimals = 4
        sizeDecimals = isCoin ? 9 : 0
        tick = isCoin ? 1 : 100
    }

    private static func isName(_ name: String) -> Bool {
        let parts = name.split(separator: "/", omittingEmptySubsequences: false)
        return parts.count <= 2
            && parts.allSatisfy { part in
                part.first?.isLetter == true
                    && part.utf8.allSatisfy {
                        (0x41...0x5a).contains($0) || (0x30...0x39).contains($0) || $0 == 0x2e
                    }
            }
    }
}
