internal import MarketModel
internal import Primitives

// What providers tell of symbols in a simulated market.
extension MarketMaking {
    private static let period: Int64 = 10_000_000_000

    /// Appends some values of a symbol. They may come at once, as when a service tells its past.
    mutating func addValues(to index: Int, using random: inout SeededRandom) {
        guard let symbol = sources[index].randomSymbol(using: &random) else { return }
        let isAtOnce = Bool.random(using: &random)
        for _ in 0..<Int.random(in: 1...3, using: &random) {
            if !isAtOnce { now += Int64.random(in: 0...weather.pace, using: &random) }
            // This puts its receipt on a border, where a nanosecond decides.
            if happens(weather.ties * 3, &random) {
                now = (now / 1_000_000_000 + 1) * 1_000_000_000
            }
            let back = happens(300, &random) ? Int64.random(in: 0...3, using: &random) : 0
            let start = (now / Self.period - back) * Self.period
            let time = Timestamp(nanoseconds: now)
            let value = IndicatorValue(
                header: TickHeader(symbol: 0, providerTime: time, receiveTime: time),
                name: happens(100, &random) ? "other" : "value",
                value: Int128(Int64.random(in: -3...9, using: &random)) * 250_000_000,
                periodStart: Timestamp(nanoseconds: start),
                periodEnd: Timestamp(nanoseconds: start + Self.period))
            sources[index].append(.value(value), symbol)
        }
    }
}
