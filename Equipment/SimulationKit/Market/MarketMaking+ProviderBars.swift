internal import MarketModel
internal import Primitives

// A provider's bars of 5 s in a simulated market.
extension MarketMaking {
    private static let length: Int64 = 5_000_000_000

    /// Appends some bars that end at the present time or shortly before.
    mutating func addProviderBars(to index: Int, using random: inout SeededRandom) {
        guard let symbol = sources[index].randomSymbol(using: &random) else { return }
        for _ in 0..<Int.random(in: 1...3, using: &random) {
            let isLate = happens(weather.late * 3, &random)
            let back = isLate ? Int64.random(in: 0...9, using: &random) : 0
            let end = now / Self.length * Self.length - back * Self.length
            let bar = providerBar(endingAt: end, using: &random)
            sources[index].append(.providerBar(bar), symbol)
            if happens(weather.repeats * 5, &random) {
                sources[index].append(.providerBar(bar), symbol)
            }
            // The provider makes a bar again that may be settled by now.
            if happens(weather.busts * 5, &random) {
                let back = Int64.random(in: 0...9, using: &random) * Self.length
                var again = providerBar(endingAt: end - back, using: &random)
                again.flags.insert(.revised)
                sources[index].append(.providerBar(again), symbol)
            }
        }
    }

    /// Appends the bars of a gap from the provider's history.
    mutating func fillProviderBars(
        _ index: Int, _ symbol: Symbol, from: Int64, to: Int64, _ random: inout SeededRandom
    ) {
        var end = from / Self.length * Self.length + Self.length
        while end <= to {
            var bar = providerBar(endingAt: end, using: &random)
            bar.header.flags.insert(.backfilled)
            sources[index].append(.providerBar(bar), symbol)
            end += Self.length
        }
    }

    private func providerBar(
        endingAt end: Int64, using random: inout SeededRandom
    ) -> ProviderBar {
        let start = end - Self.length
        var bar = ProviderBar(
            header: TickHeader(
                symbol: 0, providerTime: Timestamp(nanoseconds: end),
                receiveTime: Timestamp(nanoseconds: now)),
            openTime: Timestamp(nanoseconds: start), closeTime: Timestamp(nanoseconds: end),
            kind: happens(30, &random) ? .midpoint : .trades)
        if happens(weather.undefined, &random) {
            bar.closeTime = Timestamp(nanoseconds: end + Self.length)
        }
        let prices = (0..<2).map { _ in Int64.random(in: 1...40, using: &random) * 250_000_000 }
        (bar.open, bar.close) = (Price(raw: prices[0]), Price(raw: prices[1]))
        bar.high = Price(raw: max(prices[0], prices[1]) + 125_000_000)
        bar.low = Price(raw: min(prices[0], prices[1]) - 125_000_000)
        bar.volume = Int128(Int64.random(in: 0...9, using: &random)) * 10_000_000_000
        bar.vwap = Price(raw: Int64.random(in: 1...10_000_000_000, using: &random))
        // The same for every version, so that no version takes the price of a bar away.
        bar.trades = start / Self.length % 7 == 0 ? 0 : Int64.random(in: 1...99, using: &random)
        if happens(weather.undefined * 4, &random) { bar.vwap = .undefined }
        if happens(weather.undefined * 2, &random) { bar.high = .undefined }
        if happens(weather.undefined * 2, &random) { bar.flags = .inProgress }
        return bar
    }
}
