internal import Primitives
internal import VenueWeb

/// Prices of coins, which change once a minute.
struct CoinPrices: Sendable {
    struct Coin: Equatable, Sendable {
        let id: String
        let symbol: String
        let name: String
        /// The middle of its prices in dollars, in units of 10^-10; `nil`: nobody trades it.
        let level: Int64?
    }

    static let period: Int64 = 60_000_000_000
    static let decimals = 10
    static let currencies = ["usd", "eur"]
    static let coins = [
        Coin(id: "bitcoin", symbol: "btc", name: "Bitcoin", level: 650_000_000_000_000),
        Coin(id: "ethereum", symbol: "eth", name: "Ethereum", level: 32_000_000_000_000),
        Coin(id: "solana", symbol: "sol", name: "Solana", level: 1_500_000_000_000),
        // A price that services write with an exponent.
        Coin(id: "pepe", symbol: "pepe", name: "Pepe", level: 94_000),
        Coin(id: "ghost", symbol: "ghost", name: "Ghost", level: nil),
    ]

    private let events: SeededEvents

    init(seed: UInt64) {
        events = SeededEvents(
            seed: seed ^ 0x63, lanes: Self.coins.count * Self.currencies.count, interval: nil)
    }

    /// When the prices of a time were computed.
    static func updated(_ time: Timestamp) -> Timestamp {
        time.floored(toNanoseconds: period)
    }

    /// Returns a price as CoinGecko writes it: a number, or with an exponent if it is small; `nil`:
    /// there is none.
    func price(_ coin: Int, _ currency: Int, at time: Timestamp) -> String? {
        guard let level = Self.coins[coin].level else { return nil }
        let number = UInt64(clamping: time.nanoseconds / Self.period)
        let lane = coin * Self.currencies.count + currency
        let units = max(1, events.level(lane, number, around: level))
        return Self.text(currency == 0 ? units : units / 10 * 9)
    }

    /// Returns units of 10^-10 as text.
    static func text(_ units: Int64) -> String {
        guard units < 1_000_000 else { return FixedPoint.text(units, decimals: decimals) }
        let digits = String(units)
        let rest = String(digits.dropFirst().reversed().drop { $0 == "0" }.reversed())
        let exponent = decimals - digits.count + 1
        let power = exponent < 10 ? "0\(exponent)" : "\(exponent)"
        return "\(digits.prefix(1))\(rest.isEmpty ? "" : ".")\(rest)e-\(power)"
    }
}
