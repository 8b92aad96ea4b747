internal import MarketModel
internal import Primitives

extension [UInt8] {
    /// The lengths of the units by which a length of bars is written, in nanoseconds.
    private static let units: [(nanoseconds: Int64, letters: String)] = [
        (86_400_000_000_000, "d"), (3_600_000_000_000, "h"), (60_000_000_000, "m"),
        (1_000_000_000, "s"), (1, "ns"),
    ]

    /// Appends the series of a provider's bar: its data and its length in the largest unit that
    /// divides it, as in `trades-5s`.
    mutating func append(seriesOf bar: ProviderBar) {
        append(contentsOf: (ProviderBarKind(rawValue: bar.kind) ?? .unknown).letters.utf8)
        append(UInt8(ascii: "-"))
        let length = bar.closeTime.nanoseconds(since: bar.openTime)
        for unit in Self.units where length % unit.nanoseconds == 0 {
            append(decimal: length / unit.nanoseconds, decimals: 0)
            append(contentsOf: unit.letters.utf8)
            return
        }
    }
}

extension ProviderBarKind {
    /// The name in keys.
    fileprivate var letters: String {
        switch self {
        case .unknown: "unknown"
        case .trades: "trades"
        case .midpoint: "midpoint"
        case .bid: "bid"
        case .ask: "ask"
        case .bidAsk: "bid_ask"
        case .historicalVolatility: "historical_volatility"
        case .impliedVolatility: "implied_volatility"
        }
    }
}
